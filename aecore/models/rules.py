"""What a line of layers must keep as a whole: how many layers, which pictures, the shape at its end, and its cost.

Each rule gives the error of a line that breaks it, or None. `Architecture` raises the first one; `diagnosis` collects
all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod

from aecore.models.layers import LARGEST_OUTPUT, Layer, Shape, largest_that_fits, shape_text
from aecore.models.steps import ArchitectureError, Step, inferred

CIFAR_SHAPE: Shape = (3, 32, 32)
MOST_LAYERS = 200
MEMORY_BUDGET = 1_000_000_000
MOST_PIXELS = 1024  # along a side: the receptive fields of longer ones take seconds
# Eight times as many as the largest system of the zoo has. One core reconstructs a picture with them in less than a
# tenth of a second; an epoch of CIFAR-10 takes two cores about twenty minutes.
MOST_MACS = 1_000_000_000


class EmptyError(ArchitectureError):
    """There is no layer."""


class DepthError(ArchitectureError):
    """There are too many layers."""


class PictureError(ArchitectureError):
    """Pictures cannot have the shape that the line begins with."""


class EndError(ArchitectureError):
    """The last layer does not give the shape of the pictures, but the shape `given`."""

    given: Shape = ()


class SideError(ArchitectureError):
    """Pictures are too high or too wide."""


class MemoryNeedError(ArchitectureError):
    """Training the layers needs more memory than it may take."""


class MacsError(ArchitectureError):
    """The layers take more multiply-accumulates than they may."""


@dataclass(frozen=True)
class Limits:
    """What an architecture may cost, so that a server that many share stays alive.

    `memory` is in bytes, for training on one picture: 16 for a parameter and 8 for a number that a layer gives. `macs`
    are multiply-accumulates per picture, and `pixels` those along a side of it.
    """

    memory: int = MEMORY_BUDGET
    macs: int = MOST_MACS
    pixels: int = MOST_PIXELS


def number_of_layers(count: int) -> ArchitectureError | None:
    """There must be at least one layer, and not too many."""
    if not count:
        return EmptyError("An architecture needs at least one layer, for example `conv3:k1:sigmoid`.")
    if count > MOST_LAYERS:
        return DepthError(f"{count} layers are too many: at most {MOST_LAYERS} are built.")
    return None


def picture(shape: Shape) -> ArchitectureError | None:
    """Pictures have channels, height and width."""
    if len(shape) == 3 and min(shape) >= 1 and prod(shape) <= LARGEST_OUTPUT:
        return None
    return PictureError(
        f"Pictures cannot have the shape {shape_text(shape)}: give channels × height × width, "
        f"at most {LARGEST_OUTPUT:,} numbers, for example 3×32×32."
    )


def side(shape: Shape, most: int) -> ArchitectureError | None:
    """Pictures of `shape` must not have more than `most` pixels along a side."""
    if max(shape[1:]) <= most:
        return None
    return SideError(
        f"Pictures of {shape_text(shape)} are too large: at most {most:,} pixels high and wide are built here."
    )


def end(last: Step, shape: Shape) -> ArchitectureError | None:
    """The `last` step must give pictures of `shape`."""
    if last.output_shape == shape:
        return None
    error = EndError(
        f"{last} ends with {shape_text(last.output_shape)}; an autoencoder of "
        f"{shape_text(shape)} pictures must end with {shape_text(shape)}.",
        last.position,
    )
    error.given = last.output_shape
    return error


def memory(steps: Sequence[Step], shape: Shape, budget: int) -> ArchitectureError | None:
    """Training on one picture of `shape` must not take more than `budget` bytes."""
    used = 0
    for index, step in enumerate(steps):
        left, need = budget - used, step.training_bytes
        if need > left:
            measure = _Cost(tuple(steps), index, shape, lambda step: step.training_bytes, others=used)
            fitting = measure.largest_within(budget)
            legal = f"; at most `{fitting}` fits" if fitting else "; make the layers before it smaller"
            return MemoryNeedError(
                f"{step}: got {shape_text(step.input_shape)}, would need {need / 1e9:.3g} GB to train "
                f"(weights, gradients and Adam's moments), {max(left, 0) / 1e9:.3g} GB are left of the "
                f"budget of {budget / 1e9:.3g} GB{legal}.",
                step.position,
                instead=[str(fitting)] if fitting else [],
            )
        used += need
    return None


def macs(steps: Sequence[Step], shape: Shape, most: int) -> ArchitectureError | None:
    """The reconstruction of one picture of `shape` must not take more than `most` multiply-accumulates."""
    needs = [step.macs for step in steps]
    total, need = sum(needs), max(needs, default=0)
    if total <= most:
        return None
    index = needs.index(need)
    step, measure = steps[index], _Cost(tuple(steps), index, shape, lambda step: step.macs, others=total - need)
    fitting = measure.largest_within(most)
    legal = f"at most `{fitting}` fits" if fitting else "make several layers smaller"
    return MacsError(
        f"{step}: takes {need / 1e9:.3g} billion MACs per picture, all layers together {total / 1e9:.3g} billion, "
        f"and {most / 1e9:.3g} billion are the most that is built; {legal}.",
        step.position,
        instead=[str(fitting)] if fitting else [],
    )


@dataclass(frozen=True)
class _Cost:
    """What a line costs with another layer in the place of one of its `steps`."""

    steps: tuple[Step, ...]
    index: int
    shape: Shape
    of: Callable[[Step], int]
    others: int  # what to add to the layer's own cost where the layers after it would have to change too

    def largest_within(self, limit: int) -> Layer | None:
        """The layer itself, made just small enough for the `limit`; None if it cannot be."""
        return largest_that_fits(self.steps[self.index].layer, lambda layer: self.with_layer(layer) <= limit)

    def with_layer(self, layer: Layer) -> int:
        step = self.steps[self.index]
        layers = [step.layer for step in self.steps]
        layers[self.index] = layer
        try:
            return sum(map(self.of, inferred(layers, self.shape)))
        except ArchitectureError:
            output_shape = layer.output_shape(step.input_shape)
            return self.of(replace(step, layer=layer, output_shape=output_shape)) + self.others
