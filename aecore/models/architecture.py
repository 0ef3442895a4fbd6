"""An architecture is data: a tuple of layer records, and one shape-inference pass from which all else derives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

from aecore.models.layers import (
    LARGEST_OUTPUT,
    LONGEST_WORD,
    Layer,
    LayerError,
    Shape,
    largest_that_fits,
    parse_layer,
    shape_text,
)
from aecore.models.receptive_fields import receptive_fields
from aecore.models.steps import ArchitectureError, Step, inferred

if TYPE_CHECKING:
    from torch import nn

CIFAR_SHAPE: Shape = (3, 32, 32)
MEMORY_BUDGET = 1_000_000_000
MOST_LAYERS = 200


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
    @lru_cache(maxsize=512)  # most runs of a store share a line with others
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
        return tuple(inferred(self.layers, self.input_shape))

    @property
    def code(self) -> Step:
        """The step whose output is the code: the smallest tensor that everything passes through.

        The picture at either end does not count, however it is reshaped, nor does what a `skip` goes past. Of several
        equally small ones it is the first.
        """
        computing = [index for index, step in enumerate(self.steps) if not step.layer.keeps_numbers]
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

        def is_linear(layer: Layer) -> bool:
            return layer.mixes_everything and layer.last_activation == "linear"

        def is_added(layer: Layer | None) -> bool:
            return layer is not None and layer.closes_skip == "sum"

        return tuple(
            (first, second)
            for first, second in pairwise(self.steps)
            if first.input_shape == second.output_shape == (numbers,)
            and first.output_shape[0] <= numbers
            and is_linear(first.layer)
            and is_linear(second.layer)
            and not is_added(layers[second.position])
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
        ends = (layer.last_activation for layer in reversed(self.layers) if not layer.keeps_values)
        return next(ends, "linear") == "sigmoid"

    @property
    def convolves(self) -> bool:
        """Whether any layer multiplies feature maps, which is fastest with the channels last in memory."""
        return any(step.macs and len(step.input_shape) == 3 for step in self.steps)

    @property
    def normalises_batch(self) -> bool:
        """Whether any layer needs more than one picture at a time while training."""
        return any(layer.normalises_batch for layer in self.layers)

    @property
    def penalties(self) -> tuple[str, ...]:
        """The names of the penalties that its layers report while training, in their order."""
        return tuple(dict.fromkeys(layer.penalty for layer in self.layers if layer.penalty))

    def summary(self) -> Summary:
        """A row a layer with its output shape, parameters, MACs and receptive field, and the totals."""
        rows = tuple(map(Row, self.steps, receptive_fields(self.steps, self.input_shape)))
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
            return sum(each.training_bytes for each in inferred(layers, self.input_shape)) <= budget
        except ArchitectureError:
            # The layers after it would have to change with it: then only its own need can be told.
            return (
                replace(step, layer=instead, output_shape=instead.output_shape(step.input_shape)).training_bytes <= left
            )

    def module(self) -> nn.Sequential:
        """The torch module, `[N, C, H, W]` to the same shape, one child a layer, with torch's initial weights."""
        # torch takes a second to import; records, shapes and counts must load in milliseconds.
        from aecore.models.modules import Sequence, module_of

        return Sequence(*(module_of(step.layer, step.input_shape) for step in self.steps))


def _parsed(words: Iterable[str]) -> Iterator[Layer]:
    for position, word in enumerate(words, start=1):
        try:
            yield parse_layer(word)
        except LayerError as error:
            quoted = word if len(word) <= LONGEST_WORD else word[:40] + "…"
            raise ArchitectureError(f"Layer {position} (`{quoted}`): {error}.") from None
