"""How well pictures are denoised, level by level: every trained denoiser beside the classical ones.

    python -m aecore denoising      measure on the test pictures, publish, and print the tables of docs/results.md

Published as `checkpoints/denoising-<data set>.json`, which the page Denoise draws on any machine. What is measured is
kept by `fits`, so that a denoiser that is added later is measured alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aecore.files import figures
from aecore.runs.store import Store

VERSION = 1  # of what is measured: another one measures everything again
NOISY = "noisy"  # what every denoiser is given, as if it were one
TABLE = (15 / 255, 25 / 255, 50 / 255, 0.1, 0.3, 1.0)  # standard deviations of Gaussian noise
BETWEEN = (0.0, 0.03, 0.5, 0.7)  # for the curves alone
SUBSET = 200  # the first test pictures: the slow are measured on these, and everyone is compared with them there
FEWER = 2000  # test pictures at the levels between
REFERENCES = ("wiener", "bm3d")  # the best that is linear, and the best that is not learned
SEED = 0


@dataclass(frozen=True)
class Point:
    """A denoiser at a level of Gaussian noise, on so many test pictures.

    `psnr` is the mean over pictures in dB, `margin` half its 95% interval, `psnr_pooled` that of the mean squared
    error; None where a picture comes back without any error. On the first `SUBSET` pictures alone, where the slow can
    be compared with the rest, `psnr_subset` and `ssim_subset` are the means, and `over` holds, for each of
    `REFERENCES`, the mean difference of PSNR in dB and its 95% interval.
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
class Curves:
    """What was measured on a data set, level by level, and the SHA-256 of the weights of every run that was."""

    dataset: str
    fingerprint: str
    points: tuple[Point, ...]
    weights: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Every denoiser, in the order of measuring."""
        return list(dict.fromkeys(point.name for point in self.points))

    def of(self, name: str) -> list[Point]:
        """One denoiser's points by rising level."""
        return sorted((point for point in self.points if point.name == name), key=lambda point: point.level)

    def at(self, name: str, level: float) -> Point | None:
        """One denoiser at one of the measured levels."""
        return next((point for point in self.of(name) if abs(point.level - level) < 1e-6), None)


def curves(dataset_name: str, root: Path) -> Curves:
    """What was published, but for runs that are here with other weights than were measured; raises `PublishedError`,
    one sentence, where that is missing or damaged, or of another data set or version."""
    path, again = path_of(root, dataset_name), "`python -m aecore denoising` makes it again, given the data."

    def build(facts: dict[str, Any]) -> Curves:
        points = [
            Point(**(each | {"over": {name: tuple(values) for name, values in each["over"].items()}}))
            for each in facts["points"]
        ]
        return Curves(**(facts | {"points": tuple(points)}))

    found = figures.read(path, dataset_name, build, again)
    others = Store(root).with_other_weights(found.weights)
    return replace(found, points=tuple(point for point in found.points if point.name not in others))


def path_of(root: Path, dataset_name: str) -> Path:
    return root / f"denoising-{dataset_name}.json"
