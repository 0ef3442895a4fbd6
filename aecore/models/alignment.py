"""Align two architectures layer by layer."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from aecore.models.architecture import Architecture
from aecore.models.steps import Step


@dataclass(frozen=True)
class Pair:
    """One row of an alignment: the layer on either side, or None for a gap."""

    left: Step | None
    right: Step | None

    @property
    def same(self) -> bool:
        """Whether both sides have the same layer; its input may still differ in shape."""
        return self.left is not None and self.right is not None and self.left.layer == self.right.layer


def aligned(left: Architecture, right: Architecture) -> tuple[Pair, ...]:
    """Align two architectures so that few rows differ; every layer of both appears once, in order."""
    blocks = difflib.SequenceMatcher(None, left.layers, right.layers, autojunk=False).get_opcodes()
    return tuple(
        Pair(*steps)
        for _, start, end, other_start, other_end in blocks
        for steps in zip(*_padded(left.steps[start:end], right.steps[other_start:other_end]), strict=True)
    )


def _padded(left: Sequence[Step], right: Sequence[Step]) -> tuple[Sequence[Step | None], Sequence[Step | None]]:
    """Pad the shorter side with gaps, so that layers that halve or double the picture face each other."""
    if len(left) > len(right):
        longer, shorter = _padded(right, left)
        return shorter, longer

    def matches(gap: int) -> int:
        return sum(_scaling(step) == _scaling(right[gap + index]) for index, step in enumerate(left))

    missing = len(right) - len(left)
    gap = max(range(missing + 1), key=matches)
    return [*[None] * gap, *left, *[None] * (missing - gap)], right


def _scaling(step: Step) -> float:
    """Height × width of the output over that of the input."""
    return prod(step.output_shape[1:]) / prod(step.input_shape[1:])
