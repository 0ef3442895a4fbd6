"""Architectures in a line that fits a card: U-Nets and residual blocks folded, everything else as in the text form."""

from __future__ import annotations

from collections.abc import Sequence

from aecore.models.architecture import Architecture
from aecore.models.layers import Conv, Layer, TransposedConv


def abridged(architecture: Architecture) -> str:
    """Such as `U-Net 48·96·128 | dense64 | dense3072 | U-Net`; the text form itself where no skip can be folded.

    A skip with others inside is a U-Net, given by the channels of its strided convolutions. Any other skip is a
    residual block; equal ones in a row are counted. What is inside is not repeated if the last block of as many
    channels was the same.
    """
    if not any(layer.opens_skip for layer in architecture.layers):
        return str(architecture)
    parts = list[str]()
    described = dict[int, str]()  # the last block of so many channels
    depth, inside, before, in_a_row = 0, list[Layer](), "", 0
    for step in architecture.steps:
        layer = step.layer
        if depth == 0 and not layer.opens_skip:
            # Flattening and reshaping say nothing that the layers beside them do not.
            parts += [] if layer.keeps_values else [_without_activation(layer)]
            before = ""
            continue
        inside.append(layer)
        depth += layer.opens_skip - bool(layer.closes_skip)
        if depth == 0:
            block, channels = _block(inside), step.output_shape[0]
            in_a_row = in_a_row + 1 if block == before else 1
            if in_a_row > 1:
                parts[-1] = f"{in_a_row} {parts[-1].removeprefix(f'{in_a_row - 1} ')}"
            else:
                parts.append(block.split()[0] if described.get(channels) == block else block)
            described[channels], before, inside = block, block, []
    return " | ".join(parts)


def _block(layers: Sequence[Layer]) -> str:
    inner = layers[1:-1]
    if any(layer.opens_skip for layer in inner):
        strided = [str(layer.channels) for layer in inner if isinstance(layer, Conv) and layer.stride > 1]
        return f"U-Net {'·'.join(strided)}"
    convolutions = [layer for layer in inner if isinstance(layer, Conv | TransposedConv)]
    return f"residual {'·'.join(str(layer.channels) for layer in convolutions)}"


def _without_activation(layer: Layer) -> str:
    return str(layer).partition(":")[0]
