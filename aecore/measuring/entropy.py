"""Codes in bits: numbers are rounded to levels, and the levels are entropy-coded into real bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from aecore import AecoreError
from aecore.measuring import streams

PRIOR = 2.0  # pseudo-count of pictures for each half of a range


class EntropyError(AecoreError):
    """A code cannot be quantised; the message says why."""


@dataclass(frozen=True, eq=False)
class Alphabet:
    """The quantisation levels of a code, and their probabilities.

    A component is a number of a flat code or a channel of a feature map; codes are float `[components, pictures,
    places]`, with one place in a flat code. Numbers are divided by the step of their component, `steps`, and rounded,
    but those within `zone` / 2 of zero become zero. A zone of 1 is plain rounding; a wider one is a dead zone (Sullivan
    1996). A level other than zero stands for its multiple of the step, moved by the component's share of a step in
    `shifts`, away from zero if positive: there lie the means of the numbers that are rounded to it.

    `lowest` is the lowest level of each component. `tables` holds the probabilities of each component's levels from
    the lowest up; their count is a power of two.
    """

    zone: float
    steps: np.ndarray
    shifts: np.ndarray
    lowest: np.ndarray
    tables: tuple[np.ndarray, ...]

    @classmethod
    def fit(cls, code: np.ndarray, gains: np.ndarray, bits: float, zone: float = 1) -> Alphabet:
        """Fit levels to `code`: the component whose range matters most in the picture gets 2^`bits` levels.

        `gains` `[components]` are the squared error in the picture per squared error in a component. `zone`, the width
        of the zero level, is 1 to 2 steps. Raises `EntropyError` if the code is constant.
        """
        low, high = code.min((1, 2)).astype(float), code.max((1, 2)).astype(float)
        scales = np.sqrt(gains)
        widest = ((high - low) * scales).max()
        if not widest:
            raise EntropyError("The code is the same for every training picture: there is nothing to keep.")
        steps = widest / (2**bits - 1) / scales
        lowest, highest = _quantised(low / steps, zone), _quantised(high / steps, zone)
        # Rounding both ends outwards can make one level too many: hence the upper limit.
        sizes = 2 ** np.ceil(np.log2(highest - lowest + 1)).clip(0, ceil(bits)).astype(int)
        shifts, tables = [], []
        for numbers, step, bottom, size in zip(code, steps, lowest, sizes, strict=True):
            multiples = numbers.ravel() / step
            levels = _quantised(multiples, zone)
            away = (np.abs(multiples) - np.abs(levels))[levels != 0]
            shifts.append(float(away.mean()) if away.size else 0.0)
            tables.append(probabilities(np.bincount(_counted(levels, bottom, size), minlength=size)))
        return cls(zone, steps, np.array(shifts), lowest, tuple(tables))

    def first_components(self, count: int) -> Alphabet:
        """The alphabet of the first `count` components."""
        first = slice(count)
        return Alphabet(self.zone, self.steps[first], self.shifts[first], self.lowest[first], self.tables[first])

    def levels(self, code: np.ndarray) -> np.ndarray:
        """Quantise: the level of each number, counted from the lowest, int32 in the shape of `code`."""
        rows = zip(code, self.steps, self.lowest, map(len, self.tables), strict=True)
        return np.stack(
            [_counted(_quantised(numbers / step, self.zone), bottom, size) for numbers, step, bottom, size in rows]
        )

    def values(self, levels: np.ndarray) -> np.ndarray:
        """Dequantise: the numbers of `levels`, float32 in the same shape."""
        rows = zip(levels, self.steps, self.shifts, self.lowest, strict=True)
        return np.stack([_values(row + bottom, step, shift) for row, step, shift, bottom in rows])

    def promised_bits(self, levels: np.ndarray) -> np.ndarray:
        """Bits per picture, `[pictures]`, that the tables promise for `levels`: the cross-entropy −Σ log₂ p."""
        rows = zip(levels, self.tables, strict=True)
        return sum((-np.log2(table)[row].sum(1) for row, table in rows), np.zeros(levels.shape[1]))

    def pack(self, levels: np.ndarray) -> list[bytes]:
        """Entropy-code `levels`: one stream of bytes per picture."""
        return streams.pack(levels, self.tables)

    def unpack(self, packed: Sequence[bytes], places: int) -> np.ndarray:
        """The levels that were packed, of `places` places."""
        return streams.unpack(packed, self.tables, places)


def _quantised(multiples: np.ndarray, zone: float) -> np.ndarray:
    """Multiples of a step as whole ones. One component at a time, since a code of 5,000 pictures takes 160 MB."""
    levels: np.ndarray = np.sign(multiples) * np.floor(np.abs(multiples) + (1 - zone / 2))
    return levels


def _counted(levels: np.ndarray, lowest: float, size: int) -> np.ndarray:
    """Levels counted from the lowest; those outside are moved to the nearer end."""
    counted: np.ndarray = (levels - lowest).clip(0, size - 1).astype(np.int32)
    return counted


def _values(levels: np.ndarray, step: float, shift: float) -> np.ndarray:
    values: np.ndarray = ((levels + np.sign(levels) * shift) * step).astype(np.float32)
    return values


def probabilities(counts: np.ndarray) -> np.ndarray:
    """Estimate the probability of every level from how often it occurred, `counts`; both `[2^n]`, none is zero.

    The range is halved repeatedly; the probability of a half is its share of the counts plus `PRIOR` (a Pólya tree:
    Ferguson 1974). Frequent levels, such as a ReLU's zero, get their own estimate; rare ones share with neighbours.
    """
    halvings = [counts]
    while len(halvings[-1]) > 1:
        halvings.append(halvings[-1].reshape(-1, 2).sum(1))
    result = np.ones(1)
    for halves in reversed(halvings[:-1]):
        pairs = halves.reshape(-1, 2) + PRIOR
        result = (result[:, None] * pairs / pairs.sum(1, keepdims=True)).reshape(-1)
    return result
