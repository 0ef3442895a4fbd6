"""Codes in bits: numbers are rounded to levels, and the levels are entropy-coded into real bytes."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import constriction
import numpy as np

from aecore import AecoreError

PRIOR = 2.0  # pseudo-count of pictures for each half of a range


class EntropyError(AecoreError):
    """A code cannot be quantised; the message says why."""


@dataclass(frozen=True, eq=False)
class Alphabet:
    """The quantisation levels of a code, and their probabilities.

    A component is a number of a flat code or a channel of a feature map; codes are float `[components, samples]`.
    `steps` and `lowest` hold the step of each component and its lowest level, in steps. `tables` holds the
    probabilities of each component's levels from the lowest up; their count is a power of two.
    """

    steps: np.ndarray
    lowest: np.ndarray
    tables: tuple[np.ndarray, ...]

    @classmethod
    def fit(cls, code: np.ndarray, gains: np.ndarray, bits: float) -> Alphabet:
        """Fit levels to `code`: the component whose range matters most in the picture gets 2^`bits` levels.

        `gains` `[components]` are the squared error in the picture per squared error in a component. Raises
        `EntropyError` if the code is constant.
        """
        low, high = code.min(1).astype(float), code.max(1).astype(float)
        scales = np.sqrt(gains)
        widest = ((high - low) * scales).max()
        if not widest:
            raise EntropyError("The code is the same for every training picture: there is nothing to keep.")
        steps = widest / (2**bits - 1) / scales
        lowest, highest = np.round(low / steps), np.round(high / steps)
        # Rounding both ends outwards can make one level too many: hence the upper limit.
        sizes = 2 ** np.ceil(np.log2(highest - lowest + 1)).clip(0, ceil(bits)).astype(int)
        tables = (
            probabilities(np.bincount(_levels(*row), minlength=row[-1]))
            for row in zip(code, steps, lowest, sizes, strict=True)
        )
        return cls(steps, lowest, tuple(tables))

    def first_components(self, count: int) -> Alphabet:
        """The alphabet of the first `count` components."""
        return Alphabet(self.steps[:count], self.lowest[:count], self.tables[:count])

    @property
    def plain_bits(self) -> int:
        """Bits for one sample of every component without entropy coding: log2 of the number of levels, summed."""
        return sum(len(table).bit_length() - 1 for table in self.tables)

    def levels(self, code: np.ndarray) -> np.ndarray:
        """Quantise: the nearest level of each number, counted from the lowest, int32 `[components, samples]`."""
        rows = zip(code, self.steps, self.lowest, map(len, self.tables), strict=True)
        return np.stack([_levels(*row) for row in rows])

    def values(self, levels: np.ndarray) -> np.ndarray:
        """Dequantise: the numbers of `levels`, float32 `[components, samples]`."""
        values: np.ndarray = ((levels + self.lowest[:, None]) * self.steps[:, None]).astype(np.float32)
        return values

    def pack(self, levels: np.ndarray) -> bytes:
        """Entropy-code `levels`, component after component, with a range coder (Martin 1979)."""
        encoder = constriction.stream.queue.RangeEncoder()
        for symbols, table in zip(levels, self.tables, strict=True):
            if len(table) > 1:
                encoder.encode(symbols, _model(table))
        words: np.ndarray = encoder.get_compressed()
        return words.astype("<u4").tobytes()

    def unpack(self, packed: bytes, samples: int) -> np.ndarray:
        """The levels that were packed, `samples` per component."""
        decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(packed, "<u4").astype(np.uint32))
        levels = np.zeros((len(self.tables), samples), np.int32)
        for symbols, table in zip(levels, self.tables, strict=True):
            if len(table) > 1:
                symbols[:] = decoder.decode(_model(table), samples)
        return levels


def _levels(code: np.ndarray, step: float, lowest: float, size: int) -> np.ndarray:
    """The levels of one component, `[samples]`. One at a time, since a code of 5,000 pictures takes 160 MB."""
    levels: np.ndarray = (np.round(code / step) - lowest).clip(0, size - 1)
    return levels.astype(np.int32)


def _model(table: np.ndarray) -> Any:
    return constriction.stream.model.Categorical(table, perfect=False)


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
