"""What a denoiser does to a pixel: which of the noisy ones it weighs how, and how it errs from draw to draw."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aecore.data.noise import Noise, noisy
from aecore.data.splits import to_float
from aecore.models.reconstructor import Differentiable, Reconstructor


def weights_of(reconstruct: Differentiable, picture: Tensor, row: int, column: int) -> Tensor:
    """How the output at a pixel of `picture` `[C, H, W]` moves with each pixel of it: `[C, C, H, W]`.

    One row of the Jacobian for each channel of the output: the linear filter that a network is there, for this picture.
    Of a weighted average over neighbours it would be the weights. PCA and the Wiener filters are linear but for a
    constant: their weights are exact, and equal for every picture of this shape.
    """
    given = picture.clone().requires_grad_()
    output = reconstruct.differentiable(given[None])[0, :, row, column]  # [C]
    rows = [torch.autograd.grad(channel, given, retain_graph=True)[0] for channel in output]
    return torch.stack(rows)


def own_channel(weights: Tensor) -> Tensor:
    """Of weights `[C, C, H, W]`, those of each channel on itself, averaged over the channels: `[H, W]`."""
    return weights.diagonal().mean(-1)


def pixels_with(share: float, weights: Tensor) -> int:
    """The fewest pixels that hold this `share` of the absolute weight of `[H, W]`; none where there is no weight."""
    largest = weights.abs().flatten().sort(descending=True).values.double().cumsum(0)
    if not largest[-1]:
        return 0
    # Less a rounding error, which must not ask for one pixel more.
    return int((largest < (share - 1e-6) * largest[-1]).sum()) + 1


@dataclass(frozen=True)
class Spread:
    """A denoiser over many draws of noise on one picture, each map `[C, H, W]`.

    `bias` is the mean output less the picture, `deviation` the output's standard deviation from draw to draw. The
    mean squared error over the draws is the sum of their squares: `bias² + deviation²`.
    """

    bias: Tensor
    deviation: Tensor

    @property
    def mse(self) -> tuple[float, float]:
        """What bias and what variance contribute to the mean squared error."""
        return float(self.bias.square().mean()), float(self.deviation.square().mean())


def spread(reconstruct: Reconstructor, picture: Tensor, noise: Noise, draws: int, seed: int = 0) -> Spread:
    """Bias and deviation of the clamped outputs for a uint8 `picture` `[C, H, W]` over so many draws, at least 2."""
    clean = to_float(picture[None])
    # As if they were so many pictures: each gets a draw of its own.
    outputs = reconstruct(noisy(clean.expand(draws, -1, -1, -1), noise, seed, range(draws))).clamp(0, 1)
    return Spread(outputs.mean(0) - clean[0], outputs.std(0, correction=0))
