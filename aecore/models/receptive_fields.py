"""Receptive fields: the part of the picture that one output of a layer depends on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from aecore.models.layers import Layer, Shape
from aecore.models.steps import Step


def receptive_fields(steps: Iterable[Step], picture: Shape) -> Iterator[tuple[int, int]]:
    """For each step, the largest height and width in the `picture` that one of its outputs depends on.

    Exact for feature maps. A number of a flat vector has the receptive field of its feature map until a dense layer
    mixes everything; reshaped maps count as seeing the whole picture.
    """
    for rows, columns in _windows(steps, picture):
        yield rows.largest, columns.largest


def reach(steps: Iterable[Step], picture: Shape) -> int:
    """How many rows away at most the pixels of the `picture` are that a pixel of the output depends on.

    The output, of the last step, has the picture's height.
    """
    *_, (rows, _) = _windows(steps, picture)
    return rows.farthest


def _windows(steps: Iterable[Step], picture: Shape) -> Iterator[list[_Windows]]:
    """The windows after each step, along both axes."""
    windows = [_Windows.of_picture(extent) for extent in picture[1:]]
    skipped: list[list[_Windows]] = []
    for step in steps:
        layer, flat = step.layer, len(step.output_shape) == 1
        if layer.opens_skip:
            skipped.append(windows)
        elif layer.closes_skip:
            windows = [axis.joined(other) for axis, other in zip(windows, skipped.pop(), strict=True)]
        elif flat and not layer.mixes_everything:
            pass
        elif flat or (layer.keeps_values and step.input_shape != step.output_shape):
            windows = [
                _Windows.whole(side, extent)
                for side, extent in zip(picture[1:], (*step.output_shape[1:], 1, 1), strict=False)
            ]
        else:
            windows = [axis.through(layer, extent) for axis, extent in zip(windows, step.output_shape[1:], strict=True)]
        yield windows


@dataclass(frozen=True)
class _Windows:
    """For every coordinate along one axis of a feature map, the first and last picture coordinate that it sees."""

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
        first, last = layer.input_window(np.arange(extent), inputs)
        return _Windows(self.first[first.clip(0, inputs - 1)], self.last[last.clip(0, inputs - 1)])

    def joined(self, other: _Windows) -> _Windows:
        """The windows that cover both."""
        return _Windows(np.minimum(self.first, other.first), np.maximum(self.last, other.last))

    @property
    def largest(self) -> int:
        return int((self.last - self.first).max()) + 1

    @property
    def farthest(self) -> int:
        """The greatest distance from a coordinate to one that it sees."""
        own = np.arange(len(self.first))
        return int(np.maximum(own - self.first, self.last - own).max())
