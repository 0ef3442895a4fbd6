"""The data sets that several tests read."""

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
