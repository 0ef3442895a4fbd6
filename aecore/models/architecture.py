"""An architecture is data: a tuple of layer records. One shape-inference pass derives everything else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

from aecore.models import any_size, rules
from aecore.models.layers import Conv, Dense, Entropy, Flatten, Layer, Reshape, Shape, TransposedConv
from aecore.models.reading import Line
from aecore.models.receptive_fields import receptive_fields
from aecore.models.reconstructor import Reach
from aecore.models.rules import CIFAR_SHAPE, MEMORY_BUDGET
from aecore.models.steps import ArchitectureError, Step, inferred

if TYPE_CHECKING:
    from torch import nn

__all__ = ["CIFAR_SHAPE", "Architecture", "ArchitectureError", "Row", "Summary"]


@dataclass(frozen=True)
class Row:
    """A row of `Architecture.summary()`: a step, and the height and width in pixels that one of its outputs sees."""

    step: Step
    receptive_field: tuple[int, int]


@dataclass(frozen=True)
class Summary:
    """One row per layer, and the totals for one picture. What is said of the code is None where there is none."""

    rows: tuple[Row, ...]
    parameters: int
    macs: int
    code_shape: Shape | None
    code_size: int | None
    code_ratio: float | None


@dataclass(frozen=True)
class Architecture:
    """An autoencoder: layers that map a picture of `input_shape` to one of the same shape.

    Raises `ArchitectureError` if the layers do not fit together.
    """

    layers: tuple[Layer, ...]
    input_shape: Shape = CIFAR_SHAPE

    def __post_init__(self) -> None:
        error = (
            rules.number_of_layers(len(self.layers))
            or rules.picture(self.input_shape)
            or rules.end(self.steps[-1], self.input_shape)
        )
        if error:
            raise error

    @classmethod
    @lru_cache(maxsize=512)  # most runs of a store share a line with others
    def parse(cls, text: str) -> Architecture:
        """Read a line such as `conv32 | pool | conv32 | up | conv3:k1:sigmoid`; raises `ArchitectureError`.

        An input shape other than 3×32×32 comes first: `1x28x28 | flatten | dense784:sigmoid | reshape1x28x28`.
        """
        line = Line.of(text)
        input_shape = line.read_picture()
        return cls(tuple(map(line.read_layer, range(1, len(line.words) + 1))), input_shape)

    def at(self, shape: Shape) -> Architecture:
        """The same layers for pictures of another shape; raises `ArchitectureError` where they do not fit it.

        Convolutions, pools and upsampling fit every size that their strides divide. Dense layers fit one shape only.
        """
        return self if shape == self.input_shape else Architecture(self.layers, shape)

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:  # every key of a run is computed from it
        shape = () if self.input_shape == CIFAR_SHAPE else ("x".join(map(str, self.input_shape)),)
        return " | ".join([*shape, *map(str, self.layers)])

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Every layer with its input and output shape."""
        return tuple(inferred(self.layers, self.input_shape))

    @property
    def code(self) -> Step | None:
        """The step whose output is the code: the entropy model, or else the smallest tensor that all information
        passes through.

        The input and output pictures do not count, even reshaped, nor do layers that a `skip` bypasses: None where
        skips bypass all others. Of equally small tensors the first is taken.
        """
        if self.entropy_model:
            return self.entropy_model
        changing = [index for index, step in enumerate(self.steps) if not step.layer.keeps_numbers]
        # A single layer has no tensor inside; the picture is its code.
        inner = self.steps[changing[0] : changing[-1]] if len(changing) > 1 else self.steps[:1]
        candidates = [step for step in inner if not step.bypasses]
        return min(candidates, key=lambda step: prod(step.output_shape), default=None)

    @property
    def code_size(self) -> int | None:
        """How many numbers the code has; None if there is no code."""
        return prod(self.code.output_shape) if self.code else None

    @property
    def code_ratio(self) -> float | None:
        """Numbers in the code per number in the picture; above 1 the model need not compress. None without a code."""
        return self.code_size / prod(self.input_shape) if self.code_size else None

    @property
    def linear_pairs(self) -> tuple[tuple[Step, Step], ...]:
        """Pairs of adjacent linear dense layers that can start as a PCA: from all numbers of a picture to a code that
        is not larger, and back.

        A pair followed by `add` is left out: its output is a correction and not a picture.
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
    def patch_pairs(self) -> tuple[tuple[Step, Step], ...]:
        """Linear convolutions of patches that do not overlap, each with its transpose back, which can start as the PCA
        of the patches: first the pair from the picture and back to it, and last the pair around the code.

        The last pair may be two dense layers instead, of all numbers that the pair before gives. Empty unless
        everything else is an entropy model or in residual blocks, whose last layer is linear.
        """
        shaping = Entropy | Flatten | Reshape
        steps = [step for step in self.steps if not step.bypasses and not isinstance(step.layer, shaping)]
        blocks = [step.position for step in steps if step.layer.closes_skip == "sum"]
        if any(self.layers[position - 2].last_activation != "linear" for position in blocks):
            return ()
        others = [step for step in steps if step.layer.closes_skip != "sum"]
        pairs = tuple(zip(others[: len(others) // 2], reversed(others[len(others) // 2 :]), strict=False))
        of_patches = pairs[:-1] if pairs and _is_of_all(*pairs[-1]) else pairs
        is_whole = len(others) == 2 * len(pairs) and all(
            first.output_shape == last.input_shape for first, last in pairs
        )
        return pairs if of_patches and is_whole and all(map(_is_of_patches, of_patches)) else ()

    @property
    def parameters(self) -> int:
        """Trainable parameters."""
        return sum(step.parameters for step in self.steps)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for the reconstruction of one picture."""
        return sum(step.macs for step in self.steps)

    @property
    def ends_in_unit_interval(self) -> bool:
        """Whether the output comes from a sigmoid, so that its numbers can be taken as probabilities."""
        activations = (layer.last_activation for layer in reversed(self.layers) if not layer.keeps_values)
        return next(activations, "linear") == "sigmoid"

    @property
    def convolves(self) -> bool:
        """Whether any layer is a convolution, which is fastest with the channels last in memory."""
        return any(step.macs and len(step.input_shape) == 3 for step in self.steps)

    @property
    def is_convolutional(self) -> bool:
        """Whether it takes pictures of any size, being without dense layers and reshaping."""
        return any_size.is_convolutional(self.steps)

    @cached_property
    def reach(self) -> Reach:
        """How far each pixel of the output sees, where the architecture is convolutional."""
        return any_size.reach_of(self.steps, self.input_shape)

    @property
    def bytes_per_pixel(self) -> float:
        """The memory of one pass per pixel of a picture, where the architecture is convolutional."""
        return any_size.bytes_per_pixel(self.steps, self.input_shape)

    @property
    def normalises_batch(self) -> bool:
        """Whether any layer needs batches of more than one picture for training."""
        return any(layer.normalises_batch for layer in self.layers)

    @property
    def entropy_model(self) -> Step | None:
        """The step that makes its code whole numbers, packed into bytes by probabilities that it has learned; None if
        there is none or a skip bypasses it.
        """
        return next((step for step in self.steps if isinstance(step.layer, Entropy) and not step.bypasses), None)

    @property
    def penalties(self) -> tuple[str, ...]:
        """The names of the penalties that the layers report during training, in layer order."""
        return tuple(dict.fromkeys(layer.penalty for layer in self.layers if layer.penalty))

    def summary(self) -> Summary:
        """One row per layer with its output shape, parameters, MACs and receptive field, and the totals."""
        rows = tuple(map(Row, self.steps, receptive_fields(self.steps, self.input_shape)))
        code_shape = self.code.output_shape if self.code else None
        return Summary(rows, self.parameters, self.macs, code_shape, self.code_size, self.code_ratio)

    def check_memory(self, budget: int = MEMORY_BUDGET) -> None:
        """Raise `ArchitectureError` if training on one picture takes more than `budget` bytes."""
        if error := rules.memory(self.steps, self.input_shape, budget):
            raise error

    def module(self) -> nn.Sequential:
        """The torch module, `[N, C, H, W]` to the same shape, one child per layer, with torch's initial weights."""
        # torch takes a second to import; records, shapes and counts must load in milliseconds.
        from aecore.models.modules import Sequence, module_of

        return Sequence(*(module_of(step.layer, step.input_shape) for step in self.steps))


def _is_of_all(first: Step, last: Step) -> bool:
    """Whether two dense layers can start as a PCA of all numbers, between which nothing is done."""
    linear = isinstance(first.layer, Dense) and {first.layer.activation, last.layer.last_activation} == {"linear"}
    is_back = first.input_shape == last.output_shape and last.position == first.position + 1
    return linear and is_back and first.output_shape[0] <= first.input_shape[0]


def _is_of_patches(pair: tuple[Step, Step]) -> bool:
    first, (channels, *_) = pair[0].layer, pair[0].input_shape
    return (
        isinstance(first, Conv)
        and first == Conv(first.channels, first.stride, first.stride, "linear")
        and first.channels <= channels * first.stride**2
        and pair[1].layer == TransposedConv(channels, first.stride, first.stride, "linear")
    )
