"""How the tests read a data set."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def as_nobody() -> Iterator[None]:
    """Where the tests are root's, who may read everything, as a user who may not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)
