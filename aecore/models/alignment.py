"""Two architectures side by side, so that few rows differ."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from aecore.models.architecture import Architecture
from aecore.models.steps import Step


@dataclass(frozen=True)
class Pair:
    """A row of two architectures laid side by side: the same layer, another one in its place, or none."""

    left: Step | None
    right: Step | None

    @property
    def same(self) -> bool:
        """Whether the layer reads the same on both sides; what goes through it may still differ in shape."""
        return self.left is not None and self.right is not None and self.left.layer == self.right.layer


def aligned(left: Architecture, right: Architecture) -> tuple[Pair, ...]:
    """Two architectures side by side, every layer of both once and in order, so that few rows differ."""
    blocks = difflib.SequenceMatcher(None, left.layers, right.layers, autojunk=False).get_opcodes()
    return tuple(
        Pair(*steps)
        for _, start, end, other_start, other_end in blocks
        for steps in zip(*_facing(left.steps[start:end], right.steps[other_start:other_end]), strict=True)
    )


def _facing(left: Sequence[Step], right: Sequence[Step]) -> tuple[Sequence[Step | None], Sequence[Step | None]]:
    """The shorter side filled up with gaps, so that what halves or doubles the picture faces what does the same."""
    if len(left) > len(right):
        other, one = _facing(right, left)
        return one, other

    def alike(gap: int) -> int:
        return sum(_scaling(step) == _scaling(right[gap + index]) for index, step in enumerate(left))

    more = len(right) - len(left)
    gap = max(range(more + 1), key=alike)
    return [*[None] * gap, *left, *[None] * (more - gap)], right


def _scaling(step: Step) -> float:
    return prod(step.output_shape[1:]) / prod(step.input_shape[1:])
