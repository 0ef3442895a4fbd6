"""How much of a picture's class is left in each reconstruction and in each code.

    python -m aecore legibility     measure on the test pictures, publish, and print the table of docs/results.md

A classifier that was trained on original pictures (`aecore.measuring.classifiers`) reads the class of every
reconstruction. A linear probe (`aecore.measuring.probes`) reads it from the code.

    published("cifar10", root).of("dense")      the reading of a model, without torch
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from aecore.files import figures
from aecore.runs.store import Store

VERSION = 1  # of the measurements: a new one measures everything again
PUBLISHED = ("cifar10", "mnist")
ORIGINAL = "identity"  # its reconstructions are the originals, and its code is their pixels
BASELINES = (ORIGINAL, "pca-64", "pca-256", "pca-1024", "jpeg-25")
PROBED = 10_000  # training pictures that a probe is fitted on


@dataclass(frozen=True)
class Confusion:
    """Pictures of class `true` that are read as another class `read`: their share `here` and `on_originals`."""

    true: str
    read: str
    here: float
    on_originals: float


@dataclass(frozen=True)
class Reading:
    """What the classifier reads from one model's reconstructions of the test pictures.

    `accuracy` is the share that is read rightly. `drop` is how much larger this share is on the originals, `low` and
    `high` its 95% interval by Student's t over the pictures. `counts[true][read]` are numbers of pictures. A denoiser
    was given pictures with its own training `noise`, of which `accuracy_given` is read rightly. `probe` is the share of
    the test pictures whose class a linear probe reads from the code; None where there is no code.
    """

    name: str
    accuracy: float
    drop: float
    low: float
    high: float
    counts: tuple[tuple[int, ...], ...]
    noise: str | None = None
    accuracy_given: float | None = None
    probe: float | None = None


@dataclass(frozen=True)
class Legibility:
    """The readings of a data set, and the SHA-256 of the weights of each measured run by its name.

    `classifier` is the key of the classifier and `parameters` and `macs` its size; `pictures` is the number of test
    pictures.
    """

    dataset: str
    fingerprint: str
    classes: tuple[str, ...]
    classifier: str
    parameters: int
    macs: int
    pictures: int
    readings: tuple[Reading, ...]
    weights: Mapping[str, str] = field(default_factory=dict)

    @property
    def original(self) -> Reading:
        """The reading of the original pictures."""
        reading = self.of(ORIGINAL)
        assert reading is not None, "`published` refuses a file without it"
        return reading

    def of(self, name: str) -> Reading | None:
        """The reading of a system or baseline, None where there is none."""
        return next((reading for reading in self.readings if reading.name == name), None)

    def worst(self, reading: Reading) -> Confusion | None:
        """The confusion of two classes that grows the most against the originals; None if none grows."""
        here, originals = (
            # A class without pictures has no share of anything.
            np.array(one.counts) / np.maximum(np.array(one.counts).sum(1, keepdims=True), 1)
            for one in (reading, self.original)
        )
        growth = here - originals
        np.fill_diagonal(growth, 0)
        true, read = np.unravel_index(int(growth.argmax()), growth.shape)
        if growth[true, read] <= 0:
            return None
        return Confusion(self.classes[true], self.classes[read], float(here[true, read]), float(originals[true, read]))


def published(dataset_name: str, root: Path) -> Legibility | None:
    """The published readings, without those of runs whose weights in `root` differ from the measured ones.

    None for a data set that has no classifier. Raises `PublishedError` if the file is missing or damaged, or belongs to
    another data set or version.
    """
    if dataset_name not in PUBLISHED:
        return None
    path, again = (
        path_of(root, dataset_name),
        f"`python -m aecore legibility` makes it again; it needs the data set {dataset_name}.",
    )

    def build(facts: dict[str, Any]) -> Legibility:
        if facts.pop("version") != VERSION:
            raise ValueError
        readings = tuple(
            Reading(**(reading | {"counts": tuple(map(tuple, reading["counts"]))})) for reading in facts["readings"]
        )
        if readings[0].name != ORIGINAL:
            raise ValueError
        return Legibility(**(facts | {"classes": tuple(facts["classes"]), "readings": readings}))

    read = figures.read(path, dataset_name, build, again)
    others = Store(root).with_other_weights(read.weights)
    return replace(read, readings=tuple(reading for reading in read.readings if reading.name not in others))


def path_of(root: Path, dataset_name: str) -> Path:
    return root / f"legibility-{dataset_name}.json"
