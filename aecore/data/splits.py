"""Pictures as uint8 tensors in three splits, each data set named by the SHA-256 of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from aecore.data.catalog import Part, Shape


@dataclass(frozen=True, eq=False)
class Split:
    """Pictures `pixels` [N, C, H, W] uint8 and their class numbers `labels` [N] int64."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


class Dataset:
    """Pictures of one shape in three splits; nothing is read before it is asked for, and nothing twice.

    `name` is what `load` takes, `title` what a person reads, `classes[label]` the name of a label, `shape`
    the (C, H, W) of each picture. Asking for a split raises `DatasetError` if its files are absent or
    damaged.
    """

    def __init__(
        self,
        name: str,
        title: str,
        classes: tuple[str, ...],
        shape: Shape,
        read_learning: Callable[[], tuple[Split, ...]],
        read_test: Callable[[], tuple[Split, ...]],
        digests: Mapping[Part, str] | None = None,
    ) -> None:
        self.name, self.title, self.classes, self.shape = name, title, classes, shape
        self._read_learning, self._read_test, self._digests = read_learning, read_test, digests

    def __repr__(self) -> str:
        return f"Dataset({self.name!r})"

    @cached_property
    def _learning(self) -> tuple[Split, ...]:
        return self._read_learning()

    @property
    def train(self) -> Split:
        """The pictures to learn from."""
        return self._learning[0]

    @property
    def validation(self) -> Split:
        """The pictures to choose on."""
        return self._learning[1]

    @cached_property
    def test(self) -> Split:
        """The pictures to report on; reading them does not read the others where the source allows it."""
        return self._read_test()[0]

    @cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 over shapes, pixels and labels of all splits; known unread for CIFAR-10 and MNIST."""
        digests = self._digests or {"learning": digest(*self._learning), "test": digest(self.test)}
        return hashlib.sha256(f"{digests['learning']} {digests['test']}".encode()).hexdigest()


def to_float(pixels: Tensor) -> Tensor:
    """uint8 pixels of any shape to float32 in [0, 1]."""
    return pixels.to(torch.float32) / 255


def digest(*splits: Split) -> str:
    digest = hashlib.sha256()
    for split in splits:
        for values in (split.pixels, split.labels):
            digest.update(str(tuple(values.shape)).encode())
            digest.update(values.numpy().data.cast("B"))
    return digest.hexdigest()


def hold_out(split: Split) -> tuple[Split, Split]:
    """`split` without its last tenth, and that tenth (at least one picture)."""
    kept = len(split) - max(1, len(split) // 10)
    return Split(split.pixels[:kept], split.labels[:kept]), Split(split.pixels[kept:], split.labels[kept:])
