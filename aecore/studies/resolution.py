"""One architecture at three resolutions of the same scenes: what changes in the pictures, the ranking and the cost.

    python -m aecore resolution     train, measure, publish, and print the tables of docs/results.md

The data sets `scenes-32`, `scenes-64` and `scenes-96` show the same windows of the same photographs. A convolutional
code grows with the picture, so one line of layers has equally many code numbers per pixel at every size. To compare
with JPEG the precision of the numbers is fixed too: they are rounded so that the code takes `BITS` bits per pixel.

Published as `checkpoints/resolution.json`, which the System page draws on any machine without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import pandas as pd

from aecore.data.catalog import SCENE_SIDES
from aecore.files import figures
from aecore.measuring.intervals import Difference, margin, paired_differences

VERSION = 1  # of the measurements: a file of another version is measured again
SIDES = SCENE_SIDES
FIRST, LAST = SIDES[0], SIDES[-1]
NAMES = ("shallow-maxpool", "shallow-strided", "deep-strided-8")
SEEDS = range(6)
# The systems' own recipe but for these: there are 2,100 training pictures where CIFAR-10 has 45,000.
EPOCHS, BATCH_SIZE = 3, 20
Measure = Literal["psnr", "ssim", "stored", "reduced"]
BITS = 8  # per pixel of a stored code; a picture as it is has 24


@dataclass(frozen=True)
class Cell:
    """A system on the scenes of one size. Tuples hold one value per seed; PSNRs are pooled over the test pictures.

    `stored` is the PSNR when the code takes `BITS` bits per pixel. `reduced` is the PSNR of the outputs averaged to
    `FIRST` pixels a side, against the scenes of that size. `numbers` is the size of the code per pixel, and `seconds`
    those of an epoch over the training pictures on one core of the machine that measured them.
    """

    name: str
    side: int
    psnr: tuple[float, ...]
    ssim: tuple[float, ...]
    stored: tuple[float, ...]
    reduced: tuple[float, ...]
    numbers: float
    macs: int
    seconds: float

    def of(self, measure: Measure) -> tuple[float, ...]:
        """One of its measures by seed."""
        values: tuple[float, ...] = getattr(self, measure)
        return values

    def mean(self, measure: Measure = "psnr") -> float:
        """The mean of a measure over seeds."""
        return fmean(self.of(measure))

    def half(self, measure: Measure = "psnr") -> float:
        """Half the 95% interval of that mean, by Student's t."""
        return margin(self.of(measure)) or 0.0


@dataclass(frozen=True)
class Reference:
    """What needs no training, at one size: the pooled PSNR of JPEG at `BITS` bits per pixel, and that of the scenes of
    `FIRST` pixels a side enlarged to this size, which lack what only the larger pictures show (None at `FIRST`)."""

    side: int
    jpeg: float
    enlarged: float | None


@dataclass(frozen=True)
class Scene:
    """One test picture at every size: its class, its number, and a lossless WebP in base64.

    From the left are the sizes, the largest first, each at its own size; from the top the original and the outputs of
    `NAMES` with the first seed.
    """

    title: str
    number: int
    sheet: str


@dataclass(frozen=True)
class Resolution:
    """All cells, references and scenes, and the fingerprint of each data set by its name."""

    fingerprints: Mapping[str, str]
    pictures: int
    cells: tuple[Cell, ...]
    references: tuple[Reference, ...]
    scenes: tuple[Scene, ...]

    @cached_property
    def _by_place(self) -> dict[tuple[str, int], Cell]:
        return {(cell.name, cell.side): cell for cell in self.cells}

    def cell(self, name: str, side: int) -> Cell:
        """A system at a size."""
        return self._by_place[name, side]

    def reference(self, side: int) -> Reference:
        """What needs no training, at a size."""
        return next(reference for reference in self.references if reference.side == side)

    def ranking(self, side: int, measure: Measure = "psnr") -> list[str]:
        """The systems at a size, the highest mean first."""
        return sorted(NAMES, key=lambda name: -self.cell(name, side).mean(measure))

    def leads(self, side: int, measure: Measure = "psnr") -> list[Difference]:
        """How many dB each system of the ranking is above the next one, paired by seed."""
        values = {name: self.cell(name, side).of(measure) for name in NAMES}
        return [
            _difference(one, values[one], other, values[other]) for one, other in pairwise(self.ranking(side, measure))
        ]

    def gain(self, name: str) -> Difference:
        """How many dB a system's PSNR rises from the smallest size to the largest, paired by seed."""
        return _difference("largest", self.cell(name, LAST).psnr, "smallest", self.cell(name, FIRST).psnr)

    def cost(self, name: str, side: int) -> float:
        """The seconds of an epoch in those at the smallest size."""
        return self.cell(name, side).seconds / self.cell(name, FIRST).seconds


def _difference(first: str, one: tuple[float, ...], second: str, other: tuple[float, ...]) -> Difference:
    (difference,) = paired_differences(pd.DataFrame({first: one, second: other}))
    return difference


def decibels_text(difference: Difference) -> str:
    """A difference with its interval, such as `+1.2 dB (+0.9 to +1.5)`."""
    values = (difference.mean, difference.low, difference.high)
    parts = [f"{value:+.1f}".replace("-", "−") for value in values if value is not None]
    return f"{parts[0]} dB" + (f" ({parts[1]} to {parts[2]})" if len(parts) == 3 else "")


def summary(study: Resolution) -> str:
    """What changes from the smallest size to the largest, in three sentences."""
    gains = {name: study.gain(name) for name in NAMES}
    signs = {gain.mean > 0 if gain.is_shown else None for gain in gains.values()}
    what = "the PSNR of the three does not change alike"
    if signs in ({True}, {False}):
        what = f"the PSNR of all three {'rises' if True in signs else 'falls'}"
    shown = ", ".join(f"{name} {decibels_text(gain)}" for name, gain in gains.items())
    return (
        f"From {FIRST}×{FIRST} to {LAST}×{LAST} pixels {what}: {shown}. "
        f"With codes as they are, {_order(study, 'psnr')}. At {BITS} bits per pixel, {_order(study, 'stored')}."
    )


def _order(study: Resolution, measure: Measure) -> str:
    """Whether the order of the systems changes, and which part of it the seeds do not show at the largest size."""
    before, after = (", ".join(study.ranking(side, measure)) for side in (FIRST, LAST))
    changes = f"the order stays {after}" if before == after else f"the order changes from {before} to {after}"
    unshown = [lead for lead in study.leads(LAST, measure) if not lead.is_shown]
    doubts = [f"{lead.first} over {lead.second}, {decibels_text(lead)}" for lead in unshown]
    return changes + (f"; not shown at {LAST}×{LAST} is the lead of {' and of '.join(doubts)}" if doubts else "")


def published(root: Path) -> Resolution:
    """The published study; raises `PublishedError` if the file is missing, damaged or of another version."""

    def build(facts: dict[str, Any]) -> Resolution:
        if facts.pop("version") != VERSION:
            raise ValueError
        tuples = ("psnr", "ssim", "stored", "reduced")
        cells = (Cell(**(cell | {name: tuple(cell[name]) for name in tuples})) for cell in facts["cells"])
        references = (Reference(**reference) for reference in facts["references"])
        scenes = (Scene(**scene) for scene in facts["scenes"])
        parts = {"cells": tuple(cells), "references": tuple(references), "scenes": tuple(scenes)}
        return Resolution(**(facts | parts))

    again = "`python -m aecore resolution` makes it again; it needs no data set."
    return figures.read(path_of(root), "scenes", build, again)


def path_of(root: Path) -> Path:
    """The file of the published study."""
    return root / "resolution.json"
