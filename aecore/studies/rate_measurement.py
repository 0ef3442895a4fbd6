"""Measures rate–distortion curves in real bytes: of every autoencoder, PCA and the image codecs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aecore.data import datasets
from aecore.data.noise import key
from aecore.data.splits import Dataset, to_float
from aecore.files import figures
from aecore.measuring.entropy import Alphabet
from aecore.measuring.metrics import mse
from aecore.models import zoo
from aecore.models.reconstructor import Coder
from aecore.reconstructors.codecs import FORMATS, USUAL_QUALITY, Codec
from aecore.reconstructors.pca import Projection, fit_pca
from aecore.runs.store import WEIGHTS, Store
from aecore.studies.rates import PUBLISHED, Curve, Point, Rates, path_of

LEARNING = 5_000  # training pictures that ranges and tables are taken from
MEASURED = 2_000  # test pictures
PROBED = 32  # training pictures that gains are measured on
PROBE_STEP = 0.1  # how far a number is moved to measure its gain, in its standard deviations
BITS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 16)
PCA_BITS = (
    *(half / 2 for half in range(4, 25)),
    16,
)  # finer, because other curves are compared with it between its points
QUALITIES = (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)


@dataclass(frozen=True, eq=False)
class _Components:
    """PCA as a coder. A code may be cut short: its first numbers are the code of PCA with fewer components."""

    projection: Projection

    @property
    def name(self) -> str:
        return "pca"

    @cached_property
    def _single(self) -> tuple[Tensor, Tensor]:
        return self.projection.mean.float(), self.projection.axes.float()

    def encode(self, pictures: Tensor) -> Tensor:
        mean, axes = self._single
        return (pictures.flatten(1) - mean) @ axes.T

    def decode(self, codes: Tensor) -> Tensor:
        mean, axes = self._single
        return (mean + codes @ axes[: codes.shape[1]]).reshape(-1, *self.projection.shape)


def gains(coder: Coder, codes: Tensor, spread: Tensor) -> np.ndarray:
    """The squared error in the picture for each squared error in a component of the code, `[components]`.

    Measured by moving every number of a component in `codes` `[N, components, …]` by a small part of its standard
    deviation `spread` `[components]`, up or down at random. The gain of a component that never changes is 1.
    """
    pictures = coder.decode(codes)
    draw = torch.Generator().manual_seed(key(0, "gains"))
    signs = torch.randint(2, codes[:, 0].shape, generator=draw) * 2.0 - 1
    measured = []
    for component, deviation in enumerate((PROBE_STEP * spread).tolist()):
        if not deviation:
            measured.append(1.0)
            continue
        moved = codes.clone()
        moved[:, component] += deviation * signs
        measured.append(float((coder.decode(moved) - pictures).square().sum()) / (deviation**2 * signs.numel()))
    # A component that the decoder ignores has gain 0; the floor keeps its step finite.
    return np.maximum(measured, 1e-9 * max(measured))


def autoencoder_curve(coder: Coder, learning: Tensor, pictures: Tensor, bits: Sequence[int] = BITS) -> Curve:
    """The curve of a model on `pictures` `[N, C, H, W]`; ranges and tables come from the codes of `learning`."""
    learned, codes = coder.encode(learning), coder.encode(pictures)
    samples = learned.transpose(0, 1).flatten(1)
    weights = gains(coder, learned[:PROBED], samples.std(1))
    points = [_point(coder, Alphabet.fit(samples.numpy(), weights, most), codes, pictures, most) for most in bits]
    return Curve(coder.name, "autoencoder", tuple(points), _rounded(float(mse(coder.decode(codes), pictures).mean())))


def pca_curve(projection: Projection, learning: Tensor, pictures: Tensor, bits: Sequence[float] = PCA_BITS) -> Curve:
    """The best of PCA on `pictures` `[N, C, H, W]`, over two numbers of components per octave and all of `bits`."""
    coder = _Components(projection)
    learned, codes = coder.encode(learning).T.numpy(), coder.encode(pictures)
    octaves = range(3, projection.code_size.bit_length())
    sizes = {*(2**octave for octave in octaves), *(3 * 2**octave // 2 for octave in octaves), projection.code_size}
    points = []
    for most in bits:
        alphabet = Alphabet.fit(learned, np.ones(len(learned)), most)
        # Components after the last one with more than one level carry no information.
        live = max(index for index, table in enumerate(alphabet.tables, start=1) if len(table) > 1)
        points += [
            _point(coder, alphabet.first_components(size), codes[:, :size], pictures, most)
            for size in sorted({min(size, live) for size in sizes})
        ]
    return Curve(coder.name, "pca", tuple(envelope(points)))


def envelope(points: Iterable[Point]) -> list[Point]:
    """The corners of the lower convex hull of `points`, by rising bits and falling error.

    The line between two corners is reached by storing some pictures in one way and the rest in the other (Shoham &
    Gersho 1988).
    """
    corners: list[Point] = []
    for point in sorted(points, key=lambda point: (point.bits, point.mse)):
        if corners and point.mse >= corners[-1].mse:
            continue
        while len(corners) > 1 and _slope(corners[-2], corners[-1]) >= _slope(corners[-1], point):
            corners.pop()
        corners.append(point)
    return corners


def _slope(one: Point, other: Point) -> float:
    return (other.mse - one.mse) / (other.bits - one.bits)


def codec_curve(kind: str, pictures: Tensor, qualities: Sequence[int] = QUALITIES) -> Curve:
    """The curve of an image codec on `pictures` `[N, C, H, W]`."""
    points = []
    for quality in qualities:
        codec = Codec(kind, quality, tuple(pictures.shape[1:]))
        files = codec.encode(pictures)
        whole = 8 * sum(map(len, files)) / len(files)
        error = float(mse(codec.decode(files), pictures).mean())
        points.append(
            Point(quality, codec.code_size, _rounded(whole - 8 * codec.header), _rounded(error), None, _rounded(whole))
        )
    return Curve(kind, "codec", tuple(sorted(points, key=lambda point: point.bits)))


def _point(coder: Coder, alphabet: Alphabet, codes: Tensor, pictures: Tensor, setting: float) -> Point:
    """The bits and the error of `pictures` whose `codes` `[N, components, …]` go through the bytes of an alphabet."""
    by_component = codes.transpose(0, 1)  # [components, N, …]
    numbers = by_component.flatten(1).numpy()
    packed = alphabet.pack(alphabet.levels(numbers))
    values = torch.from_numpy(alphabet.values(alphabet.unpack(packed, numbers.shape[1])))
    output = coder.decode(values.reshape(by_component.shape).transpose(0, 1).contiguous())
    size = prod(codes.shape[1:])
    return Point(
        setting,
        size,
        _rounded(8 * len(packed) / len(pictures)),
        _rounded(float(mse(output, pictures).mean())),
        plain_bits=float(alphabet.plain_bits * size // len(alphabet.tables)),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def measure(dataset: Dataset, models: Sequence[Coder], progress: Callable[[str], None] = print) -> Rates:
    """The curves of `models`, of PCA and of every codec on the first `MEASURED` test pictures.

    Takes some minutes for CIFAR-10 on one core; `progress` gets a sentence per curve.
    """
    for kind in FORMATS:
        _ = Codec(kind, USUAL_QUALITY).header  # reports a format that is missing here now, not after minutes
    learning, pictures = to_float(dataset.train.pixels[:LEARNING]), to_float(dataset.test.pixels[:MEASURED])
    curves = list[Curve]()

    def add(curve: Curve) -> None:
        first, last = curve.points[0], curve.points[-1]
        progress(
            f"{curve.name}: {first.bits:,.0f} bits per picture at {first.psnr:.1f} dB "
            f"to {last.bits:,.0f} at {last.psnr:.1f} dB."
        )
        curves.append(curve)

    for model in models:
        add(autoencoder_curve(model, learning, pictures))
    add(pca_curve(fit_pca(dataset.train.pixels).keep(prod(dataset.shape)), learning, pictures))
    for kind in FORMATS:
        add(codec_curve(kind, pictures))
    method = (
        f"The first {len(pictures):,} test pictures; ranges and tables of the codes' levels from the first "
        f"{len(learning):,} training pictures; one range-coded stream for all pictures; outputs clamped; "
        f"PCA with the numbers of components (of two per octave) and the steps (of {len(PCA_BITS)}) that do best on "
        "these test pictures"
    )
    return Rates(dataset.name, dataset.fingerprint, method, tuple(curves))


def publish(root: Path, progress: Callable[[str], None] = print) -> None:
    """Measure the zoo's runs under `root` that were trained without noise, and write their curves there.

    Raises `DatasetError` if a data set is not here, `StoreError` if a run is damaged, and `PublishedError` if the file
    cannot be written.
    """
    runs = [run for run in Store(root).listing().full if zoo.is_own(run.spec) and run.spec.recipe.noise is None]
    for name in PUBLISHED:
        path = path_of(name, root)
        figures.check(path)
        dataset = datasets.load(name)
        measured = [run for run in runs if run.spec.fingerprint == dataset.fingerprint]
        weights = {run.name: run.digest(WEIGHTS) for run in measured}
        rates = replace(measure(dataset, [run.model() for run in measured], progress), weights=weights)
        figures.write(path, asdict(rates))
        progress(f"{path.name}: {len(rates.curves)} curves. {rates.method}.")
