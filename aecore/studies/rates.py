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


def curves(dataset_name: str, root: Path) -> Rates:
    """The published curves of a data set, read without torch, but for runs that are here with other weights than were
    measured.

    Raises `PublishedError`, one sentence, where the file is missing, damaged or of another version.
    """
    if dataset_name not in PUBLISHED:
        raise RateError(f"Rates are published for {' and '.join(PUBLISHED)} only, not for {dataset_name}.")
    path, again = path_of(dataset_name, root), f"`python -m aecore rates` makes it again, given {dataset_name}."

    def build(facts: dict[str, Any]) -> Rates:
        found = (
            Curve(**(each | {"points": tuple(Point(**point) for point in each["points"])})) for each in facts["curves"]
        )
        return Rates(**(facts | {"curves": tuple(found)}))

    found = figures.read(path, dataset_name, build, again)
    others = Store(root).with_other_weights(found.weights)
    return replace(found, curves=tuple(curve for curve in found.curves if curve.name not in others))


def path_of(dataset_name: str, root: Path) -> Path:
    return root / f"rates-{dataset_name}.json"
