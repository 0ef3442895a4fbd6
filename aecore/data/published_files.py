"""Readers of the files of CIFAR-10 and MNIST as they were published.

torchvision reads them too, but its import takes seconds and 200 MB. As there, a file of CIFAR-10, which is a pickle, is
read only if its MD5 is the published one. What was read is then compared with another digest (`downloads.read`).
"""

from __future__ import annotations

import hashlib
import io
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
# The files of CIFAR-10 in the order of their pictures, and their MD5 as its authors published them.
_BATCHES: dict[Part, dict[str, str]] = {
    "learning": {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    },
    "test": {"test_batch": "40351d587109b95175f43aff81a1287e"},
}
_UNSIGNED_BYTES = 8  # the type of an IDX file


@dataclass(frozen=True)
class Content:
    """Pictures `data` `[N, C, H, W]` or `[N, H, W]` and their class numbers `targets` `[N]`."""

    data: NDArray[np.uint8]
    targets: NDArray[np.int64]


class _Arrays(pickle.Unpickler):
    """Reads pickled arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {"_reconstruct": _reconstruct, "ndarray": np.ndarray, "dtype": np.dtype}
        if module.partition(".")[0] == "numpy" and name in allowed:
            return allowed[name]
        raise pickle.UnpicklingError(f"{module}.{name} is no array.")


def _cifar10(folder: Path, part: Part) -> Content:
    batches = [_batch(folder / name, published) for name, published in _BATCHES[part].items()]
    pixels = np.concatenate([pixels for pixels, _ in batches])
    return Content(pixels.reshape(-1, 3, 32, 32), np.concatenate([labels for _, labels in batches]))


def _batch(path: Path, published: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    stored = path.read_bytes()
    # A pickle may run any program, and one of arrays alone may still point anywhere in memory.
    if hashlib.md5(stored, usedforsecurity=False).hexdigest() != published:
        raise ValueError(f"{path.name} differs from the published one.")
    content = _Arrays(io.BytesIO(stored), encoding="bytes").load()  # written by Python 2
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
