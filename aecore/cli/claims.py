"""The commands `claims run` and `claims show`: trains what the claims about the study need, and prints the verdicts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from aecore.cli.output import add_json, say, write, write_json, write_table
from aecore.data import index_lists
from aecore.measuring.evidence import Evidence
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
    # It brings torch, which `show` does not need.
    from aecore.cli.sweeping import wait

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
    judgements = verdicts.publish(store).judgements
    if missing := sum(entry.state != "finished" for entry in ended.values()):
        raise QueueError(f"{missing} of {len(wanted)} runs did not finish: `python -m aecore runs` says why.")
    _print([judgement for judgement in judgements if judgement.claim in claims])


def _show(options: argparse.Namespace) -> None:
    claims = [_find(name) for name in options.names]
    judgements = verdicts.published(Store().root).judgements
    if not judgements:
        say("No verdict is published here: `python -m aecore claims run` trains what it needs.")
    elif options.json:
        write_json([_row(judgement, one) for judgement in judgements for one in judgement.contrasts])
    elif claims:
        _print([judgement for judgement in judgements if judgement.claim in claims])
    else:
        rows = [_row(judgement, judgement.contrasts[0]) | {"claim": judgement.claim.words} for judgement in judgements]
        write_table(rows, ["claim", "verdict", "dB", "95% interval", "seeds", "budget"])


def _print(judgements: Sequence[Judgement]) -> None:
    for judgement in judgements:
        write(f"{judgement.claim.words}: {judgement.finding.verdict}. {judgement.finding.reason}")
        rows = [_row(judgement, one) for one in judgement.contrasts]
        write_table(rows, ["contrast", "removes", "verdict", "dB", "95% interval", "p, Holm", "seeds", "budget"])
        write("")


def _row(judgement: Judgement, judged: Judged) -> dict[str, Any]:
    found = judged.evidence
    return {
        "claim": judgement.claim.name,
        "contrast": judged.contrast.name,
        "removes": judged.contrast.removes or "–",
        "verdict": judged.finding.verdict,
        "dB": f"{found.mean:+.2f}" if found else "–",
        "95% interval": _interval(found),
        "p, Holm": f"{judged.adjusted_p:.3g}",
        "seeds": len(judged.differences),
        "budget": judgement.budget,
    }


def _interval(found: Evidence | None) -> str:
    return f"{found.interval[0]:+.2f} to {found.interval[1]:+.2f}" if found and found.interval else "–"


def _find(name: str) -> Claim:
    if name not in CLAIMS:
        raise ClaimError(f"There is no claim {name!r}. Claims: {', '.join(CLAIMS)}.")
    return CLAIMS[name]
