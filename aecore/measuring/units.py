"""What every unit of a code does over many pictures.

A unit is one number of a flat code, or one channel of a convolutional code, whose activation for a picture is the mean
over the positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from aecore import AecoreError
from aecore.models.layers import Shape, shape_text


class CodeError(AecoreError):
    """A code cannot be described; the message says why."""


def count(shape: Shape) -> int:
    """How many units a code of this shape has: its channels, or the numbers of a flat code."""
    return shape[0]


def in_words(shape: Shape) -> str:
    """A code of this shape in words: 64 numbers, or 32 channels at 16×16 positions."""
    if len(shape) == 1:
        return f"{shape[0]:,} numbers"
    return f"{shape[0]:,} channel{'s' * (shape[0] > 1)} at {shape_text(shape[1:])} positions"


@dataclass(frozen=True, eq=False)
class Activity:
    """The activations `values` `[pictures, units]` in float32, and facts on all numbers of each unit, `[units]`.

    `zeros` counts the numbers that are exactly zero; `lowest` and `highest` are the least and the largest. `shape` is
    that of the code of one picture. Of a convolutional code there are the sums over all pictures and positions of the
    numbers, `total` `[units]`, and of their products with each other, `products` `[units, units]`, both in float64.
    """

    shape: Shape
    values: Tensor
    zeros: Tensor
    lowest: Tensor
    highest: Tensor
    total: Tensor | None = None
    products: Tensor | None = None

    @classmethod
    def of(cls, batches: Iterable[Tensor]) -> Activity:
        """The activity in codes that arrive in `batches`, `[n, …]` each: only the activations are kept of them.

        Raises `CodeError` for numbers that are not finite.
        """
        return cls.joined([cls._of(batch) for batch in batches])

    @classmethod
    def _of(cls, codes: Tensor) -> Activity:
        if not bool(torch.isfinite(codes).all()):
            raise CodeError("The code holds numbers that are not finite: the training of this run has diverged.")
        shape = tuple(codes.shape[1:])
        places = codes.reshape(*codes.shape[:2], -1)  # [n, units, positions]
        facts = (places == 0).sum((0, 2)), places.amin((0, 2)), places.amax((0, 2))
        if len(shape) == 1:
            return cls(shape, places[:, :, 0].clone(), *facts)
        numbers = places.transpose(1, 2).flatten(0, 1).double()  # [n × positions, units]
        return cls(shape, places.mean(2), *facts, numbers.sum(0), numbers.T @ numbers)

    @classmethod
    def joined(cls, parts: Sequence[Activity]) -> Activity:
        """The activity over the pictures of all `parts`, in their order."""
        return cls(
            parts[0].shape,
            torch.cat([part.values for part in parts]),
            torch.stack([part.zeros for part in parts]).sum(0),
            torch.stack([part.lowest for part in parts]).amin(0),
            torch.stack([part.highest for part in parts]).amax(0),
            _sum([part.total for part in parts]),
            _sum([part.products for part in parts]),
        )

    @property
    def positions(self) -> int:
        """How many numbers a unit has in the code of one picture."""
        return prod(self.shape[1:])

    @cached_property
    def mean(self) -> Tensor:
        """The mean activation of each unit, `[units]`."""
        return self.values.mean(0, dtype=torch.float64).float()

    @cached_property
    def deviation(self) -> Tensor:
        """The standard deviation of each unit's activation over the pictures, `[units]`."""
        return self.values.std(0, correction=0)

    @property
    def share_of_zeros(self) -> Tensor:
        """The share of each unit's numbers that are exactly zero, `[units]`."""
        return self.zeros / (len(self.values) * self.positions)

    @property
    def is_constant(self) -> Tensor:
        """Whether a unit has the same number at every position of every picture, so that it says nothing, `[units]`."""
        return self.lowest == self.highest

    @property
    def is_dead(self) -> Tensor:
        """Whether a unit is zero at every position of every picture, `[units]`."""
        return (self.lowest == 0) & (self.highest == 0)

    def driving(self, unit: int, most: int) -> tuple[list[int], list[int]]:
        """The `most` pictures with the largest activations of a unit, the largest first, and those with the least.

        Of equal activations the picture with the lowest index comes first.
        """
        order = self.values[:, unit].sort(descending=True, stable=True).indices[:most]
        least = self.values[:, unit].sort(stable=True).indices[:most]
        return order.tolist(), least.tolist()

    def correlations(self, units: Sequence[int]) -> Tensor:
        """The correlations of the activations of some `units` with every unit's over the pictures, float64
        `[len(units), all units]`.

        NaN with a unit whose activation never changes, and for such a unit.
        """
        centred = self.values.double() - self.values.mean(0, dtype=torch.float64)
        lengths = centred.square().sum(0).sqrt()
        # Of numbers that are all equal, rounding can leave a small length.
        lengths[self.values.amax(0) == self.values.amin(0)] = torch.nan
        chosen = list(units)
        return (centred[:, chosen].T @ centred / lengths[chosen, None] / lengths).clamp(-1, 1)


def _sum(tensors: Sequence[Tensor | None]) -> Tensor | None:
    present = [tensor for tensor in tensors if tensor is not None]
    return torch.stack(present).sum(0) if present else None
