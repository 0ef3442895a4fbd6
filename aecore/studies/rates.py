"""How many bits a code takes, and how that affects the picture: rate–distortion curves.

The size of a code means little until the precision of its numbers is fixed. Here each number is rounded to a multiple
of a step. The multiples are entropy-coded into real bytes and decoded, and the picture is reconstructed from them:

    one step      for the whole code, measured in the picture: a number is rounded to multiples of step / √gain, where
                  its gain is the squared error in the picture for each squared error in the number. PCA's axes are
                  orthonormal, so all its gains are 1 and all its steps equal, which is the best at high rates
                  (Gersho & Gray 1992, section 8.3); an autoencoder's gains are measured. Without them a network would
                  gain or lose by scaling a channel up and the next layer's weights down, which changes nothing else.
    the range     of each number over training pictures, in steps; values outside are moved to its nearer end. The
                  number with the widest range has 2^b levels, b from 2 to 16.
    the tables    of the probability of each level: one per number of a flat code, and one per channel of a feature
                  map. They are counted on training pictures and belong to the decoder, as its weights do.

The codes of all pictures go into one stream, so they share its last bytes. The tables ignore the neighbours of a
number. PCA's numbers are uncorrelated; those of a feature map are not, and a better coder would pack them tighter.

    publish(root)                       measure on the test pictures, and write `rates-<data set>.json` under `root`
    curves("cifar10", root)             read it, without torch
    gain(rates.curve("dense"), rates.pca)    dB above PCA at equal bits
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf, log2, log10
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aecore import AecoreError
from aecore.files import figures
from aecore.runs.store import Store

PUBLISHED = ("cifar10",)
Kind = Literal["autoencoder", "pca", "codec"]


class RateError(AecoreError):
    """There is no such rate–distortion curve; the text says which there are."""


@dataclass(frozen=True)
class Point:
    """One way to store pictures; bits and error are means over the test pictures.

    `setting` is the bits of the code's widest number, or the codec's quality. `numbers` is the size of the code; for a
    codec, of the picture. `bits` are those per picture: of the entropy-coded code, or of the file without its header.
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
        """Pooled PSNR in dB: the PSNR of the mean MSE."""
        return -10 * log10(self.mse) if self.mse else inf


@dataclass(frozen=True)
class Curve:
    """The points of a model or codec by rising bits; `exact` is the MSE of the model when its code stays float32."""

    name: str
    kind: Kind
    points: tuple[Point, ...]
    exact: float | None = None

    def psnr_at(self, bits: float) -> float | None:
        """Pooled PSNR in dB at `bits` per picture, interpolated over log bits; None outside the measured range."""
        known = [point for point in self.points if point.bits > 0]
        if not known or not known[0].bits <= bits <= known[-1].bits:
            return None
        return float(np.interp(log2(bits), [log2(point.bits) for point in known], [point.psnr for point in known]))


def gain(curve: Curve, pca: Curve) -> tuple[float | None, ...]:
    """How many dB each point of a curve lies above PCA at equal bits; None where PCA was not measured."""
    known = [pca.psnr_at(point.bits) for point in curve.points]
    return tuple(
        None if other is None else point.psnr - other for point, other in zip(curve.points, known, strict=True)
    )


@dataclass(frozen=True)
class Rates:
    """The curves of a data set, the `method` in words, and the SHA-256 of each measured run's weights by its name."""

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
        """The curve of a model or codec; raises a `RateError` that lists the names if there is none."""
        for curve in self.curves:
            if curve.name == name:
                return curve
        names = ", ".join(curve.name for curve in self.curves)
        raise RateError(f"There is no rate–distortion curve of {name!r}: {names} have one.")


def curves(dataset_name: str, root: Path) -> Rates:
    """The published curves of a data set, without those of runs whose weights in `root` differ from the measured ones.

    Read without torch. Raises `PublishedError` if the file is missing, damaged or of another version.
    """
    if dataset_name not in PUBLISHED:
        raise RateError(f"Rates are published for {' and '.join(PUBLISHED)} only, not for {dataset_name}.")
    path, again = path_of(dataset_name, root), f"`python -m aecore rates` makes it again, given {dataset_name}."

    def build(facts: dict[str, Any]) -> Rates:
        built = (
            Curve(**(curve | {"points": tuple(Point(**point) for point in curve["points"])}))
            for curve in facts["curves"]
        )
        return Rates(**(facts | {"curves": tuple(built)}))

    published = figures.read(path, dataset_name, build, again)
    others = Store(root).with_other_weights(published.weights)
    return replace(published, curves=tuple(curve for curve in published.curves if curve.name not in others))


def path_of(dataset_name: str, root: Path) -> Path:
    return root / f"rates-{dataset_name}.json"
