"""An architecture drawn to scale: every tensor from the picture through the code and back, and what lies between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from aecore.models.architecture import Architecture
from aecore.models.layers import Shape, shape_text
from aecore.models.steps import Step
from pages.components.browser_parts import part

RULE = (
    "To scale: a block is as high as its feature map and as wide as the square root of its channels; a flat vector is "
    "one pixel high and as wide as the square root of its numbers. Point at a block for its layers."
)

_component = part("diagram", Path(__file__).parent)


@dataclass(frozen=True)
class Block:
    """A tensor, and what makes it of the one before: in a few words, one line per operation or setting, and as `steps`.

    `skipped_from` is the index of the block that a skip brings here as well.
    """

    shape: Shape
    operation: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    is_code: bool = False
    skipped_from: int | None = None


@dataclass(frozen=True)
class Begun:
    """The layers of a line before its first one that is not legal, which is at `stops_at`."""

    input_shape: Shape
    steps: tuple[Step, ...]
    stops_at: int | None
    code: Step | None = None


def show(architecture: Architecture | Begun, name: str, key: str = "") -> None:
    """Put the drawing on the page, in a box of its own that scrolls where the page is narrower.

    A drawing that changes while it is looked at has a `key`, which must not change.
    """
    _component(key=f"diagram-{key or name}", data=drawing(architecture, name))


def blocks(architecture: Architecture | Begun) -> list[Block]:
    """The picture and every tensor that is made of it; every step belongs to exactly one of them.

    Batch norm and its like are added to the operation before them, unless a skip begins in between.
    """
    drawn, sources, code = [Block(architecture.input_shape)], list[int](), architecture.code
    for step in architecture.steps:
        layer, before, last, is_code = step.layer, drawn[-1], len(drawn) - 1, step is code
        can_be_added = layer.is_drawn_folded and last > 0
        if layer.opens_skip or (can_be_added and last not in sources and not is_code):
            operation, steps = (*before.operation, *layer.words()), (*before.steps, step)
            drawn[-1] = replace(before, operation=operation, steps=steps, is_code=before.is_code or is_code)
        else:
            source = sources.pop() if layer.closes_skip else None
            drawn.append(Block(step.output_shape, layer.words(), (step,), is_code, source))
        if layer.opens_skip:
            sources.append(last)
    return drawn


def drawing(architecture: Architecture | Begun, name: str) -> dict[str, Any]:
    """The drawing as data: what `diagram.js` draws, every layer in one of its blocks."""
    drawn = blocks(architecture)
    return {
        "alt": alt(drawn, name),
        "heading": _heading(architecture),
        "blocks": [
            {
                "shape": block.shape,
                "label": _shape(block.shape),
                "tensor": _numbers(block.shape),
                "operation": block.operation,
                "is_code": block.is_code,
                "skipped_from": block.skipped_from,
                "layers": [
                    {
                        "position": step.position,
                        "text": str(step.layer),
                        "parameters": step.parameters,
                        "macs": step.macs,
                    }
                    for step in block.steps
                ],
            }
            for block in drawn
        ],
    }


def alt(drawn: Sequence[Block], name: str) -> str:
    """The drawing in words."""
    parts = [
        f"{' '.join(block.operation)} to {shape_text(block.shape)}{' (the code)' * block.is_code}"
        + (f" with {shape_text(drawn[block.skipped_from].shape)} by a skip" if block.skipped_from is not None else "")
        for block in drawn[1:]
    ]
    return f"Architecture of {name}: {', '.join([shape_text(drawn[0].shape), *parts])}."


def _heading(architecture: Architecture | Begun) -> str:
    if isinstance(architecture, Begun):
        return f"stops before layer {architecture.stops_at}" if architecture.stops_at else "not whole yet"
    if architecture.code is None:
        return "no code: a skip connection bypasses every layer"
    return f"code: {_numbers(architecture.code.output_shape)}"


def _shape(shape: Shape) -> str:
    return shape_text(shape) if len(shape) == 3 else f"{shape[0]:,}"


def _numbers(shape: Shape) -> str:
    size = f"{prod(shape):,} numbers"
    return f"{shape_text(shape)} = {size}" if len(shape) == 3 else size
