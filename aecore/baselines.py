"""What to measure against: PCA, the best that any linear autoencoder of the same code size can do.

Fitted on a data set's training pictures, the same that the models learn from; the validation pictures stay out of
it as they stay out of theirs. A model under PCA's curve at its own code size earns its keep.

    python -m aecore baselines      fit, measure on the test pictures, and publish the curves
    find("pca-256", …)              a baseline as a reconstructor, like any model; `identity` and `mean` are two more

A published curve, `checkpoints/pca-<data set>.json`, is what the gallery draws on a machine without the data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aecore import published
from aecore.fits import kept
from aecore.published import PublishedError

# torch is imported where pictures are touched: a published curve is read without it.
if TYPE_CHECKING:
    from torch import Tensor

    from aecore.datasets import Dataset
    from aecore.layers import Shape

PUBLISHED = ("cifar10", "mnist")  # the data sets of the zoo
ROUND_SIZES = (64, 100, 128, 200, 256, 384, 500, 512, 1000, 1024, 2000, 2048)  # what people choose
MOST_NUMBERS = 4096  # in a picture
_CURVE_POINTS = 150
_BATCH = 2500  # pictures at a time: 60 MB of CIFAR-10 in float64


class BaselineError(PublishedError):
    """A baseline that cannot be had; the text says why and which command makes it."""


@dataclass(frozen=True, eq=False)
class PCA:
    """Principal components of pictures: `mean` `[D]`, and `axes` `[D, D]`, a row a component, by falling variance.

    `variances` `[D]` are the training pictures' along them. All in float64, or float32 where they were kept.
    """

    shape: Shape
    mean: Tensor
    axes: Tensor
    variances: Tensor

    def keep(self, components: int) -> Projection:
        """The reconstructor that keeps so many components. Raises `BaselineError` for more than there are."""
        if not 0 <= components <= len(self.axes):
            raise BaselineError(f"PCA of these pictures has 0 to {len(self.axes):,} components, not {components:,}.")
        return Projection(f"pca-{components}", self.shape, self.mean, self.axes[:components])

    def errors(self, pixels: Tensor) -> Tensor:
        """MSE of uint8 `pixels` `[N, C, H, W]` at 0, 1, … D components, `[D + 1]`, outputs not clamped.

        The axes are orthonormal, so what a reconstruction misses is the energy along the axes left out: one
        projection gives the whole curve.
        """
        import torch

        energy = torch.zeros_like(self.mean)
        for batch in torch.split(pixels, _BATCH):
            energy += ((_flat(batch) - self.mean) @ self.axes.T).square().sum(0)
        left_out = torch.cat([energy.flip(0).cumsum(0).flip(0), energy.new_zeros(1)])
        return left_out / pixels.numel()

    def clamped_errors(self, pixels: Tensor, sizes: Sequence[int]) -> list[float]:
        """MSE of uint8 `pixels` at each of `sizes` (rising), outputs clamped to `[0, 1]` as for every model.

        Never above `errors`: the picture lies in `[0, 1]`, so clamping only brings the output nearer.
        """
        import torch

        totals = [0.0] * len(sizes)
        for batch in torch.split(pixels, _BATCH):
            target = _flat(batch)
            code = (target - self.mean) @ self.axes.T
            output, kept = self.mean.expand_as(target).clone(), 0
            for index, size in enumerate(sizes):
                output.addmm_(code[:, kept:size], self.axes[kept:size])
                totals[index] += float((output.clamp(0, 1) - target).square().sum())
                kept = size
        return [total / pixels.numel() for total in totals]


@dataclass(frozen=True, eq=False)
class Projection:
    """Pictures through the nearest point of an affine subspace: PCA as a reconstructor."""

    name: str
    shape: Shape
    mean: Tensor
    axes: Tensor

    @property
    def code_size(self) -> int:
        """Numbers in its code."""
        return len(self.axes)

    def __call__(self, pictures: Tensor) -> Tensor:
        """Reconstruct `[N, C, H, W]` float pictures; the output is of the same shape and not clamped."""
        mean, axes = self._single
        return (mean + (pictures.flatten(1) - mean) @ axes.T @ axes).reshape(pictures.shape)

    @cached_property
    def _single(self) -> tuple[Tensor, Tensor]:
        return self.mean.float(), self.axes.float()


@dataclass(frozen=True)
class Identity:
    """Gives back what it is given: what every denoiser has to beat, and the best of all reconstructions."""

    code_size: int
    name: str = "identity"

    def __call__(self, pictures: Tensor) -> Tensor:
        """`[N, C, H, W]`, untouched."""
        return pictures


EXAMPLES = ("identity", "mean", "pca-64")


def is_known(name: str) -> bool:
    """Whether `find` has something of this name."""
    return name in EXAMPLES or re.fullmatch(r"pca-[0-9]{1,6}", name) is not None


def find(name: str, dataset: Dataset, root: Path) -> Identity | Projection:
    """`identity`, `mean` (the mean training picture) or `pca-N`; PCA is fitted on the training pictures once.

    Raises `BaselineError` for more components than there are.
    """
    if name == "identity":
        return Identity(prod(dataset.shape))
    if name == "mean":
        mean = _mean(dataset.train.pixels)
        return Projection(name, dataset.shape, mean, mean.new_zeros(0, len(mean)))
    return kept_pca(dataset, root).keep(int(name.removeprefix("pca-")))


def kept_pca(dataset: Dataset, root: Path) -> PCA:
    """PCA of the training pictures, in float32 numbers, fitted once and kept under `root`; about a minute for
    CIFAR-10."""

    def fit() -> dict[str, Tensor]:
        pca = fit_pca(dataset.train.pixels)
        return {"mean": pca.mean.float(), "axes": pca.axes.float(), "variances": pca.variances.float()}

    known = kept(root, "pca", {"dataset": dataset.fingerprint}, fit)
    return PCA(dataset.shape, known["mean"], known["axes"], known["variances"])


def fit_pca(pixels: Tensor) -> PCA:
    """PCA of uint8 `pixels` `[N, C, H, W]`: the eigenvectors of their covariance, summed batch by batch in float64.

    Raises `BaselineError` for pictures of more than `MOST_NUMBERS` numbers.
    """
    import torch

    shape = tuple(pixels.shape[1:])
    size = prod(shape)
    if size > MOST_NUMBERS:
        raise BaselineError(
            f"PCA is for pictures of at most {MOST_NUMBERS:,} numbers, as its fit takes their cube of operations; "
            f"these have {size:,}."
        )
    mean = _mean(pixels)
    covariance = torch.zeros(size, size, dtype=torch.float64)
    for batch in torch.split(pixels, _BATCH):
        centred = _flat(batch) - mean
        covariance.addmm_(centred.T, centred)
    values, vectors = torch.linalg.eigh(covariance / len(pixels))
    # Rounding leaves what does not vary at all a little to either side of zero.
    return PCA(shape, mean, vectors.flip(1).T.contiguous(), values.flip(0).clamp(min=0))


def _mean(pixels: Tensor) -> Tensor:
    """The mean picture's numbers, float64 `[C × H × W]`."""
    import torch

    total = torch.zeros(prod(pixels.shape[1:]), dtype=torch.float64)
    for batch in torch.split(pixels, _BATCH):
        total += _flat(batch).sum(0)
    return total / len(pixels)


def _flat(pixels: Tensor) -> Tensor:
    return pixels.flatten(1).double() / 255


@dataclass(frozen=True)
class Curve:
    """Test MSE of PCA at each number of components, outputs clamped to `[0, 1]` as for every model."""

    dataset: str
    fingerprint: str
    method: str
    components: tuple[int, ...]
    mse: tuple[float, ...]

    def at(self, code_size: int) -> float | None:
        """The MSE at a code size, between two points on a line in logarithms; None outside the measured ones.

        From as many numbers as the picture has PCA gives the picture back: there is nothing to compare with.
        """
        known = [(size, error) for size, error in zip(self.components, self.mse, strict=True) if size and error]
        sizes, errors = zip(*known, strict=True)
        if not sizes[0] <= code_size <= sizes[-1]:
            return None
        return float(np.exp(np.interp(np.log(code_size), np.log(sizes), np.log(errors))))


def curve_sizes(numbers: int) -> list[int]:
    """Numbers of components to publish for pictures of so many numbers: 0, then even steps in logarithms to one
    short of all, and the round ones."""
    steps = np.geomspace(1, numbers - 1, _CURVE_POINTS).round().astype(int).tolist()
    return sorted({0, *steps, *(size for size in ROUND_SIZES if size < numbers)})


def measure(dataset: Dataset) -> Curve:
    """Fit PCA on the training pictures and measure it on the test pictures. About a minute for CIFAR-10."""
    sizes = curve_sizes(prod(dataset.shape))
    errors = fit_pca(dataset.train.pixels).clamped_errors(dataset.test.pixels, sizes)
    method = f"PCA of the {len(dataset.train):,} training pictures, on the {len(dataset.test):,} test pictures, clamped"
    return Curve(
        dataset.name, dataset.fingerprint, method, tuple(sizes), tuple(float(f"{error:.6g}") for error in errors)
    )


def publish(
    root: Path, names: Sequence[str] = PUBLISHED, data_root: Path | None = None, progress: Callable[[str], None] = print
) -> list[Path]:
    """Measure PCA on each data set and write its curve under `root`; a sentence each to `progress`.

    Raises `DatasetError` where a data set is not here, `PublishedError` where the file cannot be written.
    """
    from aecore import datasets

    written = []
    for name in names:
        path = _path(name, root)
        published.check(path)
        curve = measure(datasets.load(name, data_root))
        published.write(path, asdict(curve))
        progress(f"{path.name}: {curve.method}; MSE {curve.mse[0]:.3g} of the mean picture to {curve.mse[-1]:.3g}.")
        written.append(path)
    return written


def pca_curve(dataset_name: str, root: Path) -> Curve:
    """The published curve of a data set, read without torch.

    Raises `PublishedError`, one sentence, where the file is missing, damaged or of another version.
    """
    if dataset_name not in PUBLISHED:
        raise BaselineError(f"PCA is published for {' and '.join(PUBLISHED)} only, not for {dataset_name}.")
    path, again = _path(dataset_name, root), f"`python -m aecore baselines` makes it again, given {dataset_name}."

    def build(facts: dict[str, Any]) -> Curve:
        return Curve(**(facts | {name: tuple(facts[name]) for name in ("components", "mse")}))

    return published.read(path, dataset_name, build, again)


def _path(dataset_name: str, root: Path) -> Path:
    return root / f"pca-{dataset_name}.json"
