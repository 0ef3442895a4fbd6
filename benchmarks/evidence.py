"""Claim: what `aecore.measuring.evidence` says of a few training seeds is wrong as rarely as it says.

    python -m benchmarks.evidence [--studies 2000]

simulates studies whose differences per seed are normal, lognormal or Student's with 3 degrees of freedom, each with
standard deviation 1 around a true difference. The claim is made for normal differences; of the other two, the table
shows how far it fails. A figure may differ by 4 standard errors from what it should be, or from the most or least that
it may be; the status is 1 if one differs by more. One core, about a minute.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import e, sqrt
from time import perf_counter

import numpy as np
from scipy.stats import bootstrap, permutation_test, ttest_1samp

from aecore.measuring.evidence import (
    ENOUGH,
    FEWEST_SEEDS,
    LEVEL,
    Evidence,
    Says,
    Settings,
    Verdict,
    e_value,
    evidence,
    finding,
    holm,
    interaction,
)
from aecore.studies.contrasts import PLANNED

SEEDS = (3, 6, 10)
FEW, MOST = 5, 20  # seeds at the first look and at the last, where seeds are added; the bootstrap has the fewer
SMALLEST = 0.5  # the smallest difference that matters, in standard deviations, as are all true differences here
TRUTHS = (0.0, SMALLEST, 1.5)
CLAIMS = 12
OTHERS = 5  # settings that a claim is compared in, at most
MANY = 10  # times as many studies where an array holds them all
BATCH = 100  # studies whose resamples lie in memory at once
# Where theory has no figure, those of other draws, without `aecore`: 400,000 intervals of each number of seeds, and
# 100,000 studies to which seeds are added.
COVERAGE = {
    "normal": dict.fromkeys(SEEDS, 1 - LEVEL),
    "lognormal": {3: 0.838, 6: 0.822, 10: 0.839},
    "t3": {3: 0.962, 6: 0.962, 10: 0.960},
}
PEEKED = {"normal": 0.190, "lognormal": 0.388, "t3": 0.164}
REACHED = {"normal": 0.018, "lognormal": 0.182, "t3": 0.011}
BOOTSTRAP = {"percentile": 0.837, "BCa": 0.839}  # 20,000 intervals of five normal differences
PLANTED = 0.5  # the least share of planted interactions that are found
WRONG = {"normal": LEVEL, "lognormal": 0.25, "t3": LEVEL}  # the most wrong verdicts that are allowed
# The share of sequences that reach 20, by the true difference, the seeds and the prior variance.
FOUND = {(0.5, 20): {0.25: 0.202, 1.0: 0.242, 4.0: 0.213}, (2.0, 10): {0.25: 0.866, 1.0: 0.975, 4.0: 0.972}}


@dataclass(frozen=True)
class Share:
    """A measured share of the studies, and the bounds that it must not leave."""

    what: str
    measured: float
    low: float
    high: float
    note: str = ""

    @property
    def is_within(self) -> bool:
        return self.low <= self.measured <= self.high

    def __str__(self) -> str:
        bounds = f"{max(0.0, self.low):6.1%} to {min(1.0, self.high):6.1%}"
        after = self.note if self.is_within else f"OUTSIDE {self.note}"
        return f"{self.what:<82} {self.measured:7.2%}  {bounds}  {after}".rstrip()


def _error(share: float, studies: int) -> float:
    return 4 * sqrt(share * (1 - share) / studies)


def near(what: str, measured: float, expected: float, studies: int) -> Share:
    """A share that is known."""
    return Share(what, measured, expected - _error(expected, studies), expected + _error(expected, studies))


def at_most(what: str, measured: float, most: float, studies: int, note: str = "") -> Share:
    """A share that has an upper bound."""
    return Share(what, measured, 0, most + _error(most, studies), note)


def at_least(what: str, measured: float, least: float, studies: int) -> Share:
    """A share that has a lower bound."""
    return Share(what, measured, least - _error(least, studies), 1)


def drawn(kind: str, random: np.random.Generator, *shape: int) -> np.ndarray:
    """Differences of mean 0 and standard deviation 1."""
    if kind == "normal":
        return random.normal(size=shape)
    if kind == "lognormal":
        skewed: np.ndarray = (random.lognormal(size=shape) - sqrt(e)) / sqrt(e * (e - 1))
        return skewed
    return random.standard_t(3, shape) / sqrt(3)


def verdicts(studies: int) -> Iterator[Share]:
    """How often the interval holds the truth, and how often the verdict on a single claim is wrong."""
    for kind, coverage in COVERAGE.items():
        for seeds in SEEDS:
            draws = drawn(kind, np.random.default_rng(seeds), studies, seeds)
            name = f"{kind}, {seeds} seeds"
            for truth in TRUTHS:
                judged = [evidence(row, SMALLEST) for row in draws + truth]
                if not truth:
                    held = [not one.is_shown for one in judged]
                    yield near(
                        f"{name}: the 95% interval holds the mean", sum(held) / studies, coverage[seeds], studies
                    )
                counts = Counter(_verdict(one) for one in judged)
                wrong = sum(counts[verdict] for verdict in _wrong(truth)) / studies
                most = 0.0 if seeds < FEWEST_SEEDS else WRONG[kind]
                note = ", ".join(f"{verdict} {count / studies:.1%}" for verdict, count in counts.most_common())
                yield at_most(f"{name}, truth {truth}: wrong verdicts", wrong, most, studies, note)


def _verdict(judged: Evidence, settings: Settings | None = None) -> Verdict:
    """The verdict on a claim that is the only one of its family."""
    (adjusted,) = holm([judged.p])
    return finding(judged, adjusted, settings).verdict


def _wrong(truth: float) -> tuple[Verdict, ...]:
    return ("refuted", "too small to matter") if truth else ("supported", "refuted")


def directions(studies: int) -> Iterator[Share]:
    """How often a first side that is just worse or better by what matters is called no worse, or equal."""
    truths: dict[Says, float] = {"no worse": -SMALLEST, "equal": SMALLEST}
    for seeds in SEEDS[1:]:
        draws = drawn("normal", np.random.default_rng(seeds), studies, seeds)
        for says, truth in truths.items():
            judged = [evidence(row, SMALLEST) for row in draws + truth]
            supported = sum(finding(one, one.p or 0.0, says=says).verdict == "supported" for one in judged) / studies
            yield at_most(f"normal, {seeds} seeds, truth {truth}: {says} is supported", supported, LEVEL, studies)


def small_samples(studies: int) -> Iterator[Share]:
    """With five seeds: Student's interval beside those of the bootstrap, and the least p of a sign-flip test."""
    random = np.random.default_rng(0)
    draws = drawn("normal", random, studies, FEW)
    student = ttest_1samp(draws, 0, axis=1).confidence_interval()
    name = f"normal, {FEW} seeds: the 95% interval holds the mean"
    yield near(f"{name}, Student", _share_held(student.low, student.high), 1 - LEVEL, studies)
    for method, known in BOOTSTRAP.items():
        held = []
        for batch in np.split(draws, range(BATCH, studies, BATCH)):
            found = bootstrap((batch,), np.mean, axis=1, n_resamples=1999, method=method, rng=random)
            held.append(_share_held(found.confidence_interval.low, found.confidence_interval.high) * len(batch))
        yield near(f"{name}, {method} bootstrap", sum(held) / studies, known, studies)
    least = permutation_test((np.ones(FEW),), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    yield Share(f"{FEW} seeds: the least p of an exact sign-flip test", float(least), 2 / 2**FEW, 2 / 2**FEW)


def _share_held(low: np.ndarray, high: np.ndarray) -> float:
    return float(((low <= 0) & (high >= 0)).mean())


def sequences(studies: int) -> Iterator[Share]:
    """Studies that add seeds until they find a difference, without one and with one."""
    for kind in COVERAGE:
        draws = drawn(kind, np.random.default_rng(0), studies, MOST)
        t, seeds = _statistics(draws)
        p = np.stack([ttest_1samp(draws[:, :count], 0, axis=1).pvalue for count in range(FEW, MOST + 1)])
        looks = f"{kind}, truth 0.0, a look at each seed to {MOST}"
        yield near(f"{looks}: an interval from {FEW} on excludes 0", (p < LEVEL).any(0).mean(), PEEKED[kind], studies)
        reached = (e_value(t, seeds) >= ENOUGH).any(1).mean()
        yield near(f"{looks}: an e-value reaches {ENOUGH:.0f}", reached, REACHED[kind], studies)
    wrong = np.mean([_errs(row) for row in drawn("normal", np.random.default_rng(2), studies // MANY, MOST)])
    looks = f"normal, truth 0.0, a look at each seed from {PLANNED + 1} to {MOST}"
    yield at_most(f"{looks}: a wrong verdict on added seeds", float(wrong), LEVEL, studies // MANY)
    draws = drawn("normal", np.random.default_rng(1), studies, MOST)
    for (truth, most), shares in FOUND.items():
        t, seeds = _statistics(draws[:, :most] + truth)
        for variance, known in shares.items():
            reached = (e_value(t, seeds, variance) >= ENOUGH).any(1).mean()
            yield near(f"normal, truth {truth}, to {most} seeds: found with prior {variance}", reached, known, studies)


def _errs(draws: np.ndarray) -> bool:
    """Whether the verdict on a claim of no difference is wrong at any number of added seeds."""
    judged = (evidence(draws[:seeds], SMALLEST, planned=PLANNED) for seeds in range(PLANNED + 1, MOST + 1))
    return any(finding(one, one.decisive_p or 1.0).verdict in _wrong(0.0) for one in judged)


def _statistics(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The t statistic `[studies, seeds - 1]` after each seed from the second on, and the numbers of seeds."""
    seeds = np.arange(1, draws.shape[1] + 1)
    means = draws.cumsum(1) / seeds
    squares = np.square(draws).cumsum(1) - seeds * means**2
    after = seeds[1:]
    return means[:, 1:] * np.sqrt(after * (after - 1) / squares[:, 1:]), after


def families(studies: int) -> Iterator[Share]:
    """Any false alarm among claims of which none is true."""
    draws = drawn("normal", np.random.default_rng(0), studies, CLAIMS, SEEDS[1])
    p = ttest_1samp(draws, 0, axis=2).pvalue
    name = f"normal, {SEEDS[1]} seeds, {CLAIMS} claims of no difference: any is significant"
    yield near(f"{name}, not adjusted", (p < LEVEL).any(1).mean(), 1 - (1 - LEVEL) ** CLAIMS, studies)
    adjusted = np.array([min(holm(row)) for row in p])
    yield at_most(f"{name}, by Holm", (adjusted < LEVEL).mean(), LEVEL, studies)


def interactions(studies: int) -> Iterator[Share]:
    """How often a claim is said to depend on its setting, if it does and if it does not."""
    for seeds in SEEDS[1:]:
        draws = drawn("normal", np.random.default_rng(seeds), studies, 2, seeds)
        for one, other in ((1.0, 1.0), (2.0, 0.0)):
            depends = sum(_depends(first + one, second + other) for first, second in draws) / studies
            name = f"normal, {seeds} seeds, truths {one} and {other} in two settings: depends"
            if one == other:
                yield at_most(name, depends, LEVEL, studies)
            else:
                yield at_least(name, depends, PLANTED, studies)
        draws = drawn("normal", np.random.default_rng(seeds), studies, 1 + OTHERS, seeds)
        depends = sum(_depends_on_one(one[0] + 1.0, one[1:] + 1.0) for one in draws) / studies
        yield at_most(f"normal, {seeds} seeds, truth 1.0 in {1 + OTHERS} settings: depends", depends, LEVEL, studies)


def _depends(first: np.ndarray, second: np.ndarray) -> bool:
    one, other, both = (evidence(differences, SMALLEST) for differences in (first, second, (first + second) / 2))
    apart = interaction(first, second, SMALLEST)
    return _verdict(both, Settings(_verdict(one), _verdict(other), apart, apart.p or 0.0)) == "depends"


def _depends_on_one(own: np.ndarray, others: Sequence[np.ndarray]) -> bool:
    """Whether a claim depends on one of several other settings, as `aecore.studies.verdicts` judges it."""
    judged = evidence(own, SMALLEST)
    apart = [interaction(own, other, SMALLEST) for other in others]
    verdicts = [_verdict(evidence(other, SMALLEST)) for other in others]
    return any(
        Settings(_verdict(judged), verdict, one, p).matter
        for verdict, one, p in zip(verdicts, apart, holm([one.p for one in apart]), strict=True)
    )


def main() -> None:
    """Simulate, and print a line per figure: what it is, what was measured, and its bounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, help="studies of each kind")
    studies = parser.parse_args().studies
    started, outside = perf_counter(), 0
    for figures in (
        verdicts(studies),
        directions(studies),
        small_samples(studies),
        sequences(studies * MANY),
        families(studies),
        interactions(studies),
    ):
        for figure in figures:
            print(figure, flush=True)
            outside += not figure.is_within
    print(f"{studies} studies of each kind, {outside} figures outside their bounds, {perf_counter() - started:.0f} s")
    sys.exit(1 if outside else 0)


if __name__ == "__main__":
    main()
