"""What a line of layers may be changed to, to be rid of one of its errors.

`candidates` proposes whole lines for an error, the most likely first; `repairs` keeps those that have fewer errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import singledispatch
from math import prod

from aecore.models.inspection import Inspection, Inspector, substitutes
from aecore.models.layers import (
    LARGEST_OUTPUT,
    Conv,
    Dense,
    Join,
    Layer,
    LayerError,
    Reshape,
    Shape,
    TransposedConv,
    largest_that_fits,
    parse_layer,
)
from aecore.models.reading import Line
from aecore.models.rules import MOST_LAYERS, DepthError, EmptyError, EndError, PictureError
from aecore.models.steps import ArchitectureError, UnclosedError

MOST_REPAIRS = 3
MOST_INSPECTED = 3_000  # layers, while repairs of one line are sought: some hundredths of a second
LARGEST_FACTOR = 64  # of `up` and of `avgpool`


@dataclass(frozen=True)
class Repair:
    """What to do, in short, and the whole line once it is done."""

    label: str
    line: str


@dataclass(frozen=True)
class Case:
    """An error, the line that has it, and whether another line is better: it has fewer errors, and not this one."""

    inspection: Inspection
    is_better: Callable[[Line], bool]

    @property
    def line(self) -> Line:
        return self.inspection.line


Candidates = Iterator[tuple[str, Line]]


def repairs(error: ArchitectureError, inspection: Inspection, inspector: Inspector) -> tuple[Repair, ...]:
    """Lines without this error and with fewer errors in all; none where the line is so long that it would take time."""
    if inspector.inspected > MOST_INSPECTED:
        return ()

    def is_better(line: Line) -> bool:
        if inspector.inspected > MOST_INSPECTED:
            return False
        # Read again: without its first word, a line may begin with one that reads like the shape of pictures.
        after = inspector.inspect(Line.of(str(line)), explained=False)
        fewer = (
            _count(error, after, said) < _count(error, inspection, said) for said in (_of_its_layer, _of_any_layer)
        )
        return len(after.errors) < len(inspection.errors) and all(fewer)

    kept = dict[str, Repair]()
    for label, line in candidates(error, Case(inspection, is_better)):
        if str(line) not in kept and is_better(line):
            kept[str(line)] = Repair(label, str(line))
        if inspector.inspected > MOST_INSPECTED or len(kept) == MOST_REPAIRS:
            break
    return tuple(kept.values())


def _count(error: ArchitectureError, inspection: Inspection, said: Callable[[ArchitectureError], str]) -> int:
    """How many errors of a line say the same, wherever it is."""
    return [said(other) for other in inspection.errors].count(said(error))


def _of_its_layer(error: ArchitectureError) -> str:
    """What an error says of its layer, without the position; one of the whole line is known by its kind."""
    return re.sub(r"^Layer [0-9]+", "", str(error)) if type(error) is ArchitectureError else type(error).__name__


def _of_any_layer(error: ArchitectureError) -> str:
    """The same without the layer's own word, which a repair may have replaced."""
    return _of_its_layer(error).rpartition("`): ")[2]


@singledispatch
def candidates(error: ArchitectureError, case: Case) -> Candidates:
    """What may help against an error of one layer, or of the costs."""
    line, position = case.line, error.position or 0
    if not 0 < position <= MOST_LAYERS:
        return
    word, last = line.words[position - 1], case.inspection.picture if position == len(line.words) else None
    layer = case.inspection.layer(position)
    if isinstance(layer, Reshape):
        yield from _with_numbers(layer, position, case)
    if isinstance(layer, Join):
        yield from _with_skip(layer, position, case)
    would_help = False
    for label, words in substitutes(error, word, last):
        yield label, (changed := line.edited(position, *words))
        would_help = would_help or case.is_better(changed)
    if not would_help:
        yield from _smaller(error, position, case)
    if len(line.words) > 1:
        yield "Remove it", line.edited(position)


def _with_numbers(layer: Reshape, position: int, case: Case) -> Candidates:
    """As many numbers as a `reshape` holds, from the dense layer before it or from one more."""
    numbers, flat = prod(layer.shape), len(case.inspection.walks[position - 1].shape) == 1
    before = case.inspection.layer(position - 1)
    if numbers > LARGEST_OUTPUT:
        return
    if isinstance(before, Dense):
        text = str(replace(before, units=numbers))
        yield f"Use `{text}` for the layer before it", case.line.edited(position - 1, text)
    words = ([] if flat else ["flatten"]) + [f"dense{numbers}"]
    yield f"Put `{words[-1]}` before it", case.line.edited(position, *words, case.line.words[position - 1])


def _with_skip(layer: Join, position: int, case: Case) -> Candidates:
    """A skip for a join that has none, or a tensor that fits the skip that it closes."""
    line, walk = case.line, case.inspection.walks[position - 1]
    if not walk.open_skips:
        alike = [
            other
            for other, earlier in enumerate(case.inspection.walks[: position - 1], start=1)
            if earlier.shape == walk.shape and not earlier.open_skips
        ]
        for other in dict.fromkeys([*alike[:1], *alike[-1:]]):
            yield f"Put `skip` before layer {other}", line.edited(other, "skip", line.words[other - 1])
        return
    opened, skipped = walk.open_skips[-1]
    before = case.inspection.layer(position - 1)
    if isinstance(before, Conv | TransposedConv) and layer.closes_skip == "sum" and len(skipped) == 3:
        text = str(replace(before, channels=skipped[0]))
        yield f"Use `{text}` for the layer before it", line.edited(position - 1, text)
    fitting = skipped  # a concatenation takes any number of channels
    if layer.closes_skip == "channels" and len(walk.shape) == len(skipped) == 3:
        fitting = (walk.shape[0], *skipped[1:])
    for words in _bridges(walk.shape, fitting, "linear"):
        yield f"Put `{' | '.join(words)}` before it", line.edited(position, *words, line.words[position - 1])
    other_join = "concat" if layer.closes_skip == "sum" else "add"
    yield f"Use `{other_join}`", line.edited(position, other_join)
    yield "Remove it and its `skip`", line.edited(position).edited(opened)


def _smaller(error: ArchitectureError, position: int, case: Case) -> Candidates:
    """The largest layer of its kind with which the line is better."""
    layer: Layer | None = case.inspection.layer(position)
    for text in error.instead:
        if layer is None:
            try:
                layer = parse_layer(text)
            except LayerError:
                continue
    if layer is None:
        return
    fitting = largest_that_fits(layer, lambda smaller: case.is_better(case.line.edited(position, str(smaller))))
    if fitting:
        yield f"Use `{fitting}`", case.line.edited(position, str(fitting))


@candidates.register
def _of_nothing(error: EmptyError, case: Case) -> Candidates:
    text = f"conv{case.inspection.picture[0]}:k1:sigmoid"
    yield f"Begin with `{text}`", replace(case.line, words=(text,))


@candidates.register
def _of_depth(error: DepthError, case: Case) -> Candidates:
    yield f"Keep the first {MOST_LAYERS} layers", replace(case.line, words=case.line.words[:MOST_LAYERS])


@candidates.register
def _of_picture(error: PictureError, case: Case) -> Candidates:
    numbers = [max(int(number), 1) for number in re.findall(r"[0-9]{1,9}", case.line.picture)][:3]
    meant = {1: [(3, *numbers * 2)], 2: [(*numbers, *numbers[1:])], 3: [tuple(numbers)]}.get(len(numbers), [])
    for shape in (*meant, (3, 32, 32), (1, 28, 28)):
        text = "x".join(map(str, shape))
        yield f"Use `{text}`", replace(case.line, picture=text)


@candidates.register
def _of_end(error: EndError, case: Case) -> Candidates:
    """Layers that lead to the pictures' shape, or pictures of the shape that the line leads to."""
    line, picture, position = case.line, case.inspection.picture, len(case.line.words)
    layer, given = case.inspection.layer(position), error.given
    if isinstance(layer, Conv | TransposedConv) and given[1:] == picture[1:]:
        text = str(replace(layer, channels=picture[0]))
        yield f"Use `{text}`", line.edited(position, text)
    if isinstance(layer, Dense):
        text, reshape = str(replace(layer, units=prod(picture))), _reshape(picture)
        yield f"End with `{text} | {reshape}`", line.edited(position, text, reshape)
    for words in _bridges(given, picture, "sigmoid"):
        yield f"Add `{' | '.join(words)}`", replace(line, words=(*line.words, *words))
    if len(given) == 3 and given[0] in (1, 3):
        text = "x".join(map(str, given))
        yield f"Begin with `{text}`", replace(line, picture=text)


@candidates.register
def _of_unclosed(error: UnclosedError, case: Case) -> Candidates:
    """A join where the skip's shape comes up last, or no skip."""
    line, opened = case.line, error.position or 0
    skipped, depth = case.inspection.walks[opened - 1].shape, len(case.inspection.walks[opened - 1].open_skips) + 1
    walks = [*case.inspection.walks, case.inspection.end]
    for place in range(len(walks), opened + 1, -1):  # before the layer at this position, or at the end
        walk = walks[place - 1]
        if walk.shape == skipped and len(walk.open_skips) == depth:
            at_the_end = place == len(walks)
            yield (
                f"Put `add` {'at the end' if at_the_end else f'before layer {place}'}",
                line.edited(place, "add", take=0),
            )
            break
    yield "Remove it", line.edited(opened)


def _bridges(shape: Shape, target: Shape, activation: str) -> Iterator[list[str]]:
    """Layers from one shape to another, the fewest first."""
    numbers = prod(target)
    if len(target) == 1:
        flatten = ["flatten"] if len(shape) == 3 else []
        yield flatten if flatten and prod(shape) == numbers else [*flatten, f"dense{numbers}:{activation}"]
        return
    if len(shape) == 1:
        dense = [] if shape == (numbers,) else [f"dense{numbers}:{activation}"]
        yield [*dense, _reshape(target)]
        return
    channels = f"conv{target[0]}:k1:{activation}"
    for scale in _scales(shape, target):
        yield [*scale, *([channels] if shape[0] != target[0] or activation == "sigmoid" else [])]
    yield ["flatten", f"dense{numbers}:{activation}", _reshape(target)]


def _scales(shape: Shape, target: Shape) -> Iterator[list[str]]:
    """The layer that brings height and width to those of the target, if one does."""
    (_, height, width), (_, high, wide) = shape, target
    if (height, width) == (high, wide):
        yield []
    elif high * width == wide * height and high % height == 0 and high // height <= LARGEST_FACTOR:
        yield [f"up{high // height}"]
    elif high * width == wide * height and height % high == 0 and height // high <= LARGEST_FACTOR:
        yield [f"avgpool{height // high}"]


def _reshape(shape: Shape) -> str:
    return "reshape" + "x".join(map(str, shape))
