"""The scores of one picture of any size, measured in bands so that a photograph takes no more memory than a few."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan

import torch
from torch import Tensor

from aecore.measuring.metrics import METRICS, ssim
from aecore.measuring.totals import decibels

_ROWS = 256  # of a band


def scores(output: Tensor, target: Tensor) -> dict[str, float]:
    """MSE, PSNR in dB and SSIM of `output` against `target`, both `[1, C, H, W]`.

    They are those of `metrics`, but for rounding. SSIM is not a number where it is not defined, as the picture is
    smaller than its window.
    """
    with torch.inference_mode():
        error = sum(
            float((output[..., rows, :].clamp(0, 1) - target[..., rows, :]).double().square().sum())
            for rows in _bands(target.shape[2], 0)
        )
    mse = error / target.numel()
    return {"mse": mse, "psnr": decibels(mse), "ssim": _ssim(output, target)}


def _ssim(output: Tensor, target: Tensor) -> float:
    window = METRICS["ssim"].smallest
    if min(target.shape[2:]) < window:
        return nan
    # The mean over the positions of the window: a band counts by how many rows of them are in it.
    total: float = sum(
        float(ssim(output[..., rows, :], target[..., rows, :])) * (rows.stop - rows.start - window + 1)
        for rows in _bands(target.shape[2], window - 1)
    )
    return total / (target.shape[2] - window + 1)


def _bands(height: int, shared: int) -> Iterator[slice]:
    """Bands of rows, of which two neighbours have `shared` ones in common."""
    for top in range(0, height - shared, _ROWS):
        yield slice(top, min(top + _ROWS + shared, height))
