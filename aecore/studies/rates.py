"""How many bits a code takes, and how that affects the picture: rate–distortion curves.

The size of a code means little until the precision of its numbers is fixed. Here each number is rounded to a multiple
of a step. The multiples are entropy-coded into real bytes and decoded, and the picture is reconstructed from them:

    one step      for the whole code, measured in the picture: a number is rounded to multiples of step / √gain, where
                  its gain is the squared error in the picture for each squared error in the number. PCA's axes are
                  orthonormal, so all its gains are 1 and all its steps equal, which is the best at high rates
                  (Gersho & Gray 1992, section 8.3); an autoencoder's gains are measured. Without them a network would
                  gain or lose by scaling a channel up and the next layer's weights down, which changes nothing else.
    a dead zone   around zero, 1 to 2 steps wide: numbers in it become zero (Sullivan 1996).
    the range     of each number over training pictures, in steps; values outside are moved to its nearer end. The
                  number with the widest range has 2^b levels, b from 2 to 16.
    a stream      of whole bytes per picture, as a file would be.

The decoder has more than its weights: the steps, the ranges, where in its step a level lies, and the tables of the
probability of each level, one per number of a flat code and one per channel of a feature map. All of these are fitted
on training pictures, once for all pictures, and no picture pays for them. The tables ignore the neighbours of a number.
PCA's numbers are uncorrelated; those of a feature map are not, and a better coder would pack them tighter.

The step and the width of the dead zone are chosen on validation pictures, and so is PCA's number of components. The
curves are the chosen settings on test pictures.

    publish(root)                       measure, and write `rates-<data set>.json` under `root`
    curves("cifar10", root)             read it, without torch
    rates.curve("compress-128").windows_text    from how many bits to how many it leads PCA
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import inf, log10
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aecore import AecoreError
from aecore.files import figures
from aecore.runs.store import Store

VERSION = 2  # of the method: a new one measures everything again
PUBLISHED = ("cifar10",)
# dB. When some hundreds of bits are doubled, PCA gains 2 to 4 dB, so this is worth 1 to 2% of the bits. Details of the
# method, such as the dead zone, are worth as much: a smaller difference says nothing about a model.
SMALLEST_LEAD = 0.05
COMPARED = (100, 10_000)  # bits per picture for a curve's best point: outside, PCA is below 20 dB or above 49 dB
# The mean PSNR in dB at a number of bits per pixel of a hyperprior model (Minnen & Singh 2020, "Channel-wise
# autoregressive entropy models") on CIFAR-10, published by Yang, Will & Mandt 2025 ("Progressive compression with
# universally quantized diffusion models").
HYPERPRIOR = {0.34: 24.2, 1.12: 30.77}
Kind = Literal["autoencoder", "pca", "codec"]


class RateError(AecoreError):
    """There is no such rate–distortion curve; the text says which there are."""


@dataclass(frozen=True)
class Lead:
    """How many dB of pooled PSNR lie between a point and another curve at equal bits; above it if positive.

    `margin` is half the 95% interval over test pictures.
    """

    decibels: float
    margin: float

    @property
    def counts(self) -> bool:
        """Whether it is a lead: its interval lies above zero, and it is larger than `SMALLEST_LEAD`."""
        return self.decibels > max(self.margin, SMALLEST_LEAD)


@dataclass(frozen=True)
class Point:
    """One way to store pictures; bits and error are means over the test pictures.

    `setting` is the bits of the code's widest number, or the codec's quality; `zone` the width of the dead zone in
    steps, None for a codec. `numbers` is the size of the code; for a codec, of the picture. `bits` are those per
    picture: of the entropy-coded code, or of the file without its header; `header` are those of the header.
    `psnr_mean` is the mean of the pictures' PSNRs in dB; None if one of them is exact.

    `over_pca` compares the point with PCA, `over_plain` with the same coder when it has no dead zone. Both are None
    where the other was not measured at so many bits.
    """

    setting: float
    zone: float | None
    numbers: int
    bits: float
    mse: float
    header: float = 0
    over_pca: Lead | None = None
    over_plain: Lead | None = None
    psnr_mean: float | None = None

    @property
    def psnr(self) -> float:
        """Pooled PSNR in dB: the PSNR of the mean MSE."""
        return -10 * log10(self.mse) if self.mse else inf


@dataclass(frozen=True)
class Curve:
    """The points of a model or codec by rising bits.

    `exact` is the MSE of the model when its code stays float32. `best` is the index of the point that is the furthest
    above PCA on the validation pictures, of those that take `COMPARED` bits there; None for PCA itself and without any.
    """

    name: str
    kind: Kind
    points: tuple[Point, ...]
    exact: float | None = None
    best: int | None = None

    @property
    def best_point(self) -> Point | None:
        """The point that was chosen on the validation pictures as the best beside PCA."""
        return None if self.best is None else self.points[self.best]

    def decibels_at(self, bits: float, *, headers: bool) -> tuple[float, float] | None:
        """Its pooled and its mean PSNR in dB at so many bits per picture; None where it was not measured.

        Between two points it is straight in dB over the logarithm of bits. With `headers`, theirs count.
        """
        known = [
            (log10(point.bits + headers * point.header), point.psnr, point.psnr_mean)
            for point in self.points
            if point.psnr_mean is not None
        ]
        if not known or not known[0][0] <= log10(bits) <= known[-1][0]:
            return None
        sizes, pooled, means = zip(*known, strict=True)
        return float(np.interp(log10(bits), sizes, pooled)), float(np.interp(log10(bits), sizes, means))

    @property
    def windows(self) -> tuple[tuple[Point, ...], ...]:
        """The runs of neighbouring points that lead PCA."""
        runs = groupby(self.points, lambda point: point.over_pca is not None and point.over_pca.counts)
        return tuple(tuple(points) for leads, points in runs if leads)

    @property
    def windows_text(self) -> str:
        """The windows in bits per picture, such as "150 to 425"; empty if there are none."""
        return " and ".join(f"{points[0].bits:,.0f} to {points[-1].bits:,.0f}" for points in self.windows)


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
    path, again = (
        path_of(dataset_name, root),
        f"`python -m aecore rates` makes it again; it needs the data set {dataset_name}.",
    )

    def build(facts: dict[str, Any]) -> Rates:
        if facts.pop("version") != VERSION:
            raise ValueError
        built = (Curve(**(curve | {"points": tuple(map(_point, curve["points"]))})) for curve in facts["curves"])
        return Rates(**(facts | {"curves": tuple(built)}))

    published = figures.read(path, dataset_name, build, again)
    others = Store(root).with_other_weights(published.weights)
    return replace(published, curves=tuple(curve for curve in published.curves if curve.name not in others))


def _point(facts: dict[str, Any]) -> Point:
    leads = {name: Lead(**facts[name]) if facts[name] else None for name in ("over_pca", "over_plain")}
    return Point(**(facts | leads))


def path_of(dataset_name: str, root: Path) -> Path:
    return root / f"rates-{dataset_name}.json"
