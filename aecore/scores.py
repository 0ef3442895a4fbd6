"""How far a reconstruction is from the picture: one number a picture.

Pictures are float32 `[N, C, H, W]` in `[0, 1]`; reconstructions are clamped to `[0, 1]` before anything is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import pandas as pd
import torch
from torch import Tensor

from aecore import AecoreError
from aecore.datasets import Split, to_float
from aecore.layers import shape_text
from aecore.noise import Noise, noisy

SSIM_WINDOW = 11
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
    values: Tensor = piq.ssim(output.clamp(0, 1), target, data_range=1.0, reduction="none", downsample=False)
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
        pooled = float(psnr(torch.tensor(error, dtype=torch.float64)))
        return cls(len(rows), error, pooled, float(rows["psnr"].mean()), float(rows["ssim"].mean()))
