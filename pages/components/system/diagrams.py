"""An architecture drawn to scale: every tensor from the picture through the code and back, and what lies between."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod, sqrt

import streamlit as st

from aecore.models.architecture import Architecture
from aecore.models.layers import (
    Activate,
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Join,
    Layer,
    MaxPool,
    Shape,
    Skip,
    TransposedConv,
    Upsample,
    shape_text,
)
from pages.components import look

RULE = (
    "To scale: a block is as high as its feature map and as wide as the square root of its channels; a flat vector is "
    "one pixel high and as wide as the square root of its numbers."
)
PIXEL = 2.5  # drawn size of a pixel of the picture, where the picture is not larger than TALLEST
TALLEST = 80.0
_LETTER = 5.5  # at most this wide on average at 11px, in the fonts that browsers choose
_LINE = 13
_HEAD = 46  # above the blocks: the code's own line, then the brackets of encoder and decoder
_FOOT = 22  # below them: shapes
_SKIP = 9  # below these: a line a skip, each further down than those inside it
_WORDS: dict[type[Layer], str] = {MaxPool: "max pool", AveragePool: "mean pool", BatchNorm: "batch norm"}

# Boxes and words at their places, and no SVG: `st.html` lets none through, and in a picture file the words would not
# take the page's colour and font.
_STYLE = """
<style>
  .diagram { overflow-x: auto; padding-bottom: 4px; }
  .diagram > div { position: relative; font-size: 11px; line-height: 13px; }
  .diagram > div > * { position: absolute; box-sizing: border-box; white-space: nowrap; }
  .diagram span { transform: translate(-50%, -100%); }
  .diagram .faint { opacity: 0.75; }
  .diagram .strong { font-weight: 600; }
  .diagram i { opacity: 0.45; border-color: currentColor; border-style: solid; border-width: 0; }
  .diagram .line { border-top-width: 1px; }
  .diagram .line::after { content: ""; position: absolute; right: 0; top: -3.5px; width: 5px; height: 5px;
    border: solid currentColor; border-width: 1px 1px 0 0; transform: rotate(45deg); }
  .diagram .bracket { border-width: 1px 1px 0; height: 6px; }
  .diagram .skip { border-width: 0 1px 1px; }
  .diagram .encoder { background: currentColor; opacity: 0.5; }
  .diagram .decoder { background: currentColor; opacity: 0.25; }
  .diagram .code { background: CODE; }
</style>
""".replace("CODE", look.PALETTE[0])


@dataclass(frozen=True)
class Block:
    """A tensor, and in a few words what made it of the one before: a line an operation or setting.

    `skipped_from` is the place of the block that a skip has brought here too.
    """

    shape: Shape
    operation: tuple[str, ...]
    is_code: bool = False
    skipped_from: int | None = None


def show(architecture: Architecture, name: str) -> None:
    """Put the drawing on the page, in a box of its own that scrolls where the page is narrower."""
    st.html(f'{_STYLE}<div class="diagram numbers" tabindex="0">{drawing(architecture, name)}</div>')


def blocks(architecture: Architecture) -> list[Block]:
    """The picture and every tensor that is made of it. What changes neither shape nor place is told with the operation
    before it."""
    found, kept = [Block(architecture.input_shape, ())], list[int]()
    for step in architecture.steps:
        if isinstance(step.layer, Skip):
            kept.append(len(found) - 1)
            found[-1] = replace(found[-1], is_code=found[-1].is_code or step is architecture.code)
            continue
        folds = isinstance(step.layer, BatchNorm | Dropout | Activate) and len(found) > 1
        if folds and step is not architecture.code:
            found[-1] = replace(found[-1], operation=(*found[-1].operation, *words(step.layer)))
        else:
            source = kept.pop() if isinstance(step.layer, Join) else None
            found.append(Block(step.output_shape, words(step.layer), step is architecture.code, source))
    return found


def words(layer: Layer) -> tuple[str, ...]:
    """A layer in a few words, a line each: `conv 32`, `3×3`, `stride 2`. ReLU goes without saying."""
    name = _WORDS.get(type(layer), layer.keyword)
    match layer:
        case Conv(channels, kernel, stride) | TransposedConv(channels, kernel, stride):
            lines = [f"{name} {channels:,}", f"{kernel}×{kernel}", *([f"stride {stride}"] if stride > 1 else [])]
        case Dense(units):
            lines = [f"{name} {units:,}"]
        case MaxPool(factor) | AveragePool(factor):
            lines = [name, f"{factor}×{factor}"]
        case Upsample(factor, mode):
            lines = [f"{name} {factor}×", *([mode] if mode != "nearest" else [])]
        case Dropout(rate):
            lines = [f"{name} {rate:g}"]
        case Activate(function):
            lines = [function]
        case _:
            lines = [name]
    activation = getattr(layer, "activation", "relu")
    return (*lines, *([activation] if activation != "relu" else []))


def drawing(architecture: Architecture, name: str) -> str:
    """The drawing as HTML. Colours are the page's own, so that it reads on light and dark."""
    drawn = blocks(architecture)
    scale = min(PIXEL, TALLEST / max(architecture.input_shape[1:]))
    places, width = _placed(drawn, scale)
    below = max(len(block.operation) for block in drawn) - 1
    half = max(max(_height(block.shape) for block in drawn) * scale / 2, _LINE * below + 8)
    axis = _HEAD + half
    foot = axis + half + _FOOT
    skips = _skips(drawn)
    height = foot + _SKIP * max((level for *_, level in skips), default=0)
    code = next(index for index, block in enumerate(drawn) if block.is_code)
    parts = [*_sections(drawn, places, code, width), *_arrows(drawn, places, axis)]
    for index, (block, (left, right)) in enumerate(zip(drawn, places, strict=True)):
        tall = _height(block.shape) * scale
        role = "encoder" if index < code else "decoder" if index > code else "code"
        parts.append(_box(role, left, axis - tall / 2, right - left, tall))
        parts.append(_text((left + right) / 2, foot - 4, _shape(block.shape), "strong" if block.is_code else ""))
    for source, target, level in skips:
        left, right = (sum(places[index]) / 2 for index in (source, target))
        parts.append(
            f'<i class="skip" style="left:{left:.1f}px;top:{foot - 2:.1f}px;width:{right - left:.1f}px;'
            f'height:{_SKIP * level - 2}px"></i>'
        )
    told = html.escape(alt(drawn, name))
    return (
        f'<div role="img" aria-label="{told}" style="width:{width:.0f}px;height:{height:.0f}px">{"".join(parts)}</div>'
    )


def alt(drawn: Sequence[Block], name: str) -> str:
    """The drawing in words."""
    told = [
        f"{' '.join(block.operation)} to {shape_text(block.shape)}{' (the code)' * block.is_code}"
        + (f" with {shape_text(drawn[block.skipped_from].shape)} by a skip" if block.skipped_from is not None else "")
        for block in drawn[1:]
    ]
    return f"Architecture of {name}: {shape_text(drawn[0].shape)}, {', '.join(told)}."


def _skips(drawn: Sequence[Block]) -> list[tuple[int, int, int]]:
    """Each skip from block to block, and how many lines it lies below the shapes: one more than those inside it."""
    found: list[tuple[int, int, int]] = []
    for target, block in enumerate(drawn):
        if block.skipped_from is not None:
            inside = [level for source, _, level in found if source >= block.skipped_from]
            found.append((block.skipped_from, target, 1 + max(inside, default=0)))
    return found


def _height(shape: Shape) -> int:
    return shape[1] if len(shape) == 3 else 1


def _shape(shape: Shape) -> str:
    return shape_text(shape) if len(shape) == 3 else f"{shape[0]:,}"


def _placed(drawn: Sequence[Block], scale: float) -> tuple[list[tuple[float, float]], float]:
    """Left and right edge of every block, with room between them for what is written there; and the whole width."""
    wide = [max(sqrt(block.shape[0]) * scale, 2) for block in drawn]
    labels = [len(_shape(block.shape)) * _LETTER for block in drawn]
    left = max(0.0, (labels[0] - wide[0]) / 2 + 2)  # the letters of some fonts are a little wider
    places = [(left, left + wide[0])]
    for index in range(1, len(drawn)):
        # Neither the operation in the gap nor the shapes below its two blocks may touch.
        written = max(len(line) for line in drawn[index].operation) * _LETTER + 12
        shapes = (labels[index - 1] + labels[index] - wide[index - 1] - wide[index]) / 2 + 10
        left = places[-1][1] + max(written, shapes)
        places.append((left, left + wide[index]))
    return places, places[-1][1] + max(1.0, (labels[-1] - wide[-1]) / 2)


def _sections(drawn: Sequence[Block], places: Sequence[tuple[float, float]], code: int, width: float) -> Iterator[str]:
    """The code's own line, and a bracket over the encoder and one over the decoder."""
    left, right = places[code]
    size = prod(drawn[code].shape)
    told = (
        "no code: a skip goes past every layer"
        if code == 0
        else f"code: {_shape(drawn[code].shape)} = {size:,} numbers"
        if len(drawn[code].shape) == 3
        else f"code: {size:,} numbers"
    )
    half = len(told) * _LETTER / 2 + 2
    yield _text(min(max((left + right) / 2, half), max(width - half, half)), 13, told, "strong")
    for name, start, end in (("encoder", places[0][0], left - 8), ("decoder", right + 8, places[-1][1])):
        if code and end - start > len(name) * _LETTER:
            yield f'<i class="bracket" style="left:{start:.1f}px;top:32px;width:{end - start:.1f}px"></i>'
            yield _text((start + end) / 2, 30, name, "faint")


def _arrows(drawn: Sequence[Block], places: Sequence[tuple[float, float]], axis: float) -> Iterator[str]:
    """An arrow into every block but the first: its operation above the line, the settings below."""
    for block, (before, after) in zip(drawn[1:], pairwise(places), strict=True):
        start, end = before[1] + 3, after[0] - 3
        middle = (start + end) / 2
        yield f'<i class="line" style="left:{start:.1f}px;top:{axis - 0.5:.1f}px;width:{end - start:.1f}px"></i>'
        for line, word in enumerate(block.operation):
            yield _text(middle, axis - 3 if line == 0 else axis + 2 + line * _LINE, word, "faint" if line else "")


def _box(kind: str, left: float, top: float, width: float, height: float) -> str:
    return f'<b class="{kind}" style="left:{left:.1f}px;top:{top:.1f}px;width:{width:.1f}px;height:{height:.1f}px"></b>'


def _text(middle: float, bottom: float, text: str, kind: str) -> str:
    return f'<span class="{kind}" style="left:{middle:.1f}px;top:{bottom:.1f}px">{html.escape(text)}</span>'
