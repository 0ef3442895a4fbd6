"""Verdicts in words and numbers: one sentence each, and what would change it."""

from __future__ import annotations

from math import ceil, isfinite

from aecore.measuring.evidence import FEWEST_SEEDS, LEVEL, Evidence
from aecore.studies.contrasts import LEGIBLE, PSNR, SSIM, Claim, Measure
from aecore.studies.verdicts import Judged, Judgement, Scores, chosen_rate

POWER = 0.8  # of the study whose number of seeds is named
MOST_SEEDS = 1000  # that are named
_DIGITS = {PSNR: 2, SSIM: 4, LEGIBLE: 1}


def amount(value: float, measure: Measure) -> str:
    """A difference with its sign and unit: `+0.42 dB`."""
    return f"{number(value, measure)} {measure.unit}".rstrip()


def number(value: float, measure: Measure) -> str:
    """A difference with its sign: `+0.42`."""
    return f"{value:+z.{_DIGITS[measure]}f}".replace("-", "−")


def interval(bounds: tuple[float, float] | None, measure: Measure) -> str:
    """An interval: `+0.09 to +0.75`; a dash where there is none."""
    return "–" if bounds is None else " to ".join(number(bound, measure) for bound in bounds)


def size(value: float, measure: Measure) -> str:
    """A difference without its sign."""
    return f"{abs(value):.{_DIGITS[measure]}f} {measure.unit}".rstrip()


def difference(judged: Judged) -> str:
    """How far the sides of a contrast are apart, over how many seeds, in one sentence."""
    found, measure = judged.evidence, judged.contrast.measure
    first, second = (side.label for side in judged.contrast.sides)
    if found is None:
        return f"{first} and {second} have no seed in common yet."
    seeds = f"{found.seeds} seed{'s' * (found.seeds > 1)}"
    how = "higher" if found.mean > 0 else "lower"
    said = f"The {measure.title} of {first} is {size(found.mean, measure)} {how} than that of {second}"
    if found.bounds is None:
        return f"{said}, over {seeds}."
    kind = "95% confidence sequence" if found.sequential else "95% interval"
    return f"{said} ({kind} {interval(found.bounds, measure)}, {seeds})."


def sentence(judgement: Judgement) -> str:
    """The verdict in numbers."""
    own, claim = judgement.own, judgement.claim
    if own.evidence is None:
        return difference(own)
    budget = "the study's epochs on all training pictures"
    if judgement.budget == "short":
        budget = "a short budget: the study's epochs on the first 10,000 training pictures"
    return " ".join([difference(own), _reason(claim, own), f"This is under {budget}."])


def rates(scores: Scores, judged: Judged) -> str:
    """The learning rates that were chosen on validation pictures; empty where there was no choice."""
    sides = judged.contrast.sides
    chosen = [chosen_rate(scores, side, judged.budget) for side in sides]
    named = [f"{rate:g} for {side.label}" for side, rate in zip(sides, chosen, strict=True) if rate]
    return f"learning rate {' and '.join(named)}" if named else ""


def _reason(claim: Claim, judged: Judged) -> str:
    smallest = size(judged.contrast.measure.smallest, judged.contrast.measure)
    match judged.finding.verdict:
        case "supported" if claim.says == "better":
            return "The difference is significant and on the side of the claim."
        case "supported":
            return f"That excludes a difference that matters, of {smallest}."
        case "refuted":
            return "The difference is significant and against the claim."
        case "too small to matter":
            return f"Any difference is below {smallest}, the smallest that matters."
        case "depends":
            return judged.finding.reason
        case _:
            return judged.finding.reason


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
    chance = found.chance or 0.0
    agreeing = chance if found.mean > 0 else 1 - chance
    return f"A new seed has the same sign with a probability of {agreeing:.0%}.{agree}{budget}"


def _seeds_needed(found: Evidence, measure: Measure) -> str:
    """How many seeds would show the smallest difference that matters, if the spread stays as it is."""
    from statsmodels.stats.power import TTestPower

    if not found.deviation:
        return "More seeds would decide."
    effect = measure.smallest / found.deviation
    seeds = TTestPower().solve_power(effect, power=POWER, alpha=LEVEL)
    smallest = size(measure.smallest, measure)
    if not isfinite(seeds) or seeds > MOST_SEEDS:
        return f"With this spread more than {MOST_SEEDS:,} seeds are needed to show a difference of {smallest}."
    return f"With this spread about {ceil(float(seeds)):,} seeds would show a difference of {smallest}."
