"""Confidence intervals of a mean, and of the difference of two models on the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt

import numpy as np
import pandas as pd

FEWEST_PAIRS = 6  # with 5, chance puts all differences on one side more than once in twenty: 2 × 2⁻⁵


def margin(values: Sequence[float] | pd.Series) -> float | None:
    """Half the width of the 95% interval of the mean, by Student's t, for a random sample.

    None for fewer than two numbers, and if one is infinite.
    """
    numbers = np.asarray(values, float)
    count = len(numbers)
    if count < 2 or not np.isfinite(numbers).all():
        return None
    from scipy.special import stdtrit  # takes a quarter of a second to import

    return float(stdtrit(count - 1, 0.975) * numbers.std(ddof=1) / sqrt(count))


@dataclass(frozen=True)
class Difference:
    """The mean of `first`'s numbers minus `second`'s, on the same pictures.

    `low` and `high` are the 95% confidence interval; both are None for fewer than `FEWEST_PAIRS` pictures.
    """

    first: str
    second: str
    mean: float
    low: float | None
    high: float | None

    @property
    def is_shown(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def paired_differences(values: pd.DataFrame) -> list[Difference]:
    """Compare every pair of columns (models) over the rows (pictures).

    The interval is Student's t of the paired differences (Student 1908, "The probable error of a mean"). It assumes
    pictures drawn at random, and it is for a single pair: of twenty pairs that do not differ, about one will seem to.
    Of a dozen pictures whose differences are skewed, that can be eight in a hundred.
    """
    differences = []
    for first, second in combinations(values.columns, 2):
        apart = values[first] - values[second]
        mean, half = float(apart.mean()), margin(apart) if len(apart) >= FEWEST_PAIRS else None
        low, high = (None, None) if half is None else (mean - half, mean + half)
        differences.append(Difference(first, second, mean, low, high))
    return differences
