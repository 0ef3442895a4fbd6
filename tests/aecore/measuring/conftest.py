"""The pictures that several tests score."""

import os
from pathlib import Path

import pytest

from aecore.data import catalog, datasets
from aecore.data.splits import Split
from aecore.measuring.scoring import BATCH


@pytest.fixture(scope="module")
def colour() -> Split:
    """The first test pictures of the real CIFAR-10, or of the embedded sample where that is absent."""
    root = Path(os.environ.get("AECORE_DATA", "nowhere"))
    test = datasets.load(*(("cifar10", root) if catalog.available("cifar10", root) else ("sample",))).test
    return Split(test.pixels[: BATCH + 30], test.labels[: BATCH + 30])
