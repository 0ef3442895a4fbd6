"""Entropy coding of whole numbers whose logistic distributions differ from number to number.

Means are rounded to sixteenths and scales to steps of 6%, for which there are tables of frequencies. So the coder
computes with whole numbers only, and both sides get the same ones unless a mean or scale lies on an edge between two.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from aecore.measuring.streams import Reader, Writer, frequencies

FRACTIONS = 16  # of one, that a mean is rounded to
SCALES = np.geomspace(0.03, 64, 128)
REACH = 128  # a number farther from its mean is moved to this distance


class _Tables(NamedTuple):
    """Sizes and starts of the parts of an interval, both `[scales * fractions, 2 * REACH + 1]`, uint64."""

    sizes: np.ndarray
    starts: np.ndarray


class Distributions(NamedTuple):
    """The distributions of some numbers: the row of each in the tables, and the number in the row's middle."""

    rows: np.ndarray
    middles: np.ndarray

    @classmethod
    def of(cls, means: np.ndarray, scales: np.ndarray) -> Distributions:
        """Those with `means` and `scales`, of any shape."""
        sixteenths = np.rint(means * FRACTIONS).astype(np.int64)
        ratio = np.log(SCALES[-1] / SCALES[0]) / (len(SCALES) - 1)
        places = np.rint(np.log(scales / SCALES[0]) / ratio).clip(0, len(SCALES) - 1).astype(np.int64)
        return cls(places * FRACTIONS + sixteenths % FRACTIONS, sixteenths // FRACTIONS)

    def within_reach(self, numbers: np.ndarray) -> np.ndarray:
        """Whole `numbers`, those out of reach moved to its end."""
        nearer: np.ndarray = self.middles + (numbers - self.middles).clip(-REACH, REACH)
        return nearer

    def write(self, numbers: np.ndarray, writer: Writer) -> None:
        """Append `numbers` `[pictures, …]`, whole and within reach; the distributions have the same shape."""
        tables, columns = _tables(), _steps(numbers - self.middles) + REACH
        for rows, column in zip(_steps(self.rows), columns, strict=True):
            writer.add(tables.starts[rows, column], tables.sizes[rows, column])

    def read(self, reader: Reader) -> np.ndarray:
        """The numbers that were written, in the shape of the distributions."""
        tables, numbers = _tables(), np.empty_like(self.middles).reshape(len(self.middles), -1)
        for index, (rows, middles) in enumerate(zip(_steps(self.rows), _steps(self.middles), strict=True)):
            starts = tables.starts[rows]
            column = (starts <= reader.points()[:, None]).sum(1) - 1
            reader.take(np.take_along_axis(starts, column[:, None], 1)[:, 0], tables.sizes[rows, column])
            numbers[:, index] = middles + column - REACH
        return numbers.reshape(self.middles.shape)


def _steps(values: np.ndarray) -> np.ndarray:
    """`[pictures, …]` as one row per step of coding, `[steps, pictures]`."""
    steps: np.ndarray = values.reshape(len(values), -1).T
    return steps


@cache
def _tables() -> _Tables:
    edges = np.arange(-REACH, REACH + 2) - 0.5
    sizes = []
    for scale in SCALES:
        for fraction in np.arange(FRACTIONS) / FRACTIONS:
            # Taken on the side of the tail, where differences of small numbers are exact.
            away = (edges - fraction) / scale
            near, far = away[:-1], away[1:]
            probable = np.where(near > 0, expit(-near) - expit(-far), expit(far) - expit(near))
            sizes.append(frequencies(probable))
    table = np.stack(sizes)
    return _Tables(table, np.cumsum(table, 1) - table)
