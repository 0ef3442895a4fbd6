"""Leads at equal bits: against an interpolation by numpy, a bootstrap and a case that can be counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aecore.measuring.intervals import margin
from aecore.studies.equal_bits import lead


def pictures(count: int, seed: int) -> np.ndarray:
    """Five settings, `[5, 2, count]`: difficult pictures take more bits and keep a larger error in all of them."""
    draw = np.random.default_rng(seed)
    difficulty = draw.lognormal(0, 0.6, count)
    bits = 100 * 2.0 ** np.arange(5)[:, None] * difficulty**0.5 * draw.lognormal(0, 0.1, (5, count))
    errors = 0.02 * 0.6 ** np.arange(5)[:, None] * difficulty * draw.lognormal(0, 0.1, (5, count))
    return np.stack([bits, errors], axis=1)


@given(seed=st.integers(0, 999), factor=st.floats(1, 15), better=st.floats(0.5, 2))
def test_the_lead_is_over_the_curve_as_numpy_interpolates_it(seed: int, factor: float, better: float) -> None:
    others = pictures(40, seed)
    one = others[0] * np.array([[factor], [better / factor]])
    rates, errors = others.mean(2).T
    known = lead(one, others[::-1])  # in any order
    bits, error = one.mean(1)
    if rates[0] <= bits <= rates[-1]:
        assert known is not None
        curve = np.interp(np.log(bits), np.log(rates), -10 * np.log10(errors))
        assert known.decibels == pytest.approx(-10 * np.log10(error) - curve)
    else:
        assert known is None


def test_a_setting_neither_leads_nor_trails_itself() -> None:
    others = pictures(50, seed=1)
    for one in others:
        known = lead(one, others)
        assert known is not None
        assert (known.decibels, known.margin) == (pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-12))


def test_with_equal_bits_for_all_the_margin_is_that_of_paired_differences() -> None:
    """Errors so alike that a dB is the same share of all of them: then the lead is the mean of the pictures' leads."""
    draw = np.random.default_rng(2)
    errors = 0.01 * draw.normal(1, 1e-4, (2, 60))
    one, other = np.stack([np.full(60, 100.0), errors[0]]), np.stack([np.full(60, 100.0), errors[1]])
    known = lead(one, np.stack([other, other * [[2], [0.1]]]))
    differences = 10 * np.log10(errors[1] / errors[0])
    assert known is not None
    assert known.decibels == pytest.approx(differences.mean(), rel=1e-3)
    assert known.margin == pytest.approx(margin(differences), rel=1e-3)


@pytest.mark.parametrize("factor", [1.3, 1.9])
def test_the_margin_is_that_of_a_bootstrap_over_pictures(factor: float) -> None:
    others = pictures(400, seed=3)
    one = others[1] * np.random.default_rng(4).lognormal(0, 0.2, (2, 400)) * [[factor], [0.8]]
    known = lead(one, others)
    draws = np.random.default_rng(5)
    resampled = []
    for _ in range(2000):
        rows = draws.integers(400, size=400)
        # By numpy and not by `lead`; the bits of both sides are drawn too.
        rates, errors = others[:, :, rows].mean(2).T
        bits, error = one[:, rows].mean(1)
        curve = np.interp(np.log(bits), np.log(rates), -10 * np.log10(errors))
        resampled.append(-10 * np.log10(error) - curve)
    assert known is not None
    # The spread of 2,000 draws is itself off by 1.6%, so by less than 5% in 99.8% of all seeds; t is 0.3% above 1.96.
    assert known.margin == pytest.approx(1.96 * np.std(resampled), rel=0.06)


def test_there_is_no_lead_outside_the_curve_or_without_an_error() -> None:
    others = pictures(20, seed=6)
    one = others[2]
    assert lead(one * [[100], [1]], others) is None
    assert lead(one / [[100], [1]], others) is None
    assert lead(one * [[1], [0]], others) is None
    assert lead(one, others[2:3]) is None
