"""How many bits a code takes, and what that does to the picture: rate–distortion curves.

A code's numbers cost nothing until somebody says how exactly they are kept. Here each number is rounded to a multiple
of a step, the whole multiples are entropy-coded into real bytes, decoded again, and the picture made from them:

    one step      for the whole code, measured in the picture: a number is rounded to multiples of step / √gain, where
                  its gain is the squared error in the picture for each squared error in the number. PCA's axes are
                  orthonormal, so all its gains are 1 and all its steps equal, which is the best at high rates
                  (Gersho & Gray 1992, section 8.3); an autoencoder's gains are measured. Without them a network would
                  gain or lose by scaling a channel up and the next layer's weights down, which changes nothing else.
    the range     of each number over training pictures, in steps; what lies outside comes in at its end. The number
                  with the widest has 2^b levels, b from 2 to 16.
    the tables    of how likely each level is: for each number of a flat code, and for each channel of a feature map,
                  whose places share one. Counted on training pictures, they belong to the decoder as its weights do.

All pictures' codes go into one stream, so its end is shared. The tables know nothing of a number's neighbours: PCA's
are uncorrelated, those of a feature map are not, and a cleverer coder would pack it tighter.

    publish(root)                       measure on the test pictures, and write `rates-<data set>.json` under `root`
    curves("cifar10", root)             read it, without torch
    gain(rates.curve("dense"), rates.pca)    dB above PCA at equal bits
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from math import ceil, inf, log2, log10, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from aecore import AecoreError, published
from aecore.store import WEIGHTS, Store

# torch is imported where pictures are touched: a published curve is read without it.
if TYPE_CHECKING:
    from torch import Tensor

    from aecore.baselines import Projection
    from aecore.datasets import Dataset

PUBLISHED = ("cifar10",)
LEARNING = 5_000  # training pictures that ranges and tables are counted on
MEASURED = 2_000  # test pictures
PROBED = 32  # training pictures that gains are measured on
PUSH = 0.1  # how far a number is pushed to measure its gain, in its standard deviations
BITS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 16)
PCA_BITS = (*(half / 2 for half in range(4, 25)), 16)  # finer, so that what lies between two points can be read off
QUALITIES = (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)
PRIOR = 2.0  # pictures that each half of a range counts for before any is seen

Kind = Literal["autoencoder", "pca", "codec"]


class RateError(AecoreError):
    """A rate–distortion curve that cannot be had; the text says why."""


# ---- what is published


@dataclass(frozen=True)
class Point:
    """One way to keep pictures, in means over the test pictures.

    `setting` is the bits of a code's widest number, or a codec's quality; `numbers` are those of the code, a codec's
    are the picture's. `bits` are a picture's: those of its entropy-coded code, or of its file without the header.
    `plain_bits` are those of the code without entropy coding, `file_bits` those of the file with its header.
    """

    setting: float
    numbers: int
    bits: float
    mse: float
    plain_bits: float | None = None
    file_bits: float | None = None

    @property
    def psnr(self) -> float:
        """Pooled PSNR in dB: that of the mean MSE."""
        return -10 * log10(self.mse) if self.mse else inf


@dataclass(frozen=True)
class Curve:
    """A model's or codec's points by rising bits; `exact` is the MSE of its code's numbers as they are, in float32."""

    name: str
    kind: Kind
    points: tuple[Point, ...]
    exact: float | None = None

    def psnr_at(self, bits: float) -> float | None:
        """Pooled PSNR in dB at so many bits a picture, between two points on a line over log bits; None outside."""
        known = [point for point in self.points if point.bits > 0]
        if not known or not known[0].bits <= bits <= known[-1].bits:
            return None
        return float(np.interp(log2(bits), [log2(point.bits) for point in known], [point.psnr for point in known]))


def gain(curve: Curve, pca: Curve) -> tuple[float | None, ...]:
    """How many dB each of a curve's points lies above PCA at equal bits; None where PCA was not measured."""
    known = [pca.psnr_at(point.bits) for point in curve.points]
    return tuple(
        None if other is None else point.psnr - other for point, other in zip(curve.points, known, strict=True)
    )


@dataclass(frozen=True)
class Rates:
    """The curves of a data set, in words what they were measured on, and the SHA-256 of the weights of every run that
    was."""

    dataset: str
    fingerprint: str
    method: str
    curves: tuple[Curve, ...]
    weights: Mapping[str, str] = field(default_factory=dict)

    @property
    def pca(self) -> Curve:
        """The curve to beat."""
        return self.curve("pca")

    def curve(self, name: str) -> Curve:
        """The curve of a model's or codec's name; raises `RateError` with the names there are."""
        for each in self.curves:
            if each.name == name:
                return each
        names = ", ".join(each.name for each in self.curves)
        raise RateError(f"There is no rate–distortion curve of {name!r}: {names} have one.")


# ---- levels and bytes


@dataclass(frozen=True, eq=False)
class Alphabet:
    """The levels that a code's numbers are rounded to, and how likely each is.

    A component is a number of a flat code or a channel of a feature map; codes are float `[components, samples]`. Each
    component has its step, its lowest level (in steps) and a table of its levels' probabilities from there on, as many
    as a whole number of bits tells apart.
    """

    steps: np.ndarray
    lowest: np.ndarray
    tables: tuple[np.ndarray, ...]

    @classmethod
    def fit(cls, code: np.ndarray, gains: np.ndarray, bits: float) -> Alphabet:
        """The levels for codes such as `code`; the component that is widest in the picture has 2^`bits` of them.

        `gains` `[components]` are the squared errors in the picture for each squared error in a component. Raises
        `RateError` where the code never changes.
        """
        low, high = code.min(1).astype(float), code.max(1).astype(float)
        scales = np.sqrt(gains)
        widest = ((high - low) * scales).max()
        if not widest:
            raise RateError("The code is the same for every training picture: there is nothing to keep.")
        steps = widest / (2**bits - 1) / scales
        lowest, highest = np.round(low / steps), np.round(high / steps)
        # Both ends rounded outwards would make one level too many.
        sizes = 2 ** np.ceil(np.log2(highest - lowest + 1)).clip(0, ceil(bits)).astype(int)
        tables = (
            probabilities(np.bincount(_levels(*row), minlength=row[-1]))
            for row in zip(code, steps, lowest, sizes, strict=True)
        )
        return cls(steps, lowest, tuple(tables))

    def first(self, count: int) -> Alphabet:
        """That of the first `count` components alone."""
        return Alphabet(self.steps[:count], self.lowest[:count], self.tables[:count])

    @property
    def plain_bits(self) -> int:
        """Bits of one sample of every component where each level takes as many, without entropy coding."""
        return sum(len(table).bit_length() - 1 for table in self.tables)

    def levels(self, code: np.ndarray) -> np.ndarray:
        """The nearest level of each number, counted from the lowest, int32 `[components, samples]`."""
        rows = zip(code, self.steps, self.lowest, map(len, self.tables), strict=True)
        return np.stack([_levels(*row) for row in rows])

    def values(self, levels: np.ndarray) -> np.ndarray:
        """The numbers that `levels` stand for, float32 `[components, samples]`."""
        values: np.ndarray = ((levels + self.lowest[:, None]) * self.steps[:, None]).astype(np.float32)
        return values

    def pack(self, levels: np.ndarray) -> bytes:
        """`levels` entropy-coded, component after component, by a range coder (Martin 1979)."""
        import constriction  # type: ignore[import-untyped]

        encoder = constriction.stream.queue.RangeEncoder()
        for symbols, table in zip(levels, self.tables, strict=True):
            if len(table) > 1:
                encoder.encode(symbols, _model(table))
        words: np.ndarray = encoder.get_compressed()
        return words.astype("<u4").tobytes()

    def unpack(self, packed: bytes, samples: int) -> np.ndarray:
        """The levels that `pack` was given, so many `samples` of each component."""
        import constriction

        decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(packed, "<u4").astype(np.uint32))
        levels = np.zeros((len(self.tables), samples), np.int32)
        for symbols, table in zip(levels, self.tables, strict=True):
            if len(table) > 1:
                symbols[:] = decoder.decode(_model(table), samples)
        return levels


def _levels(code: np.ndarray, step: float, lowest: float, size: int) -> np.ndarray:
    """Those of one component, `[samples]`; component by component, as a code of 5,000 pictures takes 160 MB."""
    levels: np.ndarray = (np.round(code / step) - lowest).clip(0, size - 1)
    return levels.astype(np.int32)


def _model(table: np.ndarray) -> Any:
    import constriction

    return constriction.stream.model.Categorical(table, perfect=False)


def probabilities(counts: np.ndarray) -> np.ndarray:
    """How likely each level is that was seen `counts` times, `[2^n]` both; none is impossible.

    The range is halved again and again, and each half of a half is as likely as it was seen, with `PRIOR` pictures
    more (a Pólya tree: Ferguson 1974). So levels that are seen often are learned each, as a ReLU's zero is, and where
    few are seen neighbours share what is known.
    """
    halvings = [counts]
    while len(halvings[-1]) > 1:
        halvings.append(halvings[-1].reshape(-1, 2).sum(1))
    result = np.ones(1)
    for halves in reversed(halvings[:-1]):
        pairs = halves.reshape(-1, 2) + PRIOR
        result = (result[:, None] * pairs / pairs.sum(1, keepdims=True)).reshape(-1)
    return result


# ---- curves


class Coder(Protocol):
    """A reconstructor that can be taken apart at its code."""

    @property
    def name(self) -> str:
        """What people call it."""

    def encode(self, pictures: Tensor) -> Tensor:
        """The codes of `[N, C, H, W]` pictures, `[N, …]`."""

    def decode(self, codes: Tensor) -> Tensor:
        """The pictures that codes stand for, not clamped."""


@dataclass(frozen=True, eq=False)
class _Components:
    """PCA taken apart at its code; a code cut short is that of as many components."""

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

    Measured by pushing every number of a component in `codes` `[N, components, …]` by a little of its standard
    deviation `spread` `[components]`, up or down at random. A component that never changes counts as 1.
    """
    import torch

    from aecore.noise import key

    made = coder.decode(codes)
    draw = torch.Generator().manual_seed(key(0, "gains"))
    signs = torch.randint(2, codes[:, 0].shape, generator=draw) * 2.0 - 1
    found = []
    for component, deviation in enumerate((PUSH * spread).tolist()):
        if not deviation:
            found.append(1.0)
            continue
        pushed = codes.clone()
        pushed[:, component] += deviation * signs
        found.append(float((coder.decode(pushed) - made).square().sum()) / (deviation**2 * signs.numel()))
    # What the decoder does not look at would have an endless step.
    return np.maximum(found, 1e-9 * max(found))


def autoencoder_curve(coder: Coder, learning: Tensor, pictures: Tensor, bits: Sequence[int] = BITS) -> Curve:
    """The curve of a model on `pictures` `[N, C, H, W]`, ranges and tables from the codes of `learning` pictures."""
    from aecore.scores import mse

    learned, codes = coder.encode(learning), coder.encode(pictures)
    samples = learned.transpose(0, 1).flatten(1)
    weights = gains(coder, learned[:PROBED], samples.std(1))
    points = [_point(coder, Alphabet.fit(samples.numpy(), weights, each), codes, pictures, each) for each in bits]
    return Curve(coder.name, "autoencoder", tuple(points), _rounded(float(mse(coder.decode(codes), pictures).mean())))


def pca_curve(projection: Projection, learning: Tensor, pictures: Tensor, bits: Sequence[float] = PCA_BITS) -> Curve:
    """The best that PCA does on `pictures` `[N, C, H, W]`, of two numbers of components an octave and of the steps that
    `bits` give."""
    coder = _Components(projection)
    learned, codes = coder.encode(learning).T.numpy(), coder.encode(pictures)
    octaves = range(3, projection.code_size.bit_length())
    sizes = {*(2**octave for octave in octaves), *(3 * 2**octave // 2 for octave in octaves), projection.code_size}
    points = []
    for each in bits:
        alphabet = Alphabet.fit(learned, np.ones(len(learned)), each)
        # After the last component with more than one level there is nothing to keep.
        live = max(index for index, table in enumerate(alphabet.tables, start=1) if len(table) > 1)
        points += [
            _point(coder, alphabet.first(size), codes[:, :size], pictures, each)
            for size in sorted({min(size, live) for size in sizes})
        ]
    return Curve(coder.name, "pca", tuple(envelope(points)))


def envelope(points: Iterable[Point]) -> list[Point]:
    """The corners of the convex line that none of `points` lies below, by rising bits and falling error.

    What lies between two corners can be had: some pictures are kept in the one way, the rest in the other (Shoham &
    Gersho 1988).
    """
    found: list[Point] = []
    for point in sorted(points, key=lambda each: (each.bits, each.mse)):
        if found and point.mse >= found[-1].mse:
            continue
        while len(found) > 1 and _slope(found[-2], found[-1]) >= _slope(found[-1], point):
            found.pop()
        found.append(point)
    return found


def _slope(one: Point, other: Point) -> float:
    return (other.mse - one.mse) / (other.bits - one.bits)


def codec_curve(kind: str, pictures: Tensor, qualities: Sequence[int] = QUALITIES) -> Curve:
    """The curve of a file format on `pictures` `[N, C, H, W]`."""
    from aecore.codecs import Codec
    from aecore.scores import mse

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
    """What becomes of `pictures` whose `codes` `[N, components, …]` go through an alphabet's bytes."""
    import torch

    from aecore.scores import mse

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


# ---- the file


def measure(dataset: Dataset, models: Sequence[Coder], progress: Callable[[str], None] = print) -> Rates:
    """The curves of `models`, of PCA and of every codec on the first `MEASURED` test pictures.

    Some minutes for CIFAR-10 on one core; a sentence for each curve to `progress`.
    """
    from aecore.baselines import fit_pca
    from aecore.codecs import FORMATS, USUAL_QUALITY, Codec
    from aecore.datasets import to_float

    for kind in FORMATS:
        _ = Codec(kind, USUAL_QUALITY).header  # a format that is not here must be told before minutes are spent
    learning, pictures = to_float(dataset.train.pixels[:LEARNING]), to_float(dataset.test.pixels[:MEASURED])
    found = []

    def keep(curve: Curve) -> None:
        first, last = curve.points[0], curve.points[-1]
        progress(
            f"{curve.name}: {first.bits:,.0f} bits a picture at {first.psnr:.1f} dB "
            f"to {last.bits:,.0f} at {last.psnr:.1f} dB."
        )
        found.append(curve)

    for model in models:
        keep(autoencoder_curve(model, learning, pictures))
    keep(pca_curve(fit_pca(dataset.train.pixels).keep(prod(dataset.shape)), learning, pictures))
    for kind in FORMATS:
        keep(codec_curve(kind, pictures))
    method = (
        f"The first {len(pictures):,} test pictures; ranges and tables of the codes' levels from the first "
        f"{len(learning):,} training pictures; one range-coded stream for all pictures; outputs clamped; "
        f"PCA with the numbers of components (of two an octave) and the steps (of {len(PCA_BITS)}) that do best on "
        "these very pictures"
    )
    return Rates(dataset.name, dataset.fingerprint, method, tuple(found))


def publish(
    root: Path, names: Sequence[str] = PUBLISHED, data_root: Path | None = None, progress: Callable[[str], None] = print
) -> list[Path]:
    """Measure the zoo's runs under `root` that learned from pictures without noise, and write their curves there.

    Raises `DatasetError` where a data set is not here, `StoreError` where a run is damaged, `PublishedError` where the
    file cannot be written.
    """
    from aecore import datasets, zoo

    runs = [run for run in Store(root).listing().runs if zoo.is_own(run.spec) and run.spec.recipe.noise is None]
    written = []
    for name in names:
        path = _path(name, root)
        published.check(path)
        dataset = datasets.load(name, data_root)
        measured = [run for run in runs if run.spec.fingerprint == dataset.fingerprint]
        weights = {run.name: run.files[WEIGHTS]["sha256"] for run in measured}
        rates = replace(measure(dataset, [run.model() for run in measured], progress), weights=weights)
        published.write(path, asdict(rates))
        progress(f"{path.name}: {len(rates.curves)} curves. {rates.method}.")
        written.append(path)
    return written


def curves(dataset_name: str, root: Path) -> Rates:
    """The published curves of a data set, read without torch, but for runs that are here with other weights than were
    measured.

    Raises `PublishedError`, one sentence, where the file is missing, damaged or of another version.
    """
    if dataset_name not in PUBLISHED:
        raise RateError(f"Rates are published for {' and '.join(PUBLISHED)} only, not for {dataset_name}.")
    path, again = _path(dataset_name, root), f"`python -m aecore rates` makes it again, given {dataset_name}."

    def build(facts: dict[str, Any]) -> Rates:
        found = (
            Curve(**(each | {"points": tuple(Point(**point) for point in each["points"])})) for each in facts["curves"]
        )
        return Rates(**(facts | {"curves": tuple(found)}))

    found = published.read(path, dataset_name, build, again)
    others = Store(root).others(found.weights)
    return replace(found, curves=tuple(curve for curve in found.curves if curve.name not in others))


def _path(dataset_name: str, root: Path) -> Path:
    return root / f"rates-{dataset_name}.json"
