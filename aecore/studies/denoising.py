"""How well every denoiser does at every noise level, trained ones beside classical ones, and the bits that follow.

    python -m aecore denoising      measure on the test pictures, publish, and print the tables of docs/results.md

Published as `checkpoints/denoising-<data set>.json`, which the page Denoise draws on any machine. `fits` stores the
measurements, so that only a denoiser that is added later must be measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aecore.files import figures
from aecore.runs.store import Store

VERSION = 3  # of the measurements: a new one measures everything again
NOISY = "noisy"  # the noisy pictures, measured as if they were a denoiser's output
TABLE_LEVELS = (0.01, 0.03, 15 / 255, 25 / 255, 50 / 255, 0.1, 0.3, 0.5, 1.0)  # standard deviations of Gaussian noise
CURVE_LEVELS = (0.0, 0.7)  # further levels, for the curves only
CURVE_PICTURES = 2000  # test pictures at those levels
SUBSET = 200  # the first test pictures: slow denoisers are measured on these, and compared with the others on them
REFERENCES = ("wiener", "bm3d")  # the best linear denoiser, and the best that is not learned
SEED = 0
BITS_PICTURES = 2000  # test pictures for `Bits`
BITS_CHOICES = 500  # validation pictures on which the estimator of each level is chosen
NO_NETWORK = "no network"  # the name in `Bits` of the Wiener filter and the single value's posterior mean alone


def level_text(level: float) -> str:
    """A level in words: `25/255` where it is a usual one of 8-bit pictures, or else `0.1`."""
    part = level * 255
    return f"{part:.0f}/255" if abs(part - round(part)) < 1e-3 and 0 < level < 0.2 else f"{level:.3g}"


@dataclass(frozen=True)
class Point:
    """A denoiser at one level of Gaussian noise, measured on the first `pictures` test pictures.

    `psnr` is the mean over pictures in dB, `margin` half its 95% interval, and `psnr_pooled` the PSNR of the mean
    squared error. They are None if a picture comes back without any error. `psnr_subset` and `ssim_subset` are means
    over the first `SUBSET` pictures only, on which slow denoisers can be compared with the others. On these, `over`
    holds for each of `REFERENCES` the mean difference of PSNR in dB and the two ends of its 95% interval.
    """

    name: str
    level: float
    pictures: int
    psnr: float | None
    margin: float | None
    psnr_pooled: float | None
    ssim: float
    psnr_subset: float | None
    ssim_subset: float
    over: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Bits:
    """An upper bound on the entropy of 8-bit pictures, in `bits` per value, from one denoiser's errors at all levels.

    See `aecore.measuring.bit_bounds`. At every level it takes the best on validation pictures of the denoiser `name`,
    the Wiener filter, and the posterior mean of a value given only its own noisy value. `levels` are the lowest and the
    highest one between which the denoiser is taken; None if it is taken nowhere. The bound is a mean over the first
    `pictures` test pictures, and `margin` half its 95% interval. `coarse` is the bound from every second level.
    """

    name: str
    pictures: int
    bits: float
    margin: float
    coarse: float
    levels: tuple[float, float] | None = None


@dataclass(frozen=True)
class Curves:
    """All points of a data set, and the SHA-256 of the weights of each measured run by its name.

    `bits` are those of every denoiser that was trained at a range of levels, after those of `NO_NETWORK`.
    """

    dataset: str
    fingerprint: str
    points: tuple[Point, ...]
    weights: Mapping[str, str] = field(default_factory=dict)
    bits: tuple[Bits, ...] = ()

    @property
    def names(self) -> list[str]:
        """The denoisers, in the order in which they were measured."""
        return list(dict.fromkeys(point.name for point in self.points))

    def of(self, name: str) -> list[Point]:
        """One denoiser's points by rising level."""
        return sorted((point for point in self.points if point.name == name), key=lambda point: point.level)

    def at(self, name: str, level: float) -> Point | None:
        """One denoiser at one of the measured levels."""
        return next((point for point in self.of(name) if abs(point.level - level) < 1e-6), None)


def curves(dataset_name: str, root: Path) -> Curves:
    """The published curves, without those of runs whose weights in `root` differ from the measured ones.

    Raises `PublishedError` if the file is missing or damaged, or belongs to another data set or version.
    """
    path, again = path_of(root, dataset_name), "`python -m aecore denoising` makes it again; it needs CIFAR-10."

    def build(facts: dict[str, Any]) -> Curves:
        points = [
            Point(**(point | {"over": {name: tuple(values) for name, values in point["over"].items()}}))
            for point in facts["points"]
        ]
        bits = [Bits(**(one | {"levels": one["levels"] and tuple(one["levels"])})) for one in facts.get("bits", ())]
        return Curves(**(facts | {"points": tuple(points), "bits": tuple(bits)}))

    published = figures.read(path, dataset_name, build, again)
    others = Store(root).with_other_weights(published.weights)
    return replace(
        published,
        points=tuple(point for point in published.points if point.name not in others),
        bits=tuple(bits for bits in published.bits if bits.name not in others),
    )


def path_of(root: Path, dataset_name: str) -> Path:
    return root / f"denoising-{dataset_name}.json"
