"""What the charts of all pages share."""

from math import log10

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.components import figures


@given(low=st.floats(1e-8, 1e4), factor=st.floats(1.0001, 1e6))
def test_every_logarithmic_axis_has_three_ticks_or_more(low: float, factor: float) -> None:
    high = low * factor
    ticks = figures.ticks(low, high)
    assert len(ticks) >= 3
    assert ticks == sorted(ticks)
    assert all(low * 0.999 <= tick <= high * 1.001 for tick in ticks)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.001, 0.1, [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]), (0.04, 0.08, [0.04, 0.05, 0.07])],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert figures.ticks(low, high) == expected


def test_every_value_above_zero_is_on_the_axis() -> None:
    low, high = figures.exponents([0, 0.01, 0.02])
    assert low < log10(0.01)
    assert high > log10(0.02)
    assert figures.exponents([0.0]) == pytest.approx((-1.07, 0.07))
