"""The commands `claims run` and `claims show`: trains what the claims about the study need, and prints the verdicts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from aecore.cli.output import add_json, say, write, write_json, write_table
from aecore.data import index_lists
from aecore.runs.store import Store
from aecore.scheduling.entries import QueueError
from aecore.scheduling.places import ENGINES, Place
from aecore.scheduling.queue import Queue
from aecore.studies import verdicts
from aecore.studies.claims import CLAIMS, Claim, ClaimError
from aecore.studies.verdicts import BUDGETS, Judged, Judgement

MOST_SEEDS = 100


def add_claims(parser: argparse.ArgumentParser) -> None:
    """The options of `claims`."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="train what is missing, and publish the scores")
    run.add_argument("names", metavar="CLAIM", nargs="*", help=f"of {', '.join(CLAIMS)} (default: all)")
    run.add_argument("--seeds", default="0-5", metavar="LIST", help="such as 0-9 (default %(default)s)")
    run.add_argument("--budget", choices=BUDGETS, default="full", help="short: 10,000 training pictures")
    run.add_argument("--engine", choices=ENGINES, help="where runs are trained (default: AECORE_ENGINE, or local)")
    run.set_defaults(
        command=_run,
        stopped="Stopped waiting. The runs continue: `python -m aecore runs` lists them, and the same command goes on.",
    )
    show = commands.add_parser("show", help="print the verdicts from the published scores")
    show.add_argument("names", metavar="CLAIM", nargs="*", help="with all contrasts of these claims (default: none)")
    add_json(show)
    show.set_defaults(command=_show)


def _run(options: argparse.Namespace) -> None:
    # They bring torch, which `show` does not need.
    from aecore.cli.sweeping import wait
    from aecore.studies.tables import claims_table

    claims = [_find(name) for name in options.names] or list(CLAIMS.values())
    seeds = index_lists.parse(options.seeds, below=10_000, most=MOST_SEEDS, what="seed")
    store, queue = Store(), Queue()
    known = verdicts.publish(store).scores
    wanted = {
        spec.key: spec
        for seed in seeds
        for claim in claims
        for spec in verdicts.specs(claim, options.budget, [seed])
        if (spec.group, spec.seed) not in known
    }
    say(f"{len(wanted)} runs are missing.")
    ended = wait(queue, list(wanted.values()), Place.chosen(options.engine, None), light=True)
    if missing := sum(entry.state != "finished" for entry in ended.values()):
        raise QueueError(f"{missing} of {len(wanted)} runs did not finish: `python -m aecore runs` says why.")
    judged = verdicts.judge(verdicts.publish(store).scores, options.budget, list(CLAIMS.values()))
    print(claims_table([judgement for judgement in judged if judgement.claim in claims]))


def _show(options: argparse.Namespace) -> None:
    claims = [_find(name) for name in options.names]
    every = verdicts.published(Store().root).judgements
    judgements = [judgement for judgement in every if not claims or judgement.claim in claims]
    if options.json:
        write_json([_facts(judgement, one) for judgement in judgements for one in judgement.contrasts])
    elif not judgements:
        say("No verdict is published here: `python -m aecore claims run` trains what it needs.")
    elif claims:
        _print(judgements)
    else:
        rows = [_row(judgement, judgement.contrasts[0]) | {"claim": judgement.claim.words} for judgement in judgements]
        write_table(rows, ["claim", "verdict", "dB", "95% interval", "seeds", "budget"])


def _print(judgements: Sequence[Judgement]) -> None:
    """Each claim with its contrasts, and in what their sides differ."""
    columns = ["contrast", "removes", "verdict", "dB", "95% interval", "p, Holm", "e-value", "seeds", "budget"]
    for judgement in judgements:
        write(f"{judgement.claim.words}: {judgement.finding.verdict}. {judgement.finding.reason}")
        write_table([_row(judgement, one) for one in judgement.contrasts], columns)
        for one in judgement.contrasts:
            equal = f"; equal {' and '.join(one.contrast.equal)}" if one.contrast.equal else ""
            write(f"{one.contrast.name}, from better to worse: {one.contrast.differ}{equal}")
        write("")


def _row(judgement: Judgement, judged: Judged) -> dict[str, Any]:
    found = judged.evidence
    return {
        "claim": judgement.claim.name,
        "contrast": judged.contrast.name,
        "removes": judged.contrast.removes or "–",
        "verdict": judged.finding.verdict,
        "dB": f"{found.mean:+.2f}" if found else "–",
        "95% interval": f"{found.interval[0]:+.2f} to {found.interval[1]:+.2f}" if found and found.interval else "–",
        "p, Holm": f"{judged.adjusted_p:.3g}",
        "e-value": f"{found.e_value:.3g}" if found else "–",
        "seeds": len(judged.differences),
        "budget": judgement.budget,
    }


def _facts(judgement: Judgement, judged: Judged) -> dict[str, Any]:
    """The same as numbers, for JSON."""
    return {
        "claim": judgement.claim.name,
        "contrast": judged.contrast.name,
        "removes": judged.contrast.removes,
        "budget": judgement.budget,
        "verdict": judged.finding.verdict,
        "reason": judged.finding.reason,
        "adjusted_p": judged.adjusted_p,
        "differences": judged.differences,
        "evidence": judged.evidence and asdict(judged.evidence),
        "components": judged.components and asdict(judged.components),
    }


def _find(name: str) -> Claim:
    if name not in CLAIMS:
        raise ClaimError(f"There is no claim {name!r}. Claims: {', '.join(CLAIMS)}.")
    return CLAIMS[name]
