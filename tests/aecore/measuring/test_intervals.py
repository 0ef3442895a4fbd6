"""Intervals: Student's, and right as often as they say."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from aecore.measuring.intervals import margin, paired_differences


@pytest.mark.parametrize("pictures", [6, 12, 400])
def test_the_interval_of_a_difference_is_students(pictures: int) -> None:
    draw = np.random.default_rng(0)
    first, second = draw.normal(1, 0.3, pictures), draw.exponential(0.9, pictures)
    (difference,) = paired_differences(pd.DataFrame({"a": first, "b": second}))
    expected = stats.ttest_rel(first, second).confidence_interval()
    assert difference.mean == pytest.approx((first - second).mean())
    assert (difference.low, difference.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_the_interval_of_a_mean_is_students() -> None:
    numbers = np.random.default_rng(0).normal(20, 3, 17)
    expected = stats.t.interval(0.95, 16, loc=numbers.mean(), scale=stats.sem(numbers))
    assert margin(list(numbers)) == pytest.approx((expected[1] - expected[0]) / 2)
    assert margin(pd.Series([3.0, 3.0])) == 0
    assert margin([1.0]) is None
    assert margin([1.0, np.inf, 2.0]) is None


@pytest.mark.parametrize("pictures", [6, 12, 24])
def test_of_models_that_do_equally_well_one_pair_in_twenty_seems_to_differ(pictures: int) -> None:
    draw, trials = np.random.default_rng(pictures), 1000
    errors = draw.gamma(1.5, size=(trials, pictures, 2))  # skewed, as the errors of pictures are
    shown = sum(paired_differences(pd.DataFrame(pair))[0].is_shown for pair in errors)
    assert 0.03 < shown / trials < 0.065


def test_what_does_not_differ_is_not_shown_to_and_what_always_differs_is() -> None:
    same, more = np.linspace(0.1, 0.2, 8), np.linspace(0.1, 0.2, 8) + 0.01
    differences = {
        (difference.first, difference.second): difference
        for difference in paired_differences(pd.DataFrame({"a": same, "b": same, "c": more}))
    }
    assert list(differences) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert not differences["a", "b"].is_shown
    assert differences["a", "c"].is_shown
    assert (differences["a", "c"].low, differences["a", "c"].high) == (pytest.approx(-0.01), pytest.approx(-0.01))


def test_of_a_few_pictures_nothing_is_told() -> None:
    (difference,) = paired_differences(pd.DataFrame({"a": np.zeros(5), "b": np.ones(5)}))
    assert (difference.mean, difference.low, difference.high, difference.is_shown) == (-1, None, None, False)
    assert paired_differences(pd.DataFrame({"a": np.ones(9)})) == []
