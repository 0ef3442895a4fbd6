"""Readers of the files of CIFAR-10 and MNIST as they were published.

torchvision reads them too, but its import takes seconds and 200 MB. What is read here is compared with the published
digest (`downloads.read`) before anybody uses it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from aecore.data.catalog import Part, Source

_reconstruct = np.zeros(0).__reduce__()[0]  # what pickled arrays are made with
_UNSIGNED_BYTES = 8  # the type of an IDX file


@dataclass(frozen=True)
class Content:
    """Pictures `data` `[N, C, H, W]` or `[N, H, W]` and their class numbers `targets` `[N]`."""

    data: NDArray[np.uint8]
    targets: NDArray[np.int64]


class _Arrays(pickle.Unpickler):
    """Reads pickled arrays and nothing else: a pickle may otherwise run any program."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {"_reconstruct": _reconstruct, "ndarray": np.ndarray, "dtype": np.dtype}
        if module.partition(".")[0] == "numpy" and name in allowed:
            return allowed[name]
        raise pickle.UnpicklingError(f"{module}.{name} is no array.")


def _cifar10(folder: Path, part: Part) -> Content:
    names = ["test_batch"] if part == "test" else [f"data_batch_{number}" for number in range(1, 6)]
    batches = [_opened(folder / name, _batch) for name in names]
    pixels = np.concatenate([pixels for pixels, _ in batches])
    return Content(pixels.reshape(-1, 3, 32, 32), np.concatenate([labels for _, labels in batches]))


def _batch(file: BinaryIO) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    content = _Arrays(file, encoding="bytes").load()  # written by Python 2
    return np.asarray(content[b"data"], np.uint8), np.asarray(content[b"labels"], np.int64)


def _mnist(folder: Path, part: Part) -> Content:
    prefix = "t10k" if part == "test" else "train"
    pixels = _opened(folder / f"{prefix}-images-idx3-ubyte", lambda file: _idx(file, 3))
    labels = _opened(folder / f"{prefix}-labels-idx1-ubyte", lambda file: _idx(file, 1))
    return Content(pixels, labels.astype(np.int64))


def _idx(file: BinaryIO, dimensions: int) -> NDArray[np.uint8]:
    """An IDX file: two zeros, the type, the number of dimensions, their sizes, and then the values."""
    head = file.read(4 + 4 * dimensions)
    shape = tuple(int.from_bytes(head[start : start + 4], "big") for start in range(4, len(head), 4))
    values = np.frombuffer(file.read(), np.uint8)
    if head[:4] != bytes((0, 0, _UNSIGNED_BYTES, dimensions)) or prod(shape) != len(values):
        raise ValueError("The header differs from the content.")
    return values.reshape(shape).copy()  # so that it can be written to


def _opened(path: Path, read: Callable[[BinaryIO], Any]) -> Any:
    with path.open("rb") as file:
        return read(file)


READERS: dict[str, Callable[[Path, Part], Content]] = {"CIFAR10": _cifar10, "MNIST": _mnist}


def is_readable(source: Source) -> bool:
    """Whether a data set is read here: only where the content has a published digest."""
    return source.factory in READERS and source.digests is not None


def read(source: Source, root: Path, part: Part) -> Content:
    """One part of a data set for which `is_readable`; raises errors of many types where its files are damaged."""
    return READERS[source.factory](root / source.folder, part)
