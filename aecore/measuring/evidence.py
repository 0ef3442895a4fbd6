"""What paired training seeds say about the difference of two architectures.

The unit of evidence is the seed. Both sides are trained from each seed and scored on the same pictures; what is judged
is one difference per seed, in dB or in the unit of another measure: the side that is claimed to be better minus the
other one. Everything here but `components` takes the pictures as given.

SciPy, and statsmodels, which loads it, are imported where they are called: it takes 0.3 seconds.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from math import copysign, inf, isfinite, sqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from aecore import AecoreError
from aecore.measuring.intervals import FEWEST_PAIRS, margin

LEVEL = 0.05  # of every test; the intervals are those of 95%
FEWEST_SEEDS = FEWEST_PAIRS  # pairs of runs
ENOUGH = 1 / LEVEL  # the e-value that decides on a single comparison, whenever it is reached
# Of the standardised effect. With 1/4, 1 and 4, 20 seeds find an effect of 0.5 in 20, 24 and 21% of studies, and 10
# seeds an effect of 2 in 87, 97 and 97% (`benchmarks/evidence.py`).
PRIOR_VARIANCE = 1.0


class EvidenceError(AecoreError):
    """Differences, p-values or a smallest difference that nothing can be computed from."""


@dataclass(frozen=True)
class Evidence:
    """What the differences of one contrast say. All but p-values, chances and e-values are in the unit of the measure.

    With one seed there is no spread: what needs it is None, and the e-value is 1. If all seeds agree exactly, the
    limits of a vanishing spread are given. `planned_p` is the p of the planned seeds alone where more were added after
    a look at the results: then the evidence is judged by the e-value too, and by the confidence sequence.
    """

    seeds: int
    mean: float
    deviation: float | None  # of the sample of seeds, with n - 1
    interval: tuple[float, float] | None  # Student's, 95%, for a number of seeds chosen in advance
    chance: float | None  # that the first side does better at a new seed
    p: float | None  # of the paired t test, two-sided
    p_equivalence: float | None  # of the two one-sided tests; None without a smallest difference
    e_value: float
    sequence: tuple[float, float] | None  # the 95% confidence sequence; None while it has no bounds
    smallest: float | None  # the smallest difference that matters
    planned_p: float | None = None

    @property
    def sequential(self) -> bool:
        """Whether seeds were added to the planned ones."""
        return self.planned_p is not None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The interval that counts: Student's, or where seeds were added the confidence sequence.

        Student's and `p` do not allow to add seeds: looked at after each one from 5 to 20, they err in 19% of studies.
        """
        return self.sequence if self.sequential else self.interval

    @property
    def decisive_p(self) -> float | None:
        """The p-value that counts: of the paired t test, or where seeds were added a p-value that allows it.

        That is twice the smaller one of two: of the planned seeds' own p, and of 1 / e-value (Ville 1939). So what the
        planned seeds decided, further ones rarely undo.
        """
        if self.planned_p is None:
            return self.p
        return min(1.0, 2 * min(self.planned_p, 1 / self.e_value))

    @property
    def is_shown(self) -> bool:
        """Whether the interval that counts excludes zero."""
        return self.bounds is not None and (self.bounds[0] > 0 or self.bounds[1] < 0)

    @property
    def is_equivalent(self) -> bool:
        """Whether any difference is shown to be smaller than the smallest that matters."""
        if self.sequential:
            return self.bounds is not None and max(map(abs, self.bounds)) < (self.smallest or 0.0)
        return self.p_equivalence is not None and self.p_equivalence < LEVEL

    @property
    def is_no_worse(self) -> bool:
        """Whether the first side is shown to be no worse than the other by the smallest difference that matters."""
        return self.bounds is not None and self.bounds[0] > -(self.smallest or 0.0)


def evidence(differences: ArrayLike, smallest: float | None = None, *, planned: int | None = None) -> Evidence:
    """Judge the differences `[seeds]`.

    `smallest` is the smallest difference that matters, if one is named. `planned` is the number of seeds that were
    planned, which come first; those after them were added.

    - The interval and `p` are those of the paired t test (Student 1908, "The probable error of a mean"). They assume
      normal differences: of lognormal ones, with 3 to 10 seeds, 16 to 18 intervals in a hundred miss the mean.
    - `chance` is the t-predictive probability that the difference of one more seed is above zero,
      `T_{n-1}(mean / (s √(1 + 1/n)))` (Geisser 1993, "Predictive Inference: An Introduction").
    - `p_equivalence` is that of the two one-sided tests against ±`smallest` (Schuirmann 1987, "A comparison of the two
      one-sided tests procedure and the power approach for assessing the equivalence of average bioavailability"): it is
      below 0.05 if and only if the 90% interval lies within ±`smallest`.
    - `e_value` and `sequence` are valid at all numbers of seeds at once: see `e_value`.

    Raises `EvidenceError` for no differences, infinite ones or a `smallest` that is not above zero.
    """
    numbers = _finite(differences, ("seeds",))
    if smallest is not None and not (isfinite(smallest) and smallest > 0):
        raise EvidenceError(f"The smallest difference that matters is {smallest}; it must be a number above zero.")
    seeds, mean = len(numbers), float(numbers.mean())
    if seeds == 1:
        return Evidence(1, mean, None, None, None, None, None, 1.0, None, smallest)
    from scipy.special import stdtr

    t, p, p_equivalence = _t_tests(numbers, smallest)
    planned_p = _t_tests(numbers[:planned], None)[1] if planned is not None and planned < seeds else None
    deviation = float(numbers.std(ddof=1))
    return Evidence(
        seeds,
        mean,
        deviation,
        interval=_around(mean, margin(numbers.tolist())),
        chance=float(stdtr(seeds - 1, t / sqrt(seeds + 1))),
        p=p,
        p_equivalence=p_equivalence,
        e_value=float(e_value(t, seeds)),
        sequence=_around(mean, _sequence_margin(deviation, seeds)),
        smallest=smallest,
        planned_p=planned_p,
    )


def interaction(
    first: ArrayLike, second: ArrayLike, smallest: float | None = None, *, planned: int | None = None
) -> Evidence:
    """Judge the difference of differences: how much more a contrast is in the first setting than in the second.

    Both are differences `[seeds]`, in the same order of seeds. Raises `EvidenceError` as `evidence` does, and if the
    numbers of seeds differ.
    """
    one, other = _finite(first, ("seeds",)), _finite(second, ("seeds",))
    if len(one) != len(other):
        raise EvidenceError(f"The two settings have {len(one)} and {len(other)} seeds; they must have the same ones.")
    return evidence(one - other, smallest, planned=planned)


def holm(p_values: Sequence[float | None]) -> list[float]:
    """The p-values of a family of tests, adjusted: with those below 0.05, a false alarm among all is at most 5% likely.

    Holm 1979, "A simple sequentially rejective multiple test procedure". None, of a contrast with one seed, counts as
    1: it belongs to the family all the same. Raises `EvidenceError` for a number outside `[0, 1]`.
    """
    from statsmodels.stats.multitest import multipletests

    family = [1.0 if p is None else float(p) for p in p_values]
    for p in family:
        if not 0 <= p <= 1:
            raise EvidenceError(f"A p-value is {p}; it must be between 0 and 1.")
    if not family:
        return []
    gc.freeze()  # statsmodels collects garbage at every call: half a second in a dashboard with all it has imported
    try:
        return [float(p) for p in multipletests(family, method="holm")[1]]
    finally:
        gc.unfreeze()


def e_value(t: ArrayLike, seeds: ArrayLike, variance: float = PRIOR_VARIANCE) -> np.ndarray:
    """The t e-process against "no difference" for t statistics of `seeds` ≥ 2 differences each; both broadcast.

    It is the Bayes factor with the right-Haar prior on the standard deviation and the prior N(0, `variance`) on the
    mean in standard deviations, in closed form with v = n - 1 and k = 1 + n `variance`:

        E = k^(-1/2) [(1 + t²/v) / (1 + t²/(v k))]^(n/2)

    Without a difference E is a martingale as seeds are added, so that it ever reaches 20 in at most 5% of studies
    (Ville 1939); it may be looked at after every seed. The seeds whose differences minus m keep it below 20 make the
    confidence sequence: in at least 95% of studies it holds the mean at every number of seeds. With `variance` 1
    neither says anything before the fifth seed. Both assume normal differences: of 20 lognormal ones without a mean, 18
    sequences in a hundred reach 20.

    Wang & Ramdas 2024, "Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance";
    Pérez-Ortiz, Lardy, de Heide & Grünwald 2024, "E-statistics, group invariance and anytime-valid testing".
    """
    squares = np.square(np.asarray(t, float)) / (np.asarray(seeds) - 1)
    k = 1 + np.asarray(seeds) * variance
    # The ratio in brackets, written so that it has its limit k where t is infinite.
    ratio = k - k * (k - 1) / (k + squares)
    return np.asarray(ratio ** (np.asarray(seeds) / 2) / np.sqrt(k))


def _sequence_margin(deviation: float, seeds: int) -> float | None:
    """Half the width of the confidence sequence: `e_value`'s formula solved for t at E = 20."""
    k = 1 + seeds * PRIOR_VARIANCE
    ratio = (ENOUGH * sqrt(k)) ** (2 / seeds)
    if ratio >= k:
        return None
    return deviation * sqrt((seeds - 1) / seeds * k * (ratio - 1) / (k - ratio))


def _t_tests(numbers: np.ndarray, smallest: float | None) -> tuple[float, float, float | None]:
    """The t statistic, its two-sided p and the p of equivalence."""
    from scipy.stats import ttest_1samp
    from statsmodels.stats.weightstats import DescrStatsW

    if not np.ptp(numbers):  # t is x / 0
        value = float(numbers[0])
        t = copysign(inf, value) if value else 0.0
        return t, float(value == 0), None if smallest is None else float(abs(value) >= smallest)
    tested = ttest_1samp(numbers, 0)
    equivalence = None if smallest is None else float(DescrStatsW(numbers).ttost_mean(-smallest, smallest)[0])
    return float(tested.statistic), float(tested.pvalue), equivalence


def _around(mean: float, half: float | None) -> tuple[float, float] | None:
    return None if half is None else (mean - half, mean + half)


def _finite(values: ArrayLike, axes: tuple[str, ...]) -> np.ndarray:
    """The values as an array with these axes, none of them empty; raises `EvidenceError` for anything else."""
    numbers = np.asarray(values, float)
    if numbers.ndim != len(axes) or not numbers.size:
        raise EvidenceError(f"Differences have the shape {list(numbers.shape)}; they must be [{', '.join(axes)}].")
    wrong = np.argwhere(~np.isfinite(numbers))
    if len(wrong):
        place = ", ".join(f"{axis[:-1]} {index}" for axis, index in zip(axes, wrong[0], strict=True))
        raise EvidenceError(f"The difference of {place} (counted from 0) is {numbers[tuple(wrong[0])]}, not finite.")
    return numbers


# ---- seeds and pictures


@dataclass(frozen=True)
class Components:
    """How far the mean of a contrast moves with the seeds and with the pictures, in dB."""

    seed_deviation: float  # standard deviation over seeds of the mean over all pictures there could be
    picture_error: float  # standard error of the mean over all seeds there could be, from the draw of the pictures


def components(differences: ArrayLike) -> Components:
    """The variance components of per-picture differences `[seeds, pictures]` in dB.

    Every seed is scored on the same pictures: a crossed layout without replication, with a random effect for each seed
    and each picture and a residual. The variances are estimated by the method of moments from the mean squares of the
    balanced two-way analysis of variance, and negative estimates are 0 (Searle, Casella & McCulloch 1992, "Variance
    Components", chapter 4). The residual counts for neither. It is in the deviation over seeds of `Evidence`, so the
    standard error of the mean for new seeds and new pictures is `√(deviation² / seeds + picture_error²)`.

    Raises `EvidenceError` for fewer than two seeds or pictures, and for infinite differences.
    """
    table = _finite(differences, ("seeds", "pictures"))
    seeds, pictures = table.shape
    if min(seeds, pictures) < 2:
        raise EvidenceError(f"There are {seeds} seeds and {pictures} pictures; there must be two of each at least.")
    of_seeds, of_pictures = table.mean(1, keepdims=True), table.mean(0, keepdims=True)
    residual = table - of_seeds - of_pictures + table.mean()
    unexplained = np.square(residual).sum() / ((seeds - 1) * (pictures - 1))
    between_seeds = of_seeds.var(ddof=1) - unexplained / pictures
    between_pictures = of_pictures.var(ddof=1) - unexplained / seeds
    return Components(sqrt(max(0.0, between_seeds)), sqrt(max(0.0, between_pictures) / pictures))


# ---- the verdict

Says = Literal["better", "no worse", "equal"]  # what a claim says of its first side
Verdict = Literal["supported", "refuted", "too small to matter", "undecided", "depends"]


@dataclass(frozen=True)
class Finding:
    """The verdict on the claim that the first side is better, and the rule that led to it."""

    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class Settings:
    """The same claim in two settings of a third thing, and how much the contrast differs between them.

    `adjusted_p` is that of the interaction, adjusted by `holm` over all settings that the first one is compared with.
    """

    first: Verdict
    second: Verdict
    interaction: Evidence
    adjusted_p: float

    @property
    def matter(self) -> bool:
        """Whether the interaction is significant, large enough to matter, and leads to another verdict."""
        is_large = abs(self.interaction.mean) >= (self.interaction.smallest or 0.0)
        return self.adjusted_p < LEVEL and is_large and self.first != self.second


def opposed(first: Verdict, second: Verdict) -> bool:
    """Whether both verdicts are decided, and differ."""
    return first != second and "undecided" not in (first, second)


def finding(judged: Evidence, adjusted_p: float, settings: Settings | None = None, says: Says = "better") -> Finding:
    """Decide on the claim that the first side is better, no worse or equal, from its evidence and `holm`'s p.

    `adjusted_p` is `decisive_p`, adjusted. The 5% of what is decided by equivalence are those of the single claim.
    """
    if judged.seeds < FEWEST_SEEDS:
        return Finding("undecided", f"There are fewer than {FEWEST_SEEDS} seeds.")
    if settings is not None and settings.matter:
        said = f"{settings.first} in one setting and {settings.second} in the other"
        return Finding("depends", f"The claim is {said}, and the difference between them is significant.")
    if says == "no worse" and judged.is_no_worse:
        return Finding("supported", "The interval excludes that it is worse by the smallest difference that matters.")
    if judged.is_equivalent:
        verdict: Verdict = "too small to matter" if says == "better" else "supported"
        return Finding(verdict, "Equivalence tests show a difference below the smallest that matters.")
    if judged.bounds is None or not (adjusted_p < LEVEL and judged.is_shown):
        return Finding("undecided", "The difference is not significant.")
    least, nearest = judged.smallest or 0.0, min(map(abs, judged.bounds))
    if (abs(judged.mean) if says == "better" else nearest) < least:
        return Finding("undecided", "The difference is significant, and may be too small to matter.")
    if says == "better" and judged.mean > 0:
        return Finding("supported", "The difference is significant and on the side of the claim.")
    return Finding("refuted", "The difference is significant and against the claim.")
