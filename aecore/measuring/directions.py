"""The principal directions of a code: along which the units of many pictures change together, and how far."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aecore.measuring.units import Activity


@dataclass(frozen=True, eq=False)
class Directions:
    """Facts on the units of a code, in float64, and unit vectors `axes` `[directions, units]` by falling variance.

    `mean` and `spread` `[units]` are the mean and the standard deviation of each unit's numbers over all pictures, and
    of a convolutional code over all positions. `deviations` `[directions]` are the standard deviations along the axes,
    `shares` `[directions]` their parts of the whole variance.
    """

    mean: Tensor
    spread: Tensor
    axes: Tensor
    deviations: Tensor
    shares: Tensor

    @classmethod
    def of(cls, activity: Activity, most: int) -> Directions:
        """The first `most` principal components of the units, or as many as there are that change.

        An axis and its opposite are equally good: the one is taken whose largest weight, the first if there are two, is
        positive.
        """
        mean, covariance, largest = _moments(activity)
        variances, vectors = torch.linalg.eigh(covariance)
        variances, axes = variances.flip(0).clamp(min=0), vectors.flip(1).T
        # Below this a variance is the rounding error of the sums.
        count = min(most, int((variances > 1e-12 * largest).sum()))
        axes = axes[:count]
        leading = axes.gather(1, axes.abs().argmax(1, keepdim=True))
        shares = variances[:count] / variances.sum().clamp(min=torch.finfo(torch.float64).tiny)
        spread = covariance.diagonal().clamp(min=0).sqrt()
        return cls(mean, spread, axes * leading.sign(), variances[:count].sqrt(), shares)


def _moments(activity: Activity) -> tuple[Tensor, Tensor, float]:
    """The mean `[units]` and the covariance `[units, units]` of the numbers, and the largest mean square of a unit."""
    if activity.total is None or activity.products is None:
        values = activity.values.double()
        mean = values.mean(0)
        centred = values - mean
        return mean, centred.T @ centred / len(values), float(values.square().mean(0).max())
    number = len(activity.values) * activity.positions
    mean = activity.total / number
    squares = activity.products / number
    return mean, squares - torch.outer(mean, mean), float(squares.diagonal().max())
