"""The shape-inference pass, and the steps that it yields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod

from aecore.models.layers import LARGEST_OUTPUT, Join, Layer, LayerError, Shape, shape_text

TRAINING_BYTES_PER_PARAMETER = 16  # float32 weight, gradient and Adam's two moments
TRAINING_BYTES_PER_OUTPUT = 8  # float32 value and its gradient


class ArchitectureError(LayerError):
    """An architecture is not legal; the message names the layer, its position, what it got and what would be legal."""


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


def inferred(layers: Iterable[Layer], shape: Shape) -> Iterator[Step]:
    """Infer the shapes of `layers` for an input of `shape`; raises `ArchitectureError` if one does not fit."""
    open_skips: list[tuple[int, Shape]] = []
    for position, layer in enumerate(layers, start=1):
        try:
            output = _joined(layer, shape, open_skips) if isinstance(layer, Join) else layer.output_shape(shape)
            if prod(output) > LARGEST_OUTPUT:
                raise LayerError(
                    f"would give {shape_text(output)} from {shape_text(shape)}, "
                    f"more than the {LARGEST_OUTPUT:,} numbers a picture may take"
                )
        except LayerError as error:
            raise ArchitectureError(f"Layer {position} (`{layer}`): {error}.") from None
        if layer.opens_skip:
            open_skips.append((position, shape))
        yield Step(position, layer, shape, output, len(open_skips))
        shape = output
    if open_skips:
        raise ArchitectureError(
            f"Layer {open_skips[-1][0]} (`skip`): nothing closes it; put `add` or `concat` after it."
        )


def _joined(layer: Join, shape: Shape, open_skips: list[tuple[int, Shape]]) -> Shape:
    if not open_skips:
        raise LayerError("closes nothing: put `skip` before the layers that it should bypass")
    return layer.joined(shape, open_skips.pop()[1])
