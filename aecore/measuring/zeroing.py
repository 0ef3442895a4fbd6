"""What zeroing a unit of the code costs: the pictures are decoded without it, and compared with those decoded with it.

A unit is one number of a flat code, or a whole channel of a convolutional one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan

import pandas as pd
import torch
from torch import Tensor

from aecore.measuring.intervals import margin
from aecore.measuring.metrics import mse, psnr
from aecore.measuring.totals import decibels
from aecore.models.reconstructor import Coder

VERSION = 1  # of what is measured: costs of different versions cannot be compared
MOST, FEWEST = 1000, 64  # pictures that a unit's cost is measured on
DECODED = 64_000  # pictures, for all units of a code together: half a minute on one core for the slowest of the zoo


def pictures_for(units: int) -> int:
    """On how many pictures the cost of every one of so many units is measured: the more units, the fewer."""
    return min(MOST, max(FEWEST, DECODED // units))


@dataclass(frozen=True)
class Cost:
    """By how many dB the PSNR falls on `pictures` pictures when a `unit` is zeroed.

    `mean` is the mean of the falls of each picture, whose 95% confidence interval is `mean` ± `margin`; it is None for
    fewer than two pictures and where a picture is reproduced without error. `pooled` is the fall of the PSNR of the
    mean squared error. A negative cost is a gain.
    """

    unit: int
    pictures: int
    mean: float
    margin: float | None
    pooled: float


def errors(model: Coder, codes: Tensor, clean: Tensor, unit: int | None = None) -> Tensor:
    """The mean squared error of each decoded picture, float64 `[N]`, with a `unit` of `codes` `[N, …]` zeroed.

    `clean` `[N, C, H, W]` are the pictures to compare with; without a `unit` the codes are decoded as they are.
    """
    if unit is not None:
        codes = codes.clone()
        codes[:, unit] = 0
    with torch.inference_mode():
        return mse(model.decode(codes), clean).double()


def costs(model: Coder, codes: Tensor, clean: Tensor, units: Sequence[int]) -> list[Cost]:
    """What it costs to zero each of `units` alone; arguments as for `errors`.

    A unit that is zero for all these pictures costs nothing, and is not decoded.
    """
    intact = errors(model, codes, clean)
    return [
        _cost(unit, intact, errors(model, codes, clean, unit) if bool(codes[:, unit].any()) else intact)
        for unit in units
    ]


def _cost(unit: int, intact: Tensor, zeroed: Tensor) -> Cost:
    # Two pictures without error do not differ, though the difference of their infinite PSNRs is not a number.
    falls = torch.where(zeroed == intact, 0.0, psnr(intact) - psnr(zeroed))
    before, after = float(intact.mean()), float(zeroed.mean())
    pooled = 0.0 if before == after else decibels(before) - decibels(after)
    return Cost(unit, len(falls), float(falls.mean()), margin(falls.tolist()), pooled)


def tensors(measured: Sequence[Cost]) -> dict[str, Tensor]:
    """The costs as tensors, for a file; a margin that is not known is not a number."""
    margins = [nan if cost.margin is None else cost.margin for cost in measured]
    return {
        "units": torch.tensor([cost.unit for cost in measured]),
        "pictures": torch.tensor([cost.pictures for cost in measured]),
        "costs": torch.tensor(
            [[cost.mean for cost in measured], margins, [cost.pooled for cost in measured]], dtype=torch.float64
        ),
    }


def from_tensors(stored: Mapping[str, Tensor]) -> list[Cost]:
    """The costs of such tensors."""
    numbers = zip(stored["units"].tolist(), stored["pictures"].tolist(), *stored["costs"].tolist(), strict=True)
    return [
        Cost(unit, pictures, mean, None if isnan(half) else half, pooled)
        for unit, pictures, mean, half, pooled in numbers
    ]


def table(measured: Sequence[Cost]) -> pd.DataFrame:
    """One row per unit, by its number: mean, margin, pooled, and the number of pictures."""
    return pd.DataFrame(
        {
            "cost": [cost.mean for cost in measured],
            "margin": [cost.margin for cost in measured],
            "pooled": [cost.pooled for cost in measured],
            "pictures": [cost.pictures for cost in measured],
        },
        index=pd.Index([cost.unit for cost in measured], name="unit"),
        dtype=float,
    ).sort_index()
