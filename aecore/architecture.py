"""An architecture is data: a tuple of layer records, and one shape-inference pass from which all else derives."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from aecore.layers import (
    LARGEST_OUTPUT,
    LONGEST_WORD,
    Activate,
    Add,
    BatchNorm,
    Dense,
    Dropout,
    Flatten,
    Join,
    Layer,
    LayerError,
    Reshape,
    Shape,
    Skip,
    largest_that_fits,
    parse_layer,
    shape_text,
)

if TYPE_CHECKING:
    from torch import nn

CIFAR_SHAPE: Shape = (3, 32, 32)
MEMORY_BUDGET = 1_000_000_000
MOST_LAYERS = 200
TRAINING_BYTES_PER_PARAMETER = 16  # float32 weight, gradient and Adam's two moments
TRAINING_BYTES_PER_OUTPUT = 8  # float32 value and its gradient
_KEEPS_EVERY_NUMBER = (Flatten, Reshape, BatchNorm, Dropout, Activate, Skip)


class ArchitectureError(LayerError):
    """A spec that cannot work; the text names the layer, its position, what it got and what would be legal."""


@dataclass(frozen=True)
class Step:
    """One layer in its place: what it gets and gives, and what it costs for one picture.

    `bypasses` counts the open brackets of `skip` that go past its output.
    """

    position: int
    layer: Layer
    input_shape: Shape
    output_shape: Shape
    bypasses: int = 0

    @property
    def parameters(self) -> int:
        """Trainable parameters."""
        return self.layer.parameters(self.input_shape)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one picture."""
        return self.layer.macs(self.input_shape)

    @property
    def training_bytes(self) -> int:
        """Memory that training this layer on one picture takes, in bytes."""
        return TRAINING_BYTES_PER_PARAMETER * self.parameters + TRAINING_BYTES_PER_OUTPUT * prod(self.output_shape)

    def __str__(self) -> str:
        return f"Layer {self.position} (`{self.layer}`)"


@dataclass(frozen=True)
class Row:
    """A row of `Architecture.summary()`: a step and how much of the picture each of its outputs sees."""

    step: Step
    receptive_field: tuple[int, int]


@dataclass(frozen=True)
class Summary:
    """A row a layer, and the totals for one picture."""

    rows: tuple[Row, ...]
    parameters: int
    macs: int
    code_shape: Shape
    code_size: int
    code_ratio: float


@dataclass(frozen=True)
class Architecture:
    """An autoencoder: layers that turn a picture of `input_shape` into one of the same shape.

    Raises `ArchitectureError` where the layers do not fit each other.
    """

    layers: tuple[Layer, ...]
    input_shape: Shape = CIFAR_SHAPE

    def __post_init__(self) -> None:
        if not self.layers:
            raise ArchitectureError("An architecture needs at least one layer, for example `conv3:k1:sigmoid`.")
        if len(self.layers) > MOST_LAYERS:
            raise ArchitectureError(f"{len(self.layers)} layers are too many: at most {MOST_LAYERS} are built.")
        if len(self.input_shape) != 3 or min(self.input_shape) < 1 or prod(self.input_shape) > LARGEST_OUTPUT:
            raise ArchitectureError(
                f"Pictures of {shape_text(self.input_shape)} cannot be: channels × height × width is needed, "
                f"at most {LARGEST_OUTPUT:,} numbers, for example 3×32×32."
            )
        last = self.steps[-1]
        if last.output_shape != self.input_shape:
            raise ArchitectureError(
                f"{last} ends with {shape_text(last.output_shape)}; an autoencoder of "
                f"{shape_text(self.input_shape)} pictures must end with {shape_text(self.input_shape)}."
            )

    @classmethod
    def parse(cls, text: str) -> Architecture:
        """The architecture of a line such as `conv32 | pool | conv32 | up | conv3:k1:sigmoid`.

        Pictures other than 3×32×32 come first, as in `1x28x28 | flatten | dense784:sigmoid | reshape1x28x28`.
        """
        words = [word.strip() for word in text.split("|")]
        input_shape = CIFAR_SHAPE
        if words[0][:1].isdigit():
            word = words.pop(0)
            if not re.fullmatch(r"[0-9]{1,9}(x[0-9]{1,9}){2}", word):
                raise ArchitectureError(
                    "The pictures' shape must read channels x height x width, for example `1x28x28`."
                )
            input_shape = tuple(map(int, word.split("x")))
        if words == [""]:
            words = []
        return cls(tuple(_parsed(words)), input_shape)

    def __str__(self) -> str:
        shape = () if self.input_shape == CIFAR_SHAPE else ("x".join(map(str, self.input_shape)),)
        return " | ".join([*shape, *map(str, self.layers)])

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Every layer with the shapes it gets and gives."""
        return tuple(_inferred(self.layers, self.input_shape))

    @property
    def code(self) -> Step:
        """The step whose output is the code: the smallest tensor that everything passes through.

        The picture at either end does not count, however it is reshaped, nor does what a `skip` goes past. Of several
        equally small ones it is the first.
        """
        computing = [index for index, step in enumerate(self.steps) if not isinstance(step.layer, _KEEPS_EVERY_NUMBER)]
        between = self.steps[computing[0] : computing[-1]] if computing else ()
        inner = [step for step in between if not step.bypasses]
        return min(inner or self.steps[:1], key=lambda step: prod(step.output_shape))

    @property
    def code_size(self) -> int:
        """Numbers in the code."""
        return prod(self.code.output_shape)

    @property
    def code_ratio(self) -> float:
        """Size of the code over the size of the picture: above 1 nothing need be compressed."""
        return self.code_size / prod(self.input_shape)

    @property
    def linear_pairs(self) -> tuple[tuple[Step, Step], ...]:
        """Two linear dense layers in a row, from the picture's numbers to no more of them and back: what can be a PCA.

        Not where an `add` follows: what is added to a picture is not a picture.
        """
        numbers, layers = prod(self.input_shape), (*self.layers, None)
        return tuple(
            (first, second)
            for first, second in pairwise(self.steps)
            if first.input_shape == second.output_shape == (numbers,)
            and first.output_shape[0] <= numbers
            and all(isinstance(each.layer, Dense) and each.layer.activation == "linear" for each in (first, second))
            and not isinstance(layers[second.position], Add)
        )

    @property
    def parameters(self) -> int:
        """Trainable parameters."""
        return sum(step.parameters for step in self.steps)

    @property
    def macs(self) -> int:
        """Multiply-accumulates to reconstruct one picture."""
        return sum(step.macs for step in self.steps)

    @property
    def ends_in_unit_interval(self) -> bool:
        """Whether the last layer is a sigmoid, so that the output can be read as a probability."""
        last = next((each for each in reversed(self.layers) if not isinstance(each, Flatten | Reshape)), None)
        return "sigmoid" in (getattr(last, "activation", None), getattr(last, "function", None))

    def summary(self) -> Summary:
        """A row a layer with its output shape, parameters, MACs and receptive field, and the totals."""
        rows = tuple(map(Row, self.steps, self._receptive_fields()))
        code = self.code.output_shape
        return Summary(rows, self.parameters, self.macs, code, self.code_size, self.code_ratio)

    def check_memory(self, budget: int = MEMORY_BUDGET) -> None:
        """Raise `ArchitectureError` where training on one picture takes more than `budget` bytes."""
        used = 0
        for step in self.steps:
            left, need = budget - used, step.training_bytes
            if need > left:
                shape = step.input_shape

                fitting = largest_that_fits(step.layer, partial(self._fits, step, left, budget))
                legal = f"; at most `{fitting}` fits" if fitting else "; make the layers before it smaller"
                raise ArchitectureError(
                    f"{step}: got {shape_text(shape)}, would need {need / 1e9:.3g} GB to train "
                    f"(weights, gradients and Adam's moments), {max(left, 0) / 1e9:.3g} GB are left of the "
                    f"budget of {budget / 1e9:.3g} GB{legal}."
                )
            used += need

    def _fits(self, step: Step, left: int, budget: int, instead: Layer) -> bool:
        """Whether the memory suffices with `instead` in the place of `step`'s layer."""
        layers = (*self.layers[: step.position - 1], instead, *self.layers[step.position :])
        try:
            return sum(each.training_bytes for each in _inferred(layers, self.input_shape)) <= budget
        except ArchitectureError:
            # The layers after it would have to change with it: then only its own need can be told.
            return (
                replace(step, layer=instead, output_shape=instead.output_shape(step.input_shape)).training_bytes <= left
            )

    def module(self) -> nn.Sequential:
        """The torch module, `[N, C, H, W]` to the same shape, one child a layer, with torch's initial weights."""
        from aecore.skips import Sequence

        return Sequence(*(step.layer.module(step.input_shape) for step in self.steps))

    def _receptive_fields(self) -> Iterator[tuple[int, int]]:
        """Height and width of the input window that one output of each layer depends on, at most.

        Exact for feature maps, where the window of the picture's inner outputs is the largest. A number of a
        flat vector sees what its feature map saw until a dense layer mixes everything; reshaped maps are counted
        as seeing the whole picture.
        """
        windows = [_Windows.of_picture(extent) for extent in self.input_shape[1:]]
        kept: list[list[_Windows]] = []
        for step in self.steps:
            rearranged = isinstance(step.layer, Reshape) and step.input_shape != step.output_shape
            if isinstance(step.layer, Skip):
                kept.append(windows)
            elif isinstance(step.layer, Join):
                windows = [one.with_(other) for one, other in zip(windows, kept.pop(), strict=True)]
            elif len(step.output_shape) == 1 and not isinstance(step.layer, Dense):
                pass
            elif len(step.output_shape) == 1 or rearranged:
                windows = [
                    _Windows.whole(picture, extent)
                    for picture, extent in zip(self.input_shape[1:], (*step.output_shape[1:], 1, 1), strict=False)
                ]
            else:
                windows = [
                    axis.through(step.layer, extent)
                    for axis, extent in zip(windows, step.output_shape[1:], strict=True)
                ]
            yield windows[0].largest, windows[1].largest


@dataclass(frozen=True)
class _Windows:
    """For each coordinate along one axis of a feature map, the first and last picture coordinate it sees."""

    first: np.ndarray
    last: np.ndarray

    @classmethod
    def of_picture(cls, extent: int) -> _Windows:
        return cls(np.arange(extent), np.arange(extent))

    @classmethod
    def whole(cls, picture: int, extent: int) -> _Windows:
        return cls(np.zeros(extent, int), np.full(extent, picture - 1))

    def through(self, layer: Layer, extent: int) -> _Windows:
        inputs = len(self.first)
        first, last = layer.reads(np.arange(extent), inputs)
        return _Windows(self.first[first.clip(0, inputs - 1)], self.last[last.clip(0, inputs - 1)])

    def with_(self, other: _Windows) -> _Windows:
        """What either sees."""
        return _Windows(np.minimum(self.first, other.first), np.maximum(self.last, other.last))

    @property
    def largest(self) -> int:
        return int((self.last - self.first).max()) + 1


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


def _inferred(layers: Iterable[Layer], shape: Shape) -> Iterator[Step]:
    """The shape-inference pass: every layer with the shapes it gets and gives."""
    kept: list[tuple[int, Shape]] = []  # the brackets that are open
    for position, layer in enumerate(layers, start=1):
        try:
            output = _joined(layer, shape, kept) if isinstance(layer, Join) else layer.output_shape(shape)
            if prod(output) > LARGEST_OUTPUT:
                raise LayerError(
                    f"would give {shape_text(output)} from {shape_text(shape)}, "
                    f"more than the {LARGEST_OUTPUT:,} numbers a picture may take"
                )
        except LayerError as error:
            raise ArchitectureError(f"Layer {position} (`{layer}`): {error}.") from None
        if isinstance(layer, Skip):
            kept.append((position, shape))
        yield Step(position, layer, shape, output, len(kept))
        shape = output
    if kept:
        raise ArchitectureError(f"Layer {kept[-1][0]} (`skip`): nothing closes it; put `add` or `concat` after it.")


def _joined(layer: Join, shape: Shape, kept: list[tuple[int, Shape]]) -> Shape:
    if not kept:
        raise LayerError("closes nothing: put `skip` before the layers that it should go past")
    return layer.joined(shape, kept.pop()[1])


def _parsed(words: Iterable[str]) -> Iterator[Layer]:
    for position, word in enumerate(words, start=1):
        try:
            yield parse_layer(word)
        except LayerError as error:
            quoted = word if len(word) <= LONGEST_WORD else word[:40] + "…"
            raise ArchitectureError(f"Layer {position} (`{quoted}`): {error}.") from None
