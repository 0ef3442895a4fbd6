"""Data sets by name: all keep one contract, and the real ones have their published content."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from aecore import AecoreError
from aecore.data import catalog, datasets, downloads
from aecore.data.catalog import DatasetError
from aecore.data.splits import Dataset
from tests.aecore.data.reading import recomputed, splits

CIFAR10_FINGERPRINT = "0f9c4f98423f07742b439d146aed0cd0daea0dec7a1867e7505387c6aeacd68d"
MNIST_FINGERPRINT = "39766e05b760802f0111d44206071018e1502de0d6ceae889d4d07148bbdbaab"


@pytest.mark.parametrize("name", ["cifar10", "mnist", "sample"])
def test_contract(name: str, request: pytest.FixtureRequest) -> None:
    dataset: Dataset = request.getfixturevalue(name)
    assert dataset.name == name
    for split in splits(dataset):
        assert split.pixels.shape == (len(split), *dataset.shape)
        assert split.pixels.dtype == torch.uint8
        assert split.pixels.is_contiguous()
        assert split.labels.shape == (len(split),)
        assert split.labels.dtype == torch.int64
        assert split.labels.unique().tolist() == list(range(len(dataset.classes)))
    entry = next(entry for entry in catalog.status() if entry.name == name)
    assert entry.pictures == sum(map(len, splits(dataset)))
    assert (entry.title, entry.available) == (dataset.title, True)


def test_naming_a_run_imports_no_torchvision_and_reads_no_picture(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from aecore.data import catalog, datasets\n"
        f"print(datasets.load('cifar10', Path({str(tmp_path)!r})).fingerprint, len(catalog.status()))\n"
        "assert 'torchvision' not in sys.modules"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.split() == [CIFAR10_FINGERPRINT, str(len(catalog.NAMES))]


@pytest.mark.parametrize("call", [datasets.load, catalog.available, downloads.fetch])
def test_an_unknown_name_gets_the_nearest_and_all(call: Callable[[str], object]) -> None:
    with pytest.raises(
        AecoreError,
        match=r"'CIFAR-10': did you mean 'cifar10', .* mnist-excerpt, sample, .* scenes-96 and folder:PATH",
    ):
        call("CIFAR-10")
    with pytest.raises(DatasetError, match=r"'qqq': choose one of cifar10, "):
        call("qqq")


@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_the_published_facts_are_the_real_ones(name: str, request: pytest.FixtureRequest) -> None:
    dataset: Dataset = request.getfixturevalue(name)
    source = catalog.SOURCES[name]
    learning = dataset.train.labels.bincount() + dataset.validation.labels.bincount()
    counts = [learning, dataset.test.labels.bincount()]
    assert [int(count.sum()) for count in counts] == [source.pictures - source.test_pictures, source.test_pictures]
    assert source.balanced == all(len(count.unique()) == 1 for count in counts)


def test_cifar10_splits(cifar10: Dataset) -> None:
    assert list(map(len, splits(cifar10))) == [45_000, 5_000, 10_000]
    assert cifar10.shape == (3, 32, 32)
    assert cifar10.test.labels.bincount().tolist() == [1_000] * 10


def test_mnist_splits(mnist: Dataset) -> None:
    assert list(map(len, splits(mnist))) == [54_000, 6_000, 10_000]
    assert mnist.shape == (1, 28, 28)
    assert mnist.test.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.parametrize(("name", "fingerprint"), [("cifar10", CIFAR10_FINGERPRINT), ("mnist", MNIST_FINGERPRINT)])
def test_pinned_fingerprints(name: str, fingerprint: str, request: pytest.FixtureRequest) -> None:
    dataset: Dataset = request.getfixturevalue(name)
    assert dataset.fingerprint == recomputed(dataset) == fingerprint
