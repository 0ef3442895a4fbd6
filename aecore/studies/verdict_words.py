"""Verdicts in words and numbers: one sentence each, and what would change it."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from aecore.measuring.evidence import FEWEST_SEEDS, LEVEL, Evidence, e_value
from aecore.studies.claims import CLAIMS
from aecore.studies.contrasts import LEGIBLE, PSNR, SSIM, Measure
from aecore.studies.verdicts import Judged, Judgement, Scores, chosen_rate, of_sides

POWER = 0.8  # of the study whose number of seeds is named
MOST_SEEDS = 1000  # that are named
_DIGITS = {PSNR.name: 2, SSIM.name: 4, LEGIBLE.name: 1}


def amount(value: float, measure: Measure) -> str:
    """A difference with its sign and unit: `+0.42 dB`."""
    return f"{number(value, measure)} {measure.unit}".rstrip()


def number(value: float, measure: Measure) -> str:
    """A difference with its sign: `+0.42`."""
    return f"{value:+z.{_DIGITS[measure.name]}f}".replace("-", "−")


def interval(bounds: tuple[float, float] | None, measure: Measure) -> str:
    """An interval: `+0.09 to +0.75`; a dash where there is none."""
    return "–" if bounds is None else " to ".join(number(bound, measure) for bound in bounds)


def size(value: float, measure: Measure) -> str:
    """A difference without its sign."""
    return f"{abs(value):.{_DIGITS[measure.name]}f} {measure.unit}".rstrip()


def difference(judged: Judged) -> str:
    """How far the sides of a contrast are apart, after how many epochs and over how many seeds, in one sentence."""
    found, measure = judged.evidence, judged.contrast.measure
    first, second = (side.label for side in judged.contrast.sides)
    if found is None:
        return f"{first} and {second} have no seed in common yet."
    seeds = f"{found.seeds} seed{'s' * (found.seeds > 1)}"
    how = "higher" if found.mean > 0 else "lower"
    apart = f"{size(found.mean, measure)} {how} than that of {second}"
    said = f"{_epochs(judged)} the {measure.title} of {first} is {apart}"
    if found.bounds is None:
        return f"{said}, over {seeds}."
    kind = "95% confidence sequence" if found.sequential else "95% interval"
    return f"{said} ({kind} {interval(found.bounds, measure)}, {seeds})."


def _epochs(judged: Judged) -> str:
    epochs = list(dict.fromkeys(side.recipe.epochs for side in judged.contrast.sides))
    pictures = "all training pictures" if judged.budget == "full" else "the first 10,000 training pictures"
    return f"After {' and '.join(map(str, epochs))} epoch{'s' * (epochs != [1])} on {pictures}"


def sentence(judgement: Judgement) -> str:
    """The verdict in numbers."""
    own = judgement.own
    return difference(own) if own.evidence is None else f"{difference(own)} {own.finding.reason}"


def rates(scores: Scores, judged: Judged) -> str:
    """The learning rates that were chosen on validation pictures; empty where there was no choice."""
    sides = judged.contrast.sides
    chosen = [chosen_rate(scores, side, judged.budget) for side in sides]
    named = [f"{rate:g} for {side.label}" for side, rate in zip(sides, chosen, strict=True) if rate]
    return f"learning rate {' and '.join(named)}" if named else ""


def hardware(scores: Scores, judged: Judged) -> str:
    """What the runs of a contrast were trained on, such as `NVIDIA H200` or `x86_64 CPU`; empty for none."""
    pairs = of_sides(scores, judged.contrast, judged.budget)
    trained_on = {pairs[seed][0].hardware for seed in judged.differences}
    return " and ".join(sorted(trained_on - {""}))


def change(judgement: Judgement) -> str:
    """What would change the verdict, in one sentence or two."""
    own, found = judgement.own, judgement.own.evidence
    if found is None or found.seeds < FEWEST_SEEDS:
        return f"{FEWEST_SEEDS} seeds decide."
    others = [one for one in judgement.contrasts[1:] if one.evidence and one.evidence.seeds >= FEWEST_SEEDS]
    same = sum(one.finding.verdict == own.finding.verdict for one in others)
    agree = f" {same} of {len(others)} further comparisons have the same verdict." if others else ""
    if own.finding.verdict == "undecided":
        return f"{_seeds_needed(found, own.contrast.measure)}{agree}"
    if own.finding.verdict == "depends":
        return "The setting decides it: see the other comparisons."
    budget = " The full budget may turn it." if judgement.budget == "short" else ""
    if own.finding.verdict != "refuted" and (own.finding.verdict, judgement.claim.says) != ("supported", "better"):
        return f"Only seeds far outside the interval would.{agree}{budget}"
    chance = found.chance or 0.0
    agreeing = chance if found.mean > 0 else 1 - chance
    return f"A new seed has the same sign with a probability of {agreeing:.0%}.{agree}{budget}"


def _seeds_needed(found: Evidence, measure: Measure) -> str:
    """How many seeds in all would show the smallest difference that matters, if the spread stays as it is.

    That is where the e-value, at the t that four of five studies exceed, is large enough beside all other comparisons.
    """
    if not found.deviation or found.is_shown:
        return "More seeds would narrow the interval."
    seeds = np.arange(found.seeds + 1, MOST_SEEDS + 1)
    t = np.maximum(measure.smallest / found.deviation * np.sqrt(seeds) - float(ndtri(POWER)), 0)
    family = sum(len(claim.contrasts) for claim in CLAIMS.values())
    enough = seeds[e_value(t, seeds) >= 2 * family / LEVEL]
    smallest = size(measure.smallest, measure)
    if not len(enough):
        return f"With this spread more than {MOST_SEEDS:,} seeds are needed to show a difference of {smallest}."
    return f"With this spread about {enough[0]:,} seeds in all would show a difference of {smallest}."
