"""The data sets that several tests read."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aecore.data import datasets
from aecore.data.splits import Dataset
from tests.aecore.data.reading import real


@pytest.fixture(scope="module")
def cifar10() -> Dataset:
    return real("cifar10")


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return real("mnist")


@pytest.fixture(scope="module")
def sample() -> Dataset:
    return datasets.load("sample")


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's own is not."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
