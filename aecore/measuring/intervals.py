"""Confidence intervals of a mean, and of the difference of two models on the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import sqrt

import numpy as np
import pandas as pd
from scipy.special import stdtrit

FEWEST_PAIRS = 6  # with 5, chance puts all differences on one side more than once in twenty: 2 × 2⁻⁵
RESAMPLES = 2000


def margin(values: Sequence[float] | pd.Series) -> float | None:
    """Half the width of the 95% interval of the mean, by Student's t, for a random sample.

    None for fewer than two numbers, and if one is infinite.
    """
    numbers = np.asarray(values, float)
    count = len(numbers)
    if count < 2 or not np.isfinite(numbers).all():
        return None
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


def paired_differences(values: pd.DataFrame, seed: int = 0) -> list[Difference]:
    """Compare every pair of columns (models) over the rows (pictures).

    The interval is the studentised bootstrap (Efron & Tibshirani 1993, section 12.5) over pictures. It holds for a
    dozen skewed numbers, where the percentile bootstrap is too narrow. It assumes pictures drawn at random, and it is
    for a single pair: of twenty pairs that do not differ, about one will seem to.
    """
    pairs = list(combinations(values.columns, 2))
    if not pairs:
        return []
    # [pictures, pairs]
    rows = np.stack([(values[first] - values[second]).to_numpy(float) for first, second in pairs], axis=1)
    count, mean = len(rows), rows.mean(axis=0)
    low, high = np.full((2, len(pairs)), np.nan)
    if count >= FEWEST_PAIRS:
        draws = _resamples(count, seed)
        centred = rows - mean
        shift = draws @ centred  # [resamples, pairs]
        spread = np.sqrt((draws @ centred**2 - shift**2).clip(0))
        ratios = np.divide(shift, spread, out=np.zeros_like(shift), where=spread > 1e-12 * np.abs(centred).max(axis=0))
        least, most = np.quantile(ratios, [0.025, 0.975], axis=0)
        low, high = mean - most * centred.std(axis=0), mean - least * centred.std(axis=0)
    return [
        Difference(first, second, float(middle), *(None if np.isnan(bound) else float(bound) for bound in bounds))
        for (first, second), middle, *bounds in zip(pairs, mean, low, high, strict=True)
    ]


@lru_cache(maxsize=8)
def _resamples(count: int, seed: int) -> np.ndarray:
    """The share of each picture in each resample, `[RESAMPLES, count]`, so that a matrix product gives the means."""
    shares: np.ndarray = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES) / count
    return shares
