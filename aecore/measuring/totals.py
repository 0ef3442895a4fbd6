"""The totals of a score table, as stored beside a run. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, isnan, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def decibels(error: float) -> float:
    """PSNR in dB of a mean squared error, with peak 1: `-10 log10(MSE)`; infinite if the error is 0."""
    return -10 * log10(error) if error else inf


def psnr_text(psnr: float, digits: int = 1) -> str:
    """A PSNR in words: `27.3 dB`, `no error` where it is infinite, `not a number` of outputs that are none."""
    if isnan(psnr):
        return "not a number"
    return f"{psnr:.{digits}f} dB" if isfinite(psnr) else "no error"


@dataclass(frozen=True)
class Totals:
    """The means of a score table. Pooled PSNR is computed from the mean MSE; the mean of PSNRs is never lower."""

    pictures: int
    mse: float
    psnr_pooled: float
    psnr_mean: float
    ssim: float

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Totals:
        """Compute them from a table with one row per picture."""
        error = float(rows["mse"].mean())
        return cls(len(rows), error, decibels(error), float(rows["psnr"].mean()), float(rows["ssim"].mean()))
