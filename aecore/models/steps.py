"""One layer in its place, and the shape-inference pass that puts it there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod

from aecore.models.layers import LARGEST_OUTPUT, Join, Layer, LayerError, Shape, shape_text

TRAINING_BYTES_PER_PARAMETER = 16  # float32 weight, gradient and Adam's two moments
TRAINING_BYTES_PER_OUTPUT = 8  # float32 value and its gradient


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


def inferred(layers: Iterable[Layer], shape: Shape) -> Iterator[Step]:
    """The shape-inference pass: every layer with the shapes it gets and gives."""
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
        raise LayerError("closes nothing: put `skip` before the layers that it should go past")
    return layer.joined(shape, open_skips.pop()[1])
