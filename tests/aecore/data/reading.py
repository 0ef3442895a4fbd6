"""How the tests read a data set."""

import hashlib

import pytest

from aecore.data import catalog, datasets
from aecore.data.splits import Dataset, Split, digest


def real(name: str) -> Dataset:
    if not catalog.available(name):
        pytest.skip(f"{name} is not in {catalog.data_root(None)}: set AECORE_DATA to the folder that holds it")
    return datasets.load(name)


def splits(dataset: Dataset) -> tuple[Split, Split, Split]:
    return dataset.train, dataset.validation, dataset.test


def recomputed(dataset: Dataset) -> str:
    parts = [digest(dataset.train, dataset.validation), digest(dataset.test)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
