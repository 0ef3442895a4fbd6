"""Align two architectures layer by layer, and say in what two ways of training a model differ."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe
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


def differences(left: tuple[Architecture, Recipe], right: tuple[Architecture, Recipe]) -> tuple[str, ...]:
    """In what two ways of training differ, from the first to the second: `pool → conv32:s2`, `+ bn`, `epochs 2 → 4`.

    A layer that only one side has is marked with a plus or a minus. Equal ways have no differences.
    """
    layers = [_change(pair) for pair in aligned(left[0], right[0]) if not pair.same]
    settings = [
        f"{name} {_setting(value, other)} → {_setting(other, value)}"
        for (name, value), other in zip(vars(left[1]).items(), vars(right[1]).values(), strict=True)
        if value != other
    ]
    return (*layers, *settings)


def _change(pair: Pair) -> str:
    if pair.left is None or pair.right is None:
        return f"+ {pair.right.layer}" if pair.right else f"− {pair.left.layer if pair.left else ''}"
    return f"{pair.left.layer} → {pair.right.layer}"


def _setting(value: object, other: object) -> str:
    """A value in words, beside the `other` side's: without one, a switch is off."""
    if isinstance(value, tuple):
        return ",".join(f"{name}:{_setting(weight, None)}" for name, weight in value)
    if value is None:
        return "off" if other is True else "none"
    return "on" if value is True else f"{value:g}" if isinstance(value, float) else str(value)


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
