"""How a denoiser computes a pixel: the weights of the noisy pixels, and bias and variance over draws of the noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aecore.data.noise import Noise, key, noisy
from aecore.data.splits import to_float
from aecore.models.reconstructor import Differentiable, Reconstructor


def weights_of(reconstruct: Differentiable, picture: Tensor, row: int, column: int) -> Tensor:
    """How one pixel of the output changes with each pixel of `picture` `[C, H, W]`: `[C, C, H, W]`.

    One row of the Jacobian for each channel of the output: the linear filter that a network is near this picture. For a
    weighted average over neighbours it contains the weights. PCA and the Wiener filters are affine: their weights are
    exact, and equal for every picture of this shape.
    """
    given = picture.clone().requires_grad_()
    output = reconstruct.differentiable(given[None])[0, :, row, column]  # [C]
    rows = [torch.autograd.grad(channel, given, retain_graph=True)[0] for channel in output]
    return torch.stack(rows)


def within_channels(weights: Tensor) -> Tensor:
    """The mean over channels of the weights of each channel on itself: `[C, C, H, W]` to `[H, W]`."""
    return weights.diagonal().mean(-1)


def fewest_pixels(share: float, weights: Tensor) -> int:
    """The smallest number of pixels that hold this `share` of the absolute weight `[H, W]`; 0 if there is no weight."""
    largest = weights.abs().flatten().sort(descending=True).values.double().cumsum(0)
    if not largest[-1]:
        return 0
    # Reduced by more than the rounding error, which must not add a pixel.
    return int((largest < (share - 1e-6) * largest[-1]).sum()) + 1


@dataclass(frozen=True)
class Spread:
    """A denoiser over many draws of noise on one picture: two maps `[C, H, W]`.

    `bias` is the mean output less the picture, `deviation` the output's standard deviation from draw to draw. The
    mean squared error over the draws is the sum of their squares: `bias² + deviation²`.
    """

    bias: Tensor
    deviation: Tensor

    @property
    def mse(self) -> tuple[float, float]:
        """The contributions of bias and variance to the mean squared error."""
        return float(self.bias.square().mean()), float(self.deviation.square().mean())


def spread(reconstruct: Reconstructor, picture: Tensor, noise: Noise, draws: int, seed: int = 0) -> Spread:
    """Bias and deviation of the clamped outputs for a uint8 `picture` `[C, H, W]`, over at least two `draws`."""
    clean = to_float(picture[None])
    # As a batch of equal pictures: each gets a draw of its own.
    outputs = reconstruct(noisy(clean.expand(draws, -1, -1, -1), noise, key("draws", seed), range(draws))).clamp(0, 1)
    return Spread(outputs.mean(0) - clean[0], outputs.std(0, correction=0))
