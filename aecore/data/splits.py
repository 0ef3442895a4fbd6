"""Data sets: uint8 pictures in three splits, identified by the SHA-256 of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from aecore.data.catalog import DatasetError, Part, Shape, held_out
from aecore.data.noise import key


@dataclass(frozen=True, eq=False)
class Split:
    """Pictures `pixels` [N, C, H, W] uint8 and their class numbers `labels` [N] int64."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Pictures of one shape in three splits; each split is read once, when it is first used.

    `name` is the name that `load` takes, `title` the name in texts, `classes[label]` the name of a label and `shape`
    the (C, H, W) of every picture. `read_learning` returns (train, validation) and `read_test` (test,). `digests` are
    the SHA-256 of both parts, where they are known without reading. `note` says in sentences what was left out of the
    pictures, and assumed of them. `whole` is the name of the data set that this is an excerpt of; an excerpt has no
    training pictures. Reading a split raises `DatasetError` if its files are absent or damaged.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    shape: Shape
    read_learning: Callable[[], tuple[Split, ...]]
    read_test: Callable[[], tuple[Split, ...]]
    digests: Mapping[Part, str] | None = None
    note: str = ""
    whole: str = ""

    def __repr__(self) -> str:
        return f"Dataset({self.name!r})"

    @cached_property
    def _learning(self) -> tuple[Split, ...]:
        return self.read_learning()

    @property
    def train(self) -> Split:
        """The pictures to train on."""
        if self.whole:
            raise DatasetError(
                f"Only {self.title} are here, none to train on or to fit to: "
                f"run `python -m aecore data fetch {self.whole}`."
            )
        return self._learning[0]

    @property
    def validation(self) -> Split:
        """The pictures to choose models and settings on."""
        return self._learning[1]

    def redrawn(self, seed: int) -> tuple[Split, Split]:
        """Another split of the learning pictures into as many to train on and to hold out, drawn by `seed`."""
        parts = self.train, self.validation
        pixels, labels = torch.cat([part.pixels for part in parts]), torch.cat([part.labels for part in parts])
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(key(seed, "split")))
        chosen, held_out = order[: len(self.train)], order[len(self.train) :]
        return Split(pixels[chosen], labels[chosen]), Split(pixels[held_out], labels[held_out])

    @cached_property
    def test(self) -> Split:
        """The pictures to report results on; reading them does not read the others if the source allows it."""
        return self.read_test()[0]

    @cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 over shapes, pixels and labels of all splits; CIFAR-10 and MNIST need not be read for it."""
        digests = self.digests or {"learning": digest(*self._learning), "test": digest(self.test)}
        return hashlib.sha256(f"{digests['learning']} {digests['test']}".encode()).hexdigest()


def to_float(pixels: Tensor) -> Tensor:
    """Convert uint8 pixels of any shape to float32 in [0, 1]."""
    return pixels.to(torch.float32) / 255


def digest(*splits: Split) -> str:
    """Hex SHA-256 over shapes, pixels and labels."""
    hashed = hashlib.sha256()
    for split in splits:
        for values in (split.pixels, split.labels):
            hashed.update(str(tuple(values.shape)).encode())
            hashed.update(values.numpy().data.cast("B"))
    return hashed.hexdigest()


def hold_out(split: Split) -> tuple[Split, Split]:
    """`split` without its last tenth, and that tenth (at least one picture)."""
    end = len(split) - held_out(len(split))
    return Split(split.pixels[:end], split.labels[:end]), Split(split.pixels[end:], split.labels[end:])
