"""The verdict on every claim about the study, from the scores of its runs.

They follow from the scores and from `claims.CLAIMS` alone; `claim_scores` reads and publishes both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from statistics import fmean

import numpy as np

from aecore.measuring import evidence
from aecore.measuring.evidence import Components, Evidence, Finding, Settings, Verdict
from aecore.measuring.totals import decibels
from aecore.models import zoo
from aecore.models.recipe import Recipe, RunSpec
from aecore.studies.claims import CLAIMS
from aecore.studies.contrasts import PLANNED, PSNR, Budget, Claim, Contrast, Measure, Side

BUDGETS: tuple[Budget, ...] = ("full", "short")  # the better one first
Place = tuple[str, int, str]  # the group (all of a spec but the seed), the seed and the hardware


@dataclass(frozen=True)
class Score:
    """The scores of one run on the test pictures.

    `curve` is the MSE on the validation pictures after each epoch, `parts` the MSE on each part of the test pictures,
    `ssim` their mean SSIM, and `legible` the percentage of them whose class the classifier reads, where that was asked.
    `hardware` is what it was trained on: the name of a GPU, or the processor's architecture and the kind of device.
    """

    key: str
    group: str
    seed: int
    curve: tuple[float, ...]
    parts: tuple[float, ...]
    ssim: float
    legible: float | None = None
    hardware: str = ""

    @property
    def place(self) -> Place:
        """What tells it from all others: two runs that differ in their hardware alone have the same key."""
        return self.group, self.seed, self.hardware

    @property
    def psnr(self) -> float:
        """Pooled PSNR on the test pictures, in dB."""
        return decibels(fmean(self.parts))

    def by(self, measure: Measure) -> float | None:
        """The figure that a contrast is judged by; None where it was not measured."""
        figure: float | None = getattr(self, measure.name)
        return figure


_UNTRAINED = Finding("undecided", "No seed is trained yet.")
Scores = Mapping[Place, Score]


@dataclass(frozen=True)
class Judged:
    """A contrast under a budget: the difference of its sides, in the unit of its measure, for each seed of both."""

    contrast: Contrast
    budget: Budget
    differences: Mapping[int, float]
    evidence: Evidence | None = None  # None without a seed
    components: Components | None = None  # of the PSNR; None for fewer than two seeds
    adjusted_p: float = 1.0
    finding: Finding = _UNTRAINED


@dataclass(frozen=True)
class Judgement:
    """A claim with its contrasts: its own comes first, whose finding is the verdict on the claim."""

    claim: Claim
    contrasts: tuple[Judged, ...]

    @property
    def seeds(self) -> int:
        """How many seeds the claim's own contrast has."""
        return len(self.own.differences)

    @property
    def budget(self) -> Budget:
        """The budget of the claim's own contrast."""
        return self.own.budget

    @property
    def own(self) -> Judged:
        """The contrast that takes the sentence at its word."""
        return self.contrasts[0]

    @property
    def finding(self) -> Finding:
        """The verdict."""
        return self.own.finding


def specs(claim: Claim, budget: Budget, seeds: Iterable[int]) -> list[RunSpec]:
    """The runs that a claim needs, seed by seed, each once."""
    sides = [side for contrast in claim.contrasts for side in contrast.sides]
    wanted = [spec_of(side, recipe, seed) for seed in seeds for side in sides for recipe in side.recipes(budget)]
    return list({spec.key: spec for spec in wanted}.values())


def spec_of(side: Side, recipe: Recipe, seed: int) -> RunSpec:
    """The run of a side with one of its recipes; reads the data set's fingerprint."""
    from aecore.data import datasets  # brings torch, which published verdicts do not need

    name = side.label if side.label in zoo.SYSTEMS else zoo.from_text(str(side.architecture)).name
    fingerprint = datasets.load(side.dataset).fingerprint
    return RunSpec(side.architecture, recipe, side.dataset, fingerprint, seed, name)


def judge(
    scores: Scores, claims: Sequence[Claim] | None = None, budgets: Sequence[Budget] = BUDGETS
) -> list[Judgement]:
    """The judgement of every claim, by default of all `CLAIMS`.

    The p-values of all their contrasts are adjusted as one family. Each contrast is judged under the first of the
    `budgets` that has enough seeds, else the one that has most.
    """
    claims = list(CLAIMS.values()) if claims is None else claims
    weighed = [[_best(scores, budgets, contrast) for contrast in claim.contrasts] for claim in claims]
    family = [judged.evidence.decisive_p if judged.evidence else None for row in weighed for judged in row]
    adjusted = iter(evidence.holm(family))
    return [
        Judgement(claim, tuple(_judged(claim, row, [next(adjusted) for _ in row])))
        for claim, row in zip(claims, weighed, strict=True)
    ]


def _best(scores: Scores, budgets: Sequence[Budget], contrast: Contrast) -> Judged:
    weighed = [_weighed(scores, budget, contrast) for budget in budgets]
    return max(weighed, key=lambda judged: min(len(judged.differences), evidence.FEWEST_SEEDS))


def _weighed(scores: Scores, budget: Budget, contrast: Contrast) -> Judged:
    """A contrast with its evidence, but without a finding."""
    pairs = of_sides(scores, contrast, budget)
    differences = dict[int, float]()
    for seed, pair in pairs.items():
        one, other = (score.by(contrast.measure) for score in pair)
        if one is not None and other is not None:
            differences[seed] = one - other
    if not differences:
        return Judged(contrast, budget, {})
    values = list(differences.values())
    weighed = evidence.evidence(values, contrast.measure.smallest, planned=PLANNED)
    if len(values) == 1 or contrast.measure is not PSNR:
        return Judged(contrast, budget, differences, weighed)
    # How much each part of the pictures adds to a run's pooled PSNR, to first order.
    table = [
        [difference - 10 / log(10) * apart for apart in _shares(pairs[seed][0]) - _shares(pairs[seed][1])]
        for seed, difference in differences.items()
    ]
    return Judged(contrast, budget, differences, weighed, evidence.components(table))


def _shares(score: Score) -> np.ndarray:
    return np.asarray(score.parts) / fmean(score.parts)


def of_sides(scores: Scores, contrast: Contrast, budget: Budget) -> dict[int, tuple[Score, Score]]:
    """The scores of both sides of a contrast by seed, each pair trained on the same hardware.

    Where a seed has pairs on several, that on which most seeds have one is taken, and of equals the last by name.
    """
    recipes = [_at_best_rate(scores, side, budget) for side in contrast.sides]
    groups = [spec_of(side, recipe, 0).group for side, (recipe, _) in zip(contrast.sides, recipes, strict=True)]
    seeds = set.intersection(*(set(of_seeds) for _, of_seeds in recipes))
    first, second = ({place: score for place, score in scores.items() if place[0] == group} for group in groups)
    by_hardware = dict[str, dict[int, tuple[Score, Score]]]()
    for (_, seed, hardware), score in first.items():
        other = second.get((groups[1], seed, hardware))
        if other is not None and seed in seeds:
            by_hardware.setdefault(hardware, {})[seed] = score, other
    pairs = dict[int, tuple[Score, Score]]()
    for hardware in sorted(by_hardware, key=lambda hardware: (len(by_hardware[hardware]), hardware)):
        pairs |= by_hardware[hardware]
    return dict(sorted(pairs.items()))


def of_side(scores: Scores, side: Side, budget: Budget) -> dict[int, Score]:
    """The scores of a side by seed, at the learning rate that is best on the validation pictures."""
    return _at_best_rate(scores, side, budget)[1]


def chosen_rate(scores: Scores, side: Side, budget: Budget) -> float | None:
    """The learning rate that is best on the validation pictures; None for a side that has one, or no seed of all."""
    recipe, of_seeds = _at_best_rate(scores, side, budget)
    return recipe.learning_rate if side.rates and of_seeds else None


def _at_best_rate(scores: Scores, side: Side, budget: Budget) -> tuple[Recipe, dict[int, Score]]:
    by_rate = [(recipe, _of_group(scores, spec_of(side, recipe, 0).group)) for recipe in side.recipes(budget)]
    seeds = set.intersection(*(set(of_seeds) for _, of_seeds in by_rate))
    if not seeds:
        return by_rate[0][0], {}
    recipe, best = min(by_rate, key=lambda rate: fmean(rate[1][seed].curve[-1] for seed in seeds))
    return recipe, {seed: best[seed] for seed in seeds}


def _of_group(scores: Scores, group: str) -> dict[int, Score]:
    """One score for each seed; of several the one on the hardware that most seeds were trained on."""
    own = [score for score in scores.values() if score.group == group]
    common = Counter(score.hardware for score in own)
    return {score.seed: score for score in sorted(own, key=lambda score: (common[score.hardware], score.hardware))}


def _judged(claim: Claim, row: Sequence[Judged], adjusted: Sequence[float]) -> Iterator[Judged]:
    """The contrasts of a claim with their findings; the first one's depends on the others'."""
    alone = [
        replace(one, adjusted_p=p, finding=evidence.finding(one.evidence, p, says=claim.says)) if one.evidence else one
        for one, p in zip(row, adjusted, strict=True)
    ]
    own, *others = alone
    dependence = _dependence(claim, own, others) if own.evidence else None
    yield from (replace(own, finding=dependence or own.finding), *others)


def _dependence(claim: Claim, own: Judged, others: Sequence[Judged]) -> Finding | None:
    """What the verdict on a claim is, if another part of it or another setting has another verdict.

    Of several settings one is named whose verdict is decided, if there is any, and of these the one whose difference
    from the claim's own is largest.
    """
    assert own.evidence is not None
    verdict = own.finding.verdict
    for other in others:
        if other.contrast.is_part and evidence.opposed(verdict, other.finding.verdict):
            said = f"The claim is {verdict}, and another part of it is {other.finding.verdict}: {other.contrast.name}."
            return Finding("depends", said)
    settings = list[tuple[str, Verdict, Evidence]]()
    for other in others:
        seeds = sorted(own.differences.keys() & other.differences.keys())
        comparable = (other.contrast.measure, other.budget) == (own.contrast.measure, own.budget)
        if len(seeds) >= evidence.FEWEST_SEEDS and comparable and not other.contrast.is_part:
            first, second = ([judged.differences[seed] for seed in seeds] for judged in (own, other))
            apart = evidence.interaction(first, second, own.evidence.smallest, planned=PLANNED)
            settings.append((other.contrast.name, other.finding.verdict, apart))
    adjusted = evidence.holm([apart.decisive_p for _, _, apart in settings])
    compared = [
        (name, Settings(verdict, theirs, apart, p)) for (name, theirs, apart), p in zip(settings, adjusted, strict=True)
    ]
    matter = [(name, setting) for name, setting in compared if setting.matter]
    if not matter:
        return None
    name, setting = max(
        matter, key=lambda pair: (evidence.opposed(verdict, pair[1].second), abs(pair[1].interaction.mean))
    )
    judged = evidence.finding(own.evidence, own.adjusted_p, setting, claim.says)
    return replace(judged, reason=f"{judged.reason} The other setting: {name}.")
