"""The commands `claims run` and `claims show`: trains what the claims about the study need, and prints the verdicts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from aecore import did_you_mean
from aecore.cli.output import add_json, say, write, write_json, write_table
from aecore.data import index_lists
from aecore.runs.store import Store
from aecore.scheduling.entries import QueueError
from aecore.scheduling.places import ENGINES, Place
from aecore.scheduling.queue import Queue
from aecore.studies import claim_scores, verdict_words, verdicts
from aecore.studies.claims import CLAIMS
from aecore.studies.contrasts import Claim, ClaimError
from aecore.studies.verdicts import BUDGETS, Judged, Judgement, Scores

MOST_SEEDS = 100
SYSTEMS = "systems"  # in place of a claim: the study's own systems, for their spread over seeds


def add_claims(parser: argparse.ArgumentParser) -> None:
    """The options of `claims`."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="train what is missing, and publish the scores")
    run.add_argument("names", metavar="CLAIM", nargs="*", help=f"of {', '.join([*CLAIMS, SYSTEMS])} (default: all)")
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
    from aecore.studies.tables import claims_table, spread_table

    with_systems = SYSTEMS in options.names or not options.names
    claims = [_find(name) for name in options.names or CLAIMS if name != SYSTEMS]
    seeds = index_lists.parse(options.seeds, below=10_000, most=MOST_SEEDS, what="seed")
    store, queue = Store(), Queue()
    known, place = claim_scores.publish(store).scores, Place.chosen(options.engine, None)
    lacking = claim_scores.missing(claims, options.budget, seeds, known, with_systems=with_systems)
    say(f"{sum(map(len, lacking.values()))} runs are missing.")
    ended = [entry for light, specs in lacking.items() for entry in wait(queue, specs, place, light=light).values()]
    scores = claim_scores.publish(store).scores
    judged = verdicts.judge(scores, budgets=[options.budget])
    print(claims_table([judgement for judgement in judged if judgement.claim in claims]))
    if with_systems:
        print(spread_table(scores, options.budget))
    if missing := sum(entry.state != "finished" for entry in ended):
        raise QueueError(f"{missing} of {len(ended)} runs did not finish: `python -m aecore runs` says why.")


def _show(options: argparse.Namespace) -> None:
    claims = [_find(name) for name in options.names]
    published = claim_scores.published(Store().root)
    judgements = [judgement for judgement in published.judgements if not claims or judgement.claim in claims]
    if options.json:
        write_json([_facts(judgement, one) for judgement in judgements for one in judgement.contrasts])
    elif not judgements:
        say("No verdict is published here: `python -m aecore claims run` trains what it needs.")
    elif claims:
        _print(judgements, published.scores)
    else:
        rows = [_row(judgement, judgement.own) | {"claim": judgement.claim.words} for judgement in judgements]
        write_table(rows, ["claim", "verdict", "difference", "95% interval", "seeds", "budget"])


def _print(judgements: Sequence[Judgement], scores: Scores) -> None:
    """Each claim with its contrasts, and in what their sides differ."""
    columns = ["contrast", "removes", "verdict", "difference", "95% interval", "p, Holm", "e-value", "seeds", "budget"]
    for judgement in judgements:
        write(f"{judgement.claim.words}: {judgement.finding.verdict}")
        write(f"{verdict_words.sentence(judgement)} {verdict_words.change(judgement)}")
        write_table([_row(judgement, one) for one in judgement.contrasts], columns)
        for one in judgement.contrasts:
            first, second = (side.label for side in one.contrast.sides)
            hardware = verdict_words.hardware(scores, one)
            facts = [
                one.contrast.differ,
                f"equal {' and '.join(one.contrast.equal)}" if one.contrast.equal else "",
                verdict_words.rates(scores, one),
                f"trained on {hardware}" if hardware else "",
            ]
            write(f"{one.contrast.name}, from {first} to {second}: {'; '.join(filter(None, facts))}")
        write("")


def _row(judgement: Judgement, judged: Judged) -> dict[str, Any]:
    found, measure = judged.evidence, judged.contrast.measure
    return {
        "claim": judgement.claim.name,
        "contrast": judged.contrast.name,
        "removes": judged.contrast.removes or "–",
        "verdict": judged.finding.verdict,
        "difference": verdict_words.amount(found.mean, measure) if found else "–",
        "95% interval": verdict_words.interval(found.bounds if found else None, measure),
        "p, Holm": f"{judged.adjusted_p:.3g}" if found else "–",
        "e-value": f"{found.e_value:.3g}" if found else "–",
        "seeds": len(judged.differences),
        "budget": judged.budget,
    }


def _facts(judgement: Judgement, judged: Judged) -> dict[str, Any]:
    """The same as numbers, for JSON."""
    return {
        "claim": judgement.claim.name,
        "contrast": judged.contrast.name,
        "removes": judged.contrast.removes,
        "budget": judged.budget,
        "measure": judged.contrast.measure.title,
        "verdict": judged.finding.verdict,
        "reason": judged.finding.reason,
        "adjusted_p": judged.adjusted_p,
        "differences": judged.differences,
        "evidence": judged.evidence and asdict(judged.evidence),
        "components": judged.components and asdict(judged.components),
    }


def _find(name: str) -> Claim:
    if name not in CLAIMS:
        raise ClaimError(f"There is no claim {name!r}: {did_you_mean(name, CLAIMS)}Claims: {', '.join(CLAIMS)}.")
    return CLAIMS[name]
