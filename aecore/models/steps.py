"""The shape-inference pass, and the steps that it yields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from math import prod

from aecore.models.layers import (
    LARGEST_OUTPUT,
    LONGEST_WORD,
    Join,
    Layer,
    LayerError,
    Shape,
    largest_that_fits,
    shape_text,
)

TRAINING_BYTES_PER_PARAMETER = 16  # float32 weight, gradient and Adam's two moments
TRAINING_BYTES_PER_OUTPUT = 8  # float32 value and its gradient


class ArchitectureError(LayerError):
    """An architecture is not legal; the message names the layer, its position, what it got and what would be legal.

    `position` counts layers from 1; it is None where the line as a whole is at fault.
    """

    def __init__(
        self, message: str, position: int | None = None, *, instead: Iterable[str] = (), before: str = ""
    ) -> None:
        super().__init__(message, instead=instead, before=before)
        self.position = position

    @classmethod
    def at(cls, position: int, word: str, error: LayerError) -> ArchitectureError:
        """What is wrong with the layer at a position, which is written `word`."""
        quoted = word if len(word) <= LONGEST_WORD else word[:40] + "…"
        return cls(f"Layer {position} (`{quoted}`): {error}.", position, instead=error.instead, before=error.before)


class UnclosedError(ArchitectureError):
    """No layer closes a `skip`."""


@dataclass(frozen=True)
class Step:
    """A layer at its position, with its input and output shape and its cost for one picture.

    `bypasses` counts the skips that are open after it: connections that bypass its output.
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
        """Multiply-accumulates per picture."""
        return self.layer.macs(self.input_shape)

    @property
    def training_bytes(self) -> int:
        """Memory in bytes for training this layer on one picture."""
        return TRAINING_BYTES_PER_PARAMETER * self.parameters + TRAINING_BYTES_PER_OUTPUT * prod(self.output_shape)

    def __str__(self) -> str:
        return f"Layer {self.position} (`{self.layer}`)"


@dataclass(frozen=True)
class Walk:
    """How far shape inference has come: the shape there, and the position and shape of every skip that is open."""

    shape: Shape
    open_skips: tuple[tuple[int, Shape], ...] = ()

    def through(self, position: int, layer: Layer) -> tuple[Step, Walk]:
        """The step of the next layer, and the walk after it; raises `ArchitectureError` if the layer does not fit."""
        open_skips = self.open_skips
        try:
            if isinstance(layer, Join):
                output, open_skips = self._joined(layer), open_skips[:-1]
            else:
                output = layer.output_shape(self.shape)
            if prod(output) > LARGEST_OUTPUT:
                raise LayerError(
                    f"would give {shape_text(output)} from {shape_text(self.shape)}, "
                    f"more than the {LARGEST_OUTPUT:,} numbers a picture may take",
                    instead=_texts(largest_that_fits(layer, partial(_is_small, self.shape))),
                )
        except LayerError as error:
            raise ArchitectureError.at(position, str(layer), error) from None
        if layer.opens_skip:
            open_skips = (*open_skips, (position, self.shape))
        return Step(position, layer, self.shape, output, len(open_skips)), Walk(output, open_skips)

    def unclosed(self) -> Iterator[UnclosedError]:
        """An error for each skip that is still open at the end, the last one first."""
        for position, _ in reversed(self.open_skips):
            yield UnclosedError(
                f"Layer {position} (`skip`): nothing closes it; put `add` or `concat` after it.", position
            )

    def _joined(self, layer: Join) -> Shape:
        if not self.open_skips:
            raise LayerError("closes nothing: put `skip` before the layers that it should bypass")
        return layer.joined(self.shape, self.open_skips[-1][1])


def inferred(layers: Iterable[Layer], shape: Shape) -> Iterator[Step]:
    """Infer the shapes of `layers` for an input of `shape`; raises `ArchitectureError` if one does not fit."""
    walk = Walk(shape)
    for position, layer in enumerate(layers, start=1):
        step, walk = walk.through(position, layer)
        yield step
    for error in walk.unclosed():
        raise error


def _is_small(shape: Shape, layer: Layer) -> bool:
    return prod(layer.output_shape(shape)) <= LARGEST_OUTPUT


def _texts(layer: Layer | None) -> list[str]:
    return [] if layer is None else [str(layer)]
