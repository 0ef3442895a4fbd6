"""How far a reconstruction is from the picture: one number a picture.

Pictures are float32 `[N, C, H, W]` in `[0, 1]`; reconstructions are clamped to `[0, 1]` before anything is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import inf, log10
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from aecore import AecoreError
from aecore.datasets import Split, to_float
from aecore.layers import shape_text
from aecore.noise import Noise, noisy

# pandas and piq are imported where they are used: a run trains before it is scored.
if TYPE_CHECKING:
    import pandas as pd

SSIM_WINDOW = 11
FEWEST_PAIRS = 6  # of fewer, even all one way, chance alone gives more than one in twenty: 2 × 2⁻⁵
RESAMPLES = 2000
BATCH = 500


class ScoreError(AecoreError):
    """A score that is not defined for these pictures."""


class Reconstructor(Protocol):
    """Anything that gives pictures back: a trained model, a codec, a filter."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def code_size(self) -> int:
        """Numbers in its code."""

    def __call__(self, pictures: Tensor) -> Tensor:
        """`[N, C, H, W]` in `[0, 1]` to the same shape."""


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error over all values of each picture, `[N]`."""
    return (output.clamp(0, 1) - target).square().flatten(1).mean(1)


def psnr(error: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB for a mean squared error, with peak 1: `-10 log10(MSE)`."""
    return -10 * torch.log10(error)


def ssim(output: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of each picture, `[N]`, at most 1 (Wang, Bovik, Sheikh & Simoncelli 2004).

    11×11 Gaussian window of σ 1.5, data range 1, per channel and averaged, valid area only. Raises `ScoreError` for
    pictures smaller than the window.
    """
    import piq

    if min(target.shape[2:]) < SSIM_WINDOW:
        raise ScoreError(
            f"SSIM needs pictures of at least {SSIM_WINDOW}×{SSIM_WINDOW} pixels, got {shape_text(target.shape[1:])}."
        )
    # The layout in which the windows of one channel each are fastest.
    pair = [each.contiguous(memory_format=torch.channels_last) for each in (output.clamp(0, 1), target)]
    values: Tensor = piq.ssim(*pair, data_range=1.0, reduction="none", downsample=False)
    return values


@dataclass(frozen=True)
class Metric:
    """A score: how to compute it from (output, target), its unit, and which way is better."""

    title: str
    unit: str
    higher_is_better: bool
    compute: Callable[[Tensor, Tensor], Tensor]


METRICS: dict[str, Metric] = {
    "mse": Metric("MSE", "", False, mse),
    "psnr": Metric("PSNR", "dB", True, lambda output, target: psnr(mse(output, target))),
    "ssim": Metric("SSIM", "", True, ssim),
}


def per_picture(output: Tensor, target: Tensor) -> pd.DataFrame:
    """A row a picture, a column a metric."""
    import pandas as pd

    return pd.DataFrame({name: metric.compute(output, target).double().numpy() for name, metric in METRICS.items()})


def score(model: Reconstructor, split: Split, noise: Noise | None = None, seed: int = 0) -> Iterator[pd.DataFrame]:
    """Score every picture of `split`, in batches: each yields its rows (picture, label, then the metrics).

    With `noise` the model gets the noisy picture and is measured against the clean one.
    """
    with torch.inference_mode():
        for first in range(0, len(split), BATCH):
            chosen = range(first, min(first + BATCH, len(split)))
            clean = to_float(split.pixels[first : first + BATCH])
            output = model(noisy(clean, noise, seed, chosen))
            rows = per_picture(output, clean)
            rows.insert(0, "picture", list(chosen))
            rows.insert(1, "label", split.labels[first : first + BATCH].numpy())
            yield rows


@dataclass(frozen=True)
class Totals:
    """A score table in a line. Pooled PSNR is that of the mean MSE; the mean of the pictures' PSNRs is higher."""

    pictures: int
    mse: float
    psnr_pooled: float
    psnr_mean: float
    ssim: float

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Totals:
        """The totals of a table with a row a picture."""
        error = float(rows["mse"].mean())
        pooled = -10 * log10(error) if error else inf
        return cls(len(rows), error, pooled, float(rows["psnr"].mean()), float(rows["ssim"].mean()))


@dataclass(frozen=True)
class Difference:
    """How much larger the `first` model's numbers are than the `second`'s, on the same pictures.

    `low` and `high` bound the mean difference with 95% confidence; both are None for fewer than `FEWEST_PAIRS`.
    """

    first: str
    second: str
    mean: float
    low: float | None
    high: float | None

    @property
    def is_shown(self) -> bool:
        """Whether the interval excludes no difference at all."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def paired_differences(values: pd.DataFrame, seed: int = 0) -> list[Difference]:
    """Compare every pair of columns (models) over the rows (pictures).

    The interval is the studentised bootstrap's (Efron & Tibshirani 1993, section 12.5) over pictures, which holds up
    for a dozen of skewed numbers where percentiles come out too narrow. It is for pictures drawn at random, and for
    one pair: of twenty pairs that do not differ, about one will seem to.
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
    """Which share of each resample each picture is, `[RESAMPLES, count]`: means are then a matrix product."""
    shares: np.ndarray = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES) / count
    return shares
