"""Evidence over seeds: what SciPy and statsmodels say, what an integral says, and right as often as it claims."""

import warnings
from itertools import product
from math import inf, nan, sqrt

import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike
from scipy import integrate, optimize, stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from aecore.measuring.evidence import (
    ENOUGH,
    Evidence,
    EvidenceError,
    Finding,
    Settings,
    components,
    e_value,
    evidence,
    finding,
    holm,
    interaction,
)

DRAWS = [np.random.default_rng(seeds).normal(0.1, 0.2, seeds) for seeds in (2, 3, 6, 10, 40)]


# ---- one contrast


@pytest.mark.parametrize("differences", DRAWS, ids=len)
def test_the_interval_and_both_tests_are_those_of_scipy(differences: np.ndarray) -> None:
    found, expected = evidence(differences, 0.15), stats.ttest_1samp(differences, 0)
    assert (found.seeds, found.mean) == (len(differences), pytest.approx(differences.mean()))
    assert found.deviation == pytest.approx(stats.tstd(differences))
    assert found.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.p == pytest.approx(expected.pvalue)
    above = stats.ttest_1samp(differences, -0.15, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, 0.15, alternative="less").pvalue
    assert found.p_equivalence == pytest.approx(max(above, below))
    assert evidence(differences).p_equivalence is None
    assert found == evidence(pd.Series(differences), 0.15) == evidence(list(differences), 0.15)


@pytest.mark.parametrize("smallest", [0.05, 0.1, 0.2, 0.4])
def test_what_is_equivalent_has_its_90_interval_within_the_smallest_difference(smallest: float) -> None:
    draws = np.random.default_rng(0).normal(0.05, 0.15, (40, 8))
    for differences in draws:
        low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.9)
        p = evidence(differences, smallest).p_equivalence
        assert p is not None
        assert (p < 0.05) == (-smallest < low and high < smallest)


def test_the_chance_at_a_new_seed_is_how_often_a_new_seed_is_above_zero() -> None:
    # Under the flat prior that the t-predictive distribution is of, the new difference minus the mean, over the
    # deviation, has the same distribution whatever the mean: 200,000 studies of 4 seeds, and a fifth seed each.
    draws = np.random.default_rng(0).normal(size=(200_000, 5))
    known, new = draws[:, :4], draws[:, 4]
    standardised = (new - known.mean(1)) / known.std(1, ddof=1)
    sample = np.array([0.1, 0.4, -0.2, 0.5])
    expected = (standardised > -sample.mean() / sample.std(ddof=1)).mean()
    assert evidence(sample).chance == pytest.approx(expected, abs=4 * sqrt(0.25 / len(draws)))
    assert evidence(sample).chance == pytest.approx(1 - evidence(-sample).chance)


def test_of_normal_differences_95_intervals_in_a_hundred_hold_the_mean() -> None:
    draws = np.random.default_rng(0).normal(0.3, 1, (800, 6))
    intervals = np.array([evidence(differences).interval for differences in draws])
    held = ((intervals[:, 0] < 0.3) & (intervals[:, 1] > 0.3)).mean()
    assert held == pytest.approx(0.95, abs=0.02)


def test_one_seed_has_no_spread_and_two_have_one() -> None:
    assert evidence([0.4], 0.1) == Evidence(1, 0.4, None, None, None, None, None, 1.0, None, 0.1)
    two = evidence([0.1, 0.3], 0.1)
    assert two.interval == pytest.approx((0.2 - 0.1 * stats.t.ppf(0.975, 1), 0.2 + 0.1 * stats.t.ppf(0.975, 1)))
    assert two.sequence is None
    assert not two.is_shown


@pytest.mark.parametrize("value", [0.5, -0.5, 0.1])
def test_seeds_that_agree_exactly_have_the_limits_of_a_vanishing_spread(value: float) -> None:
    nearly = value + np.array([1, -1, 1, -1, 1, -1]) * 1e-9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same, close = evidence([value] * 6, 0.2), evidence(nearly, 0.2)
    for one, other in (
        (same.interval, close.interval),
        (same.sequence, close.sequence),
        (same.chance, close.chance),
        (same.p, close.p),
        (same.p_equivalence, close.p_equivalence),
    ):
        assert one == pytest.approx(other, abs=1e-6)
    assert same.e_value == pytest.approx(close.e_value) == pytest.approx(7**2.5)


def test_a_contrast_of_a_thing_with_itself_is_none() -> None:
    same = evidence([0.0] * 6, 0.1)
    assert (same.mean, same.interval, same.chance, same.p, same.p_equivalence) == (0, (0, 0), 0.5, 1, 0)
    assert not same.is_shown
    assert finding(same, 1.0).verdict == "too small to matter"


@pytest.mark.parametrize(
    ("differences", "message"),
    [
        ([], r"shape \[0\]; they must be \[seeds\]"),
        (0.3, r"shape \[\]; they must be \[seeds\]"),
        ([[0.1, 0.2]], r"shape \[1, 2\]; they must be \[seeds\]"),
        ([0.1, inf, 0.2], r"The difference of seed 1 \(counted from 0\) is inf"),
        ([nan], r"The difference of seed 0 \(counted from 0\) is nan"),
    ],
)
def test_what_are_not_differences_is_said_in_a_sentence(differences: ArrayLike, message: str) -> None:
    with pytest.raises(EvidenceError, match=message):
        evidence(differences)


@pytest.mark.parametrize("smallest", [0.0, -0.1, inf, nan])
def test_the_smallest_difference_is_above_zero(smallest: float) -> None:
    with pytest.raises(EvidenceError, match="a number above zero"):
        evidence([0.1, 0.2], smallest)


# ---- adding seeds


@pytest.mark.parametrize("seeds", [2, 3, 6, 20])
@pytest.mark.parametrize("t", [0.0, 0.7, -2.3, 6.0])
@pytest.mark.parametrize("variance", [0.25, 1.0, 4.0])
def test_the_e_value_is_the_ratio_of_noncentral_t_densities_averaged_over_the_prior(
    seeds: int, t: float, variance: float
) -> None:
    def weighted(effect: float) -> float:
        density = stats.nct.pdf(t, seeds - 1, sqrt(seeds) * effect)
        return float(density * stats.norm.pdf(effect, scale=sqrt(variance)))

    reach = min(8 * sqrt(variance), 35 / sqrt(seeds))  # farther out SciPy 1.14 overflows, and nothing is left
    marginal, _ = integrate.quad(weighted, -reach, reach, limit=200)
    assert e_value(t, seeds, variance) == pytest.approx(marginal / stats.t.pdf(t, seeds - 1), rel=1e-5)


def test_e_values_broadcast_and_are_bounded_by_their_limits() -> None:
    assert e_value([[0.0], [inf], [-inf]], [4, 9]) == pytest.approx(
        np.array([[5**-0.5, 10**-0.5], [5**1.5, 10**4], [5**1.5, 10**4]])
    )
    assert e_value(inf, 4) < ENOUGH < e_value(inf, 5)
    assert e_value(3.0, 10_000) == pytest.approx(np.exp(4.5 * 10_000 / 10_001) / 100, rel=2e-3)  # σ is as good as known


@pytest.mark.parametrize("seeds", [5, 6, 12, 50])
def test_the_confidence_sequence_is_the_means_that_keep_the_e_value_below_twenty(seeds: int) -> None:
    differences = np.random.default_rng(seeds).normal(0.2, 0.3, seeds)

    def excess(mean: float) -> float:
        return evidence(differences - mean).e_value - ENOUGH

    found = evidence(differences)
    assert found.sequence is not None
    edge = optimize.brentq(excess, found.mean, found.mean + 100, xtol=1e-12)
    assert found.sequence == pytest.approx((2 * found.mean - edge, edge), abs=1e-9)
    added = evidence(differences, planned=4)
    first = evidence(differences[:4]).p
    assert first is not None
    assert (added.bounds, added.planned_p) == (found.sequence, first)
    assert added.decisive_p == min(1.0, 2 * min(first, 1 / found.e_value))
    assert added.is_shown == (found.e_value >= ENOUGH)
    assert found.interval is not None
    assert found.sequence[1] > found.interval[1]


def test_with_fewer_than_five_seeds_the_confidence_sequence_has_no_bounds() -> None:
    assert evidence([0.5, 0.51, 0.5, 0.51]).sequence is None


def test_added_seeds_rarely_reach_twenty_without_a_difference_and_mostly_do_with_one() -> None:
    draws, seeds = np.random.default_rng(0).normal(size=(20_000, 20)), np.arange(2, 21)
    reached = {}
    for effect in (0.0, 1.5):
        shifted = draws + effect
        means = shifted.cumsum(1) / np.arange(1, 21)
        squares = np.square(shifted).cumsum(1) - np.arange(1, 21) * means**2
        t = means[:, 1:] * np.sqrt(seeds * (seeds - 1) / squares[:, 1:])
        reached[effect] = (e_value(t, seeds) >= ENOUGH).any(1).mean()
    assert reached[0.0] < 0.05
    assert reached[1.5] > 0.99


# ---- families and settings


def test_holm_is_the_step_down_of_bonferroni() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.01, None]) == pytest.approx([0.02, 1])
    assert holm([]) == []
    assert holm([0.5, 0.9]) == [1, 1]
    for wrong in (nan, -0.1, 1.1):
        with pytest.raises(EvidenceError, match="between 0 and 1"):
            holm([0.5, wrong])


def test_an_interaction_is_the_paired_t_test_of_two_settings() -> None:
    first, second = np.random.default_rng(0).normal([[0.5], [0.1]], 0.2, (2, 8))
    found, expected = interaction(first, second, 0.3), stats.ttest_rel(first, second)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval()))
    assert found == evidence(first - second, 0.3)
    with pytest.raises(EvidenceError, match="8 and 7 seeds"):
        interaction(first, second[1:])


# ---- seeds and pictures


@pytest.mark.parametrize(("seeds", "pictures"), [(2, 2), (3, 7), (6, 15)])
def test_the_components_are_those_of_the_mean_squares_of_statsmodels(seeds: int, pictures: int) -> None:
    draw = np.random.default_rng(seeds)
    table = draw.normal(0, 0.5, (seeds, 1)) + draw.normal(0, 0.8, pictures) + draw.normal(0, 0.1, (seeds, pictures))
    rows = [(table[cell], *cell) for cell in np.ndindex(table.shape)]
    squares = anova_lm(ols("db ~ C(seed) + C(picture)", pd.DataFrame(rows, columns=["db", "seed", "picture"])).fit())[
        "mean_sq"
    ]
    found = components(table)
    assert found.seed_deviation**2 == pytest.approx((squares["C(seed)"] - squares["Residual"]) / pictures)
    between = (squares["C(picture)"] - squares["Residual"]) / seeds
    assert found.picture_error**2 == pytest.approx(between / pictures)


def test_the_components_are_right_on_average() -> None:
    draw, trials, seeds, pictures = np.random.default_rng(0), 400, 6, 40
    tables = (
        draw.normal(0, 0.3, (trials, seeds, 1))
        + draw.normal(0, 0.6, (trials, 1, pictures))
        + draw.normal(0, 0.5, (trials, seeds, pictures))
    )
    found = [components(table) for table in tables]
    assert np.mean([one.seed_deviation**2 for one in found]) == pytest.approx(0.3**2, rel=0.1)
    assert np.mean([one.picture_error**2 for one in found]) == pytest.approx(0.6**2 / pictures, rel=0.05)
    # Together with the interval's own standard error they make up the error of the mean over both draws.
    errors = [
        evidence(table.mean(1)).deviation ** 2 / seeds + one.picture_error**2
        for table, one in zip(tables, found, strict=True)
    ]
    assert tables.mean((1, 2)).var() == pytest.approx(np.mean(errors), rel=0.2)


def test_negative_estimates_are_zero() -> None:
    assert components([[1.0, 0.0], [0.0, 1.0]]) == components(np.zeros((3, 4))) == components([[2.0] * 2] * 2)
    assert components(np.zeros((3, 4))).seed_deviation == 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.ones(3), r"\[3\]; they must be \[seeds, pictures\]"),
        (np.ones((0, 3)), r"\[0, 3\]; they must be"),
        (np.ones((1, 3)), "1 seeds and 3 pictures"),
        (np.ones((3, 1)), "3 seeds and 1 pictures"),
        ([[0.1, 0.2], [0.3, nan]], "seed 1, picture 1 .* is nan"),
    ],
)
def test_a_table_has_seeds_and_pictures(table: ArrayLike, message: str) -> None:
    with pytest.raises(EvidenceError, match=message):
        components(table)


# ---- verdicts

SPREAD = np.array([-0.03, 0.02, 0.01, -0.02, 0.03, -0.01, 0.0])  # 7 seeds with a 95% interval of ±0.02


@pytest.mark.parametrize(
    ("mean", "smallest", "adjusted_p", "verdict"),
    [
        (0.30, 0.1, 0.01, "supported"),
        (-0.30, 0.1, 0.01, "refuted"),
        (0.30, None, 0.01, "supported"),
        (-0.30, None, 0.01, "refuted"),
        (0.30, 0.1, 0.05, "undecided"),  # not significant among all claims
        (0.101, 0.1, 0.01, "supported"),  # barely as large as matters
        (0.095, 0.1, 0.01, "undecided"),  # significant, and neither large enough nor surely too small
        (-0.095, 0.1, 0.01, "undecided"),
        (0.05, 0.1, 0.01, "too small to matter"),  # significant all the same
        (0.001, 0.1, 0.9, "too small to matter"),
        (0.001, None, 0.9, "undecided"),
        (0.001, None, 0.01, "undecided"),  # the interval holds zero
    ],
)
def test_the_verdict_on_a_claim(mean: float, smallest: float | None, adjusted_p: float, verdict: str) -> None:
    assert finding(evidence(SPREAD + mean, smallest), adjusted_p).verdict == verdict


@pytest.mark.parametrize("mean", [0.0, 0.3, -0.3])
def test_fewer_than_six_seeds_decide_nothing(mean: float) -> None:
    few = evidence(SPREAD[:5] + mean, 0.1)
    undecided = Finding("undecided", "There are fewer than 6 seeds.")
    assert finding(few, 0.0) == undecided
    settings = Settings("supported", "refuted", evidence(SPREAD + 1), 0.001)
    assert finding(few, 0.0, settings) == undecided
    assert finding(evidence([0.5]), 1.0) == undecided


@pytest.mark.parametrize(
    ("mean", "adjusted_p", "no_worse", "equal"),
    [
        (0.30, 0.01, "supported", "refuted"),
        (0.001, 0.9, "supported", "supported"),
        (-0.05, 0.01, "supported", "supported"),
        (-0.095, 0.01, "undecided", "undecided"),  # significant, and it may or may not matter
        (-0.30, 0.01, "refuted", "refuted"),
        (-0.30, 0.06, "undecided", "undecided"),
    ],
)
def test_a_claim_may_say_that_the_first_side_is_no_worse_or_equal(
    mean: float, adjusted_p: float, no_worse: str, equal: str
) -> None:
    judged = evidence(SPREAD + mean, 0.1)
    assert finding(judged, adjusted_p, says="no worse").verdict == no_worse
    assert finding(judged, adjusted_p, says="equal").verdict == equal


@pytest.mark.parametrize("mean", [0.0, 0.3, -0.3])
def test_added_seeds_need_the_confidence_sequence(mean: float) -> None:
    judged = evidence(SPREAD + mean, 0.1, planned=6)
    assert judged.sequence is not None
    assert judged.interval is not None
    assert judged.sequence[1] - judged.sequence[0] > judged.interval[1] - judged.interval[0]
    within = max(map(abs, judged.sequence)) < 0.1
    assert (finding(judged, 0.01).verdict == "too small to matter") == within
    wide = evidence(SPREAD * 4 + 0.05, 0.1, planned=6)
    assert wide.interval is not None
    assert wide.interval[0] < 0 < wide.interval[1]
    assert finding(wide, 0.01).verdict == "undecided"


def test_a_claim_depends_if_the_settings_differ_and_so_do_their_verdicts() -> None:
    means = {"much": 0.4, "some": 0.2, "none": 0.0}
    differences = {name: np.roll(SPREAD, turn) + mean for turn, (name, mean) in enumerate(means.items())}
    found = {}
    for one, other in product(means, repeat=2):
        verdicts = [finding(evidence(differences[name], 0.1), 0.01).verdict for name in (one, other)]
        apart = interaction(differences[one], differences[other], 0.1)
        settings = Settings(*verdicts, apart, apart.p or 0.0)
        both = evidence((differences[one] + differences[other]) / 2, 0.1)
        found[one, other] = finding(both, 0.01, settings).verdict
    assert found["much", "none"] == found["none", "some"] == "depends"
    assert found["much", "some"] == found["some", "some"] == "supported"  # more in one setting, and better in both
    assert found["none", "none"] == "too small to matter"


def test_verdicts_that_differ_without_an_interaction_that_is_shown_do_not_depend() -> None:
    for apart, p in [
        (evidence(SPREAD), 0.5),
        (evidence(SPREAD + 1), 0.06),
        (evidence(SPREAD / 100 + 0.05, 0.1), 0.001),
    ]:
        settings = Settings("supported", "undecided", apart, p)
        assert finding(evidence(SPREAD + 0.3, 0.1), 0.01, settings).verdict == "supported"
