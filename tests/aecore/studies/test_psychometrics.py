"""The psychometric curve: what a generalised linear model and a search say, and right as often as it claims."""

from math import inf, log

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize_scalar
from statsmodels.genmod.families.links import Link

from aecore.studies import psychometrics
from aecore.studies.psychometrics import FEWEST, LAPSE, STEEPNESS, Curve, fit
from tests.aecore.studies.made_up_answers import viewer

TOP = (1 - LAPSE) / 2


class Guessed(Link):
    """The logit of what is above chance, for a generalised linear model."""

    def __call__(self, p: np.ndarray) -> np.ndarray:
        share = np.clip((p - 0.5) / TOP, 1e-9, 1 - 1e-9)
        return np.log(share / (1 - share))

    def inverse(self, z: np.ndarray) -> np.ndarray:
        return 0.5 + TOP / (1 + np.exp(-z))

    def deriv(self, p: np.ndarray) -> np.ndarray:
        share = np.clip((p - 0.5) / TOP, 1e-9, 1 - 1e-9)
        return 1 / (TOP * share * (1 - share))


def fitted(*args: object, **kwargs: object) -> Curve:
    curve = fit(*viewer(*args, **kwargs))  # type: ignore[arg-type]
    assert curve is not None
    return curve


def log_likelihood(strengths: list[float], right: list[bool], threshold: float, steepness: float) -> float:
    """As the docstring of the module has it, term by term."""
    share = 0.5 / (1 - LAPSE)
    middle = log(threshold) - log(share / (1 - share)) / steepness
    total = 0.0
    for strength, is_right in zip(strengths, right, strict=True):
        p = 0.5 + 0.5 * (1 - LAPSE) / (1 + np.exp(-steepness * (log(strength) - middle)))
        total += log(p if is_right else 1 - p)
    return total


@pytest.mark.filterwarnings("ignore:The Guessed link function")  # it is for probabilities above a half
@pytest.mark.parametrize(("threshold", "steepness"), [(0.7, 2.0), (1.5, 1.5), (1.0, 3.0)])
def test_the_fit_is_that_of_a_generalised_linear_model(threshold: float, steepness: float) -> None:
    strengths, right = viewer(threshold, 1500, 1, steepness)
    curve = fit(strengths, right)
    assert curve is not None
    family = sm.families.Binomial(link=Guessed(), check_link=False)
    design = sm.add_constant(np.log(strengths))
    model = sm.GLM(np.asarray(right, float), design, family=family).fit(start_params=[0.1, 1.0], maxiter=200)
    constant, slope = model.params
    share = 0.5 / (1 - LAPSE)
    assert curve.steepness == pytest.approx(slope, rel=1e-3)
    assert log(curve.threshold) == pytest.approx((log(share / (1 - share)) - constant) / slope, abs=1e-3)


def test_the_threshold_of_a_simulated_viewer_is_recovered() -> None:
    for threshold in (0.5, 1.0, 2.0):
        curve = fitted(threshold, 2000, 3)
        assert curve.threshold == pytest.approx(threshold, rel=0.1)
        assert curve.low < threshold < curve.high
        assert curve.answers == 2000


def test_no_search_finds_a_more_likely_curve() -> None:
    strengths, right = viewer(1.0, 60, 5)
    curve = fit(strengths, right)
    assert curve is not None
    best = log_likelihood(strengths, right, curve.threshold, curve.steepness)
    for threshold in np.geomspace(0.1, 8, 40):
        for steepness in np.geomspace(*STEEPNESS, 12):
            assert log_likelihood(strengths, right, threshold, steepness) <= best + 1e-6


def test_at_the_ends_of_the_interval_the_best_curve_is_less_likely_by_the_cut() -> None:
    strengths, right = viewer(1.0, 150, 6)
    curve = fit(strengths, right)
    assert curve is not None
    best = log_likelihood(strengths, right, curve.threshold, curve.steepness)
    for end in (curve.low, curve.high):
        searched = minimize_scalar(
            lambda slope, end=end: -log_likelihood(strengths, right, end, slope), bounds=STEEPNESS, method="bounded"
        )
        # 5.02 is the 97.5% quantile of χ² with one degree of freedom.
        assert 2 * (best + searched.fun) == pytest.approx(5.02, abs=0.1)


@pytest.mark.parametrize("count", [20, 60])
def test_the_interval_contains_the_threshold_as_often_as_it_says(count: int) -> None:
    curves = [fitted(1.0, count, seed) for seed in range(100)]
    # Of 100 intervals that cover in 95% of the cases, fewer than 89 do in one of a hundred such tests.
    assert sum(curve.low <= 1.0 <= curve.high for curve in curves) >= 89


def test_the_curve_passes_through_its_threshold_and_begins_at_chance() -> None:
    curve = Curve(1.3, 2.0, 1.0, 2.0, 50)
    assert curve.right(np.array([1.3]))[0] == pytest.approx(0.75)
    assert curve.right(np.array([1e-9]))[0] == pytest.approx(0.5)
    assert curve.right(np.array([1e9]))[0] == pytest.approx(1 - LAPSE / 2)


def test_who_is_always_right_has_a_threshold_below_all_that_was_shown() -> None:
    strengths, _ = viewer(1.0, 60, 0)
    curve = fit(strengths, [True] * 60)
    assert curve is not None
    assert curve.low == 0
    assert curve.high < 0.5


def test_who_guesses_has_one_above_all_that_was_shown() -> None:
    strengths, _ = viewer(1.0, 60, 0)
    curve = fit(strengths, [place % 2 == 0 for place in range(60)])
    assert curve is not None
    assert curve.high == inf
    assert curve.low > 1


def test_a_viewer_who_is_always_wrong_is_fitted_too() -> None:
    strengths, _ = viewer(1.0, 40, 0)
    curve = fit(strengths, [False] * 40)
    assert curve is not None
    assert (curve.low > 1, curve.high) == (True, inf)


def test_one_strength_alone_is_fitted() -> None:
    curve = fit([1.0] * FEWEST, [True] * FEWEST)
    assert curve is not None
    assert curve.low == 0


def test_a_few_answers_are_not_enough() -> None:
    strengths, right = viewer(1.0, FEWEST, 0)
    assert fit(strengths[1:], right[1:]) is None
    assert fit(strengths, right) is not None


def test_strengths_in_another_unit_give_the_threshold_in_that_unit() -> None:
    strengths, right = viewer(1.0, 100, 2)
    curve, other = fit(strengths, right), fit([strength / 1000 for strength in strengths], right)
    assert curve is not None
    assert other is not None
    assert other.threshold == pytest.approx(curve.threshold / 1000, rel=1e-4)
    assert other.low == pytest.approx(curve.low / 1000, rel=1e-3)
    assert psychometrics.AT_THRESHOLD == 0.75
