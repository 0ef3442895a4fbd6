"""Architectures in a line that fits a card: U-Nets and residual blocks folded, everything else as in the text form."""

from __future__ import annotations

from collections.abc import Sequence

from aecore.models.architecture import Architecture
from aecore.models.layers import Conv, Layer, TransposedConv


def abridged(architecture: Architecture) -> str:
    """Such as `U-Net 48·96·128 | dense64 | dense3072 | U-Net`; the text form itself where no skip can be folded.

    A skip with others inside is a U-Net, given by the channels of its strided convolutions; if it is the same as the
    one before, these are not repeated. Any other skip is a residual block.
    """
    if not any(layer.opens_skip for layer in architecture.layers):
        return str(architecture)
    parts = list[str]()
    before, depth, inside = "", 0, list[Layer]()
    for layer in architecture.layers:
        if depth == 0 and not layer.opens_skip:
            # Flattening and reshaping say nothing that the layers beside them do not.
            parts += [] if layer.keeps_values else [_without_activation(layer)]
            continue
        inside.append(layer)
        depth += layer.opens_skip - bool(layer.closes_skip)
        if depth == 0:
            block = _block(inside)
            parts.append(block.split()[0] if block == before else block)
            before, inside = block, []
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
