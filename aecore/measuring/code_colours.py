"""A convolutional code as a picture: the first three principal components of its channels as red, green and blue.

Every position of the code holds a vector of channels. The components are fitted to these vectors at all positions of
all test pictures, so that a colour means the same in every picture of a model; between models it does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aecore.measuring.directions import Directions
from aecore.measuring.units import Activity, CodeError

COLOURS = 3
REACH = 2.5  # deviations from the mean at which a colour is darkest or brightest


@dataclass(frozen=True, eq=False)
class Palette:
    """Principal components of the channels at a position: `mean` `[channels]`, and unit vectors `axes`
    `[components, channels]` by falling variance.

    There are three, or as many as the code has channels that change together. `deviations` `[components]` are the
    standard deviations along them, and `shares` `[components]` their parts of the whole variance. All are float64.
    """

    mean: Tensor
    axes: Tensor
    deviations: Tensor
    shares: Tensor

    @classmethod
    def of(cls, activity: Activity) -> Palette:
        """Fit it to the code of an activity; raises `CodeError` for a flat code, which has no positions."""
        if activity.total is None:
            raise CodeError("A flat code has no positions: it is not a picture.")
        along = Directions.of(activity, COLOURS)
        return cls(along.mean, along.axes, along.deviations, along.shares)

    def components(self, codes: Tensor) -> Tensor:
        """Codes `[N, channels, h, w]` along the axes, in standard deviations: float64 `[N, components, h, w]`."""
        centred = codes.double() - self.mean[:, None, None]
        along = torch.einsum("kc,nchw->nkhw", self.axes, centred)
        return along / self.deviations[:, None, None]

    def pictures(self, codes: Tensor) -> Tensor:
        """Codes `[N, channels, h, w]` as uint8 pictures `[N, 3, h, w]`.

        Mid-grey is the mean of a component, and black and full brightness are 2.5 standard deviations away from it. Of
        a code with fewer than three components the others stay at mid-grey; a single one is drawn in grey.
        """
        along = self.components(codes)
        if along.shape[1] == 1:
            along = along.expand(-1, COLOURS, -1, -1)
        shape = (len(along), COLOURS - along.shape[1], *along.shape[2:])
        filled = torch.cat([along, along.new_zeros(shape)], 1)
        return ((filled / REACH + 1) / 2 * 255).round().clamp(0, 255).to(torch.uint8)
