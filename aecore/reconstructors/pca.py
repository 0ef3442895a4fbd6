"""PCA: the best linear autoencoder of each code size, and the baseline of every model.

It is fitted on the training pictures, like the models, and never sees the validation pictures. A model is worth its
cost if its error is below PCA's at the same code size.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from aecore import AecoreError
from aecore.data.splits import Dataset
from aecore.files.fits import load_or_make
from aecore.models.layers import Shape

MOST_NUMBERS = 4096  # in a picture
_BATCH = 2500  # pictures at a time: 60 MB for CIFAR-10 in float64


class BaselineError(AecoreError):
    """A baseline is not available; the message says why, or which command makes it."""


@dataclass(frozen=True, eq=False)
class PCA:
    """Principal components of pictures: `mean` `[D]`, and `axes` `[D, D]`, one row per component, by falling variance.

    `variances` `[D]` are those of the training pictures along the axes. All are float64, or float32 if cached.
    """

    shape: Shape
    mean: Tensor
    axes: Tensor
    variances: Tensor

    def keep(self, components: int) -> Projection:
        """The reconstructor with the first `components`. Raises `BaselineError` for more than there are."""
        check_components(components, self.shape)
        # Copied: a view would keep all components in memory.
        return Projection(f"pca-{components}", self.shape, self.mean, self.axes[:components].clone())

    def errors(self, pixels: Tensor) -> Tensor:
        """MSE of uint8 `pixels` `[N, C, H, W]` at 0, 1, … D components, `[D + 1]`, outputs not clamped.

        The axes are orthonormal, so the error is the energy along the axes left out, and one projection gives the
        whole curve.
        """
        energy = torch.zeros_like(self.mean)
        for batch in torch.split(pixels, _BATCH):
            energy += ((_flat(batch) - self.mean) @ self.axes.T).square().sum(0)
        left_out = torch.cat([energy.flip(0).cumsum(0).flip(0), energy.new_zeros(1)])
        return left_out / pixels.numel()

    def clamped_errors(self, pixels: Tensor, sizes: Sequence[int]) -> list[float]:
        """MSE of uint8 `pixels` at each of `sizes` (rising), outputs clamped to `[0, 1]` as for every model.

        It is never above `errors`: pictures are in `[0, 1]`, so clamping can only reduce the error.
        """
        totals = [0.0] * len(sizes)
        for batch in torch.split(pixels, _BATCH):
            target = _flat(batch)
            code = (target - self.mean) @ self.axes.T
            output, added = self.mean.expand_as(target).clone(), 0  # [N, D], and the components in it
            for index, size in enumerate(sizes):
                output.addmm_(code[:, added:size], self.axes[added:size])
                totals[index] += float((output.clamp(0, 1) - target).square().sum())
                added = size
        return [total / pixels.numel() for total in totals]


@dataclass(frozen=True, eq=False)
class Projection:
    """PCA as a reconstructor: projects pictures onto an affine subspace."""

    name: str
    shape: Shape
    mean: Tensor
    axes: Tensor
    any_size: ClassVar[bool] = False

    @property
    def code_size(self) -> int:
        """How many numbers its code has."""
        return len(self.axes)

    def __call__(self, pictures: Tensor) -> Tensor:
        """Reconstruct `[N, C, H, W]` float pictures; the output has the same shape and is not clamped."""
        mean, axes = self._single
        return (mean + (pictures.flatten(1) - mean) @ axes.T @ axes).reshape(pictures.shape)

    differentiable = __call__

    @cached_property
    def _single(self) -> tuple[Tensor, Tensor]:
        return self.mean.float(), self.axes.float()


@dataclass(frozen=True, eq=False)
class Components:
    """PCA as a coder. A code may be cut short: its first numbers are the code of PCA with fewer components."""

    projection: Projection

    @property
    def name(self) -> str:
        """Its name in texts."""
        return "pca"

    @cached_property
    def _single(self) -> tuple[Tensor, Tensor]:
        return self.projection.mean.float(), self.projection.axes.float()

    def encode(self, pictures: Tensor) -> Tensor:
        """The codes of `[N, C, H, W]` float pictures, `[N, components]`."""
        mean, axes = self._single
        return (pictures.flatten(1) - mean) @ axes.T

    def decode(self, codes: Tensor) -> Tensor:
        """The pictures of `codes` `[N, components]`, or of their first few numbers."""
        mean, axes = self._single
        return (mean + codes @ axes[: codes.shape[1]]).reshape(-1, *self.projection.shape)


@dataclass(frozen=True)
class Identity:
    """Returns its input: the baseline of every denoiser, and the perfect reconstruction."""

    code_size: int
    name: str = "identity"
    any_size: ClassVar[bool] = True

    def __call__(self, pictures: Tensor) -> Tensor:
        """`[N, C, H, W]`, unchanged."""
        return pictures

    differentiable = __call__


CONTROLS = ("identity", "mean")
EXAMPLES = (*CONTROLS, "pca-64")


def components(name: str) -> int | None:
    """The number in a name such as `pca-64`; None for other names."""
    match = re.fullmatch(r"pca-([0-9]{1,6})", name)
    return int(match[1]) if match else None


def check_components(number: int, shape: Shape) -> None:
    """Raise `BaselineError` if PCA of pictures of `shape` does not have `number` components."""
    if not 0 <= number <= prod(shape):
        raise BaselineError(f"PCA of these pictures has 0 to {prod(shape):,} components, not {number:,}.")


def is_known(name: str) -> bool:
    """Whether `find` accepts `name`."""
    return name in CONTROLS or components(name) is not None


def find(name: str, dataset: Dataset, root: Path) -> Identity | Projection:
    """`identity`, `mean` (the mean training picture) or `pca-N`; PCA is fitted on the training pictures once.

    Raises `BaselineError` for more components than there are.
    """
    if name == "identity":
        return Identity(prod(dataset.shape))
    if name == "mean":
        mean = _mean(dataset.train.pixels)
        return Projection(name, dataset.shape, mean, mean.new_zeros(0, len(mean)))
    number = int(name.removeprefix("pca-"))
    check_components(number, dataset.shape)  # before a fit that takes a minute
    return cached_pca(dataset, root).keep(number)


def cached_pca(dataset: Dataset, root: Path) -> PCA:
    """PCA of the training pictures in float32, fitted once and cached under `root`; about a minute for CIFAR-10."""

    def fit() -> dict[str, Tensor]:
        pca = fit_pca(dataset.train.pixels)
        return {"mean": pca.mean.float(), "axes": pca.axes.float(), "variances": pca.variances.float()}

    tensors = load_or_make(root, "pca", {"dataset": dataset.fingerprint}, fit)
    return PCA(dataset.shape, tensors["mean"], tensors["axes"], tensors["variances"])


def fit_pca(pixels: Tensor) -> PCA:
    """PCA of uint8 `pixels` `[N, C, H, W]`, or of floats as they are: the eigenvectors of their covariance.

    It is summed batch by batch in float64.

    Raises `BaselineError` for pictures of more than `MOST_NUMBERS` numbers.
    """
    shape = tuple(pixels.shape[1:])
    size = prod(shape)
    if size > MOST_NUMBERS:
        raise BaselineError(
            f"PCA takes pictures of at most {MOST_NUMBERS:,} numbers, since the time of a fit grows with their cube; "
            f"these have {size:,}."
        )
    mean = _mean(pixels)
    covariance = torch.zeros(size, size, dtype=torch.float64)
    for batch in torch.split(pixels, _BATCH):
        centred = _flat(batch) - mean
        covariance.addmm_(centred.T, centred)
    values, vectors = torch.linalg.eigh(covariance / len(pixels))
    # Rounding can make a variance of zero slightly negative.
    return PCA(shape, mean, vectors.flip(1).T.contiguous(), values.flip(0).clamp(min=0))


def _mean(pixels: Tensor) -> Tensor:
    """The mean picture's numbers, float64 `[C × H × W]`."""
    total = torch.zeros(prod(pixels.shape[1:]), dtype=torch.float64)
    for batch in torch.split(pixels, _BATCH):
        total += _flat(batch).sum(0)
    return total / len(pixels)


def _flat(pixels: Tensor) -> Tensor:
    flat = pixels.flatten(1).double()
    return flat if pixels.is_floating_point() else flat / 255
