"""Totals: one line from a table with one row per picture."""

import pandas as pd
import pytest

from aecore.measuring.totals import Totals


def test_pooled_psnr_is_of_the_mean_error_and_mean_psnr_is_of_the_pictures() -> None:
    totals = Totals.of(pd.DataFrame({"mse": [0.1, 0.001], "psnr": [10.0, 30.0], "ssim": [0.2, 0.6]}))
    assert (totals.pictures, totals.mse, totals.ssim) == (2, pytest.approx(0.0505), pytest.approx(0.4))
    assert totals.psnr_mean == pytest.approx(20)
    assert totals.psnr_pooled == pytest.approx(12.9671, abs=1e-4)
