"""A code in bits: its numbers rounded to levels, and the levels entropy-coded into real bytes."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import constriction
import numpy as np

from aecore import AecoreError

PRIOR = 2.0  # pictures that each half of a range counts for before any is seen


class EntropyError(AecoreError):
    """A code that cannot be quantised; the text says why."""


@dataclass(frozen=True, eq=False)
class Alphabet:
    """The levels that a code's numbers are rounded to, and how likely each is.

    A component is a number of a flat code or a channel of a feature map; codes are float `[components, samples]`. Each
    component has its step, its lowest level (in steps) and a table of its levels' probabilities from there on, as many
    as a whole number of bits tells apart.
    """

    steps: np.ndarray
    lowest: np.ndarray
    tables: tuple[np.ndarray, ...]

    @classmethod
    def fit(cls, code: np.ndarray, gains: np.ndarray, bits: float) -> Alphabet:
        """The levels for codes such as `code`; the component that is widest in the picture has 2^`bits` of them.

        `gains` `[components]` are the squared errors in the picture for each squared error in a component. Raises
        `EntropyError` where the code never changes.
        """
        low, high = code.min(1).astype(float), code.max(1).astype(float)
        scales = np.sqrt(gains)
        widest = ((high - low) * scales).max()
        if not widest:
            raise EntropyError("The code is the same for every training picture: there is nothing to keep.")
        steps = widest / (2**bits - 1) / scales
        lowest, highest = np.round(low / steps), np.round(high / steps)
        # Both ends rounded outwards would make one level too many.
        sizes = 2 ** np.ceil(np.log2(highest - lowest + 1)).clip(0, ceil(bits)).astype(int)
        tables = (
            probabilities(np.bincount(_levels(*row), minlength=row[-1]))
            for row in zip(code, steps, lowest, sizes, strict=True)
        )
        return cls(steps, lowest, tuple(tables))

    def first(self, count: int) -> Alphabet:
        """That of the first `count` components alone."""
        return Alphabet(self.steps[:count], self.lowest[:count], self.tables[:count])

    @property
    def plain_bits(self) -> int:
        """Bits of one sample of every component where each level takes as many, without entropy coding."""
        return sum(len(table).bit_length() - 1 for table in self.tables)

    def levels(self, code: np.ndarray) -> np.ndarray:
        """The nearest level of each number, counted from the lowest, int32 `[components, samples]`."""
        rows = zip(code, self.steps, self.lowest, map(len, self.tables), strict=True)
        return np.stack([_levels(*row) for row in rows])

    def values(self, levels: np.ndarray) -> np.ndarray:
        """The numbers that `levels` stand for, float32 `[components, samples]`."""
        values: np.ndarray = ((levels + self.lowest[:, None]) * self.steps[:, None]).astype(np.float32)
        return values

    def pack(self, levels: np.ndarray) -> bytes:
        """`levels` entropy-coded, component after component, by a range coder (Martin 1979)."""

        encoder = constriction.stream.queue.RangeEncoder()
        for symbols, table in zip(levels, self.tables, strict=True):
            if len(table) > 1:
                encoder.encode(symbols, _model(table))
        words: np.ndarray = encoder.get_compressed()
        return words.astype("<u4").tobytes()

    def unpack(self, packed: bytes, samples: int) -> np.ndarray:
        """The levels that `pack` was given, so many `samples` of each component."""

        decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(packed, "<u4").astype(np.uint32))
        levels = np.zeros((len(self.tables), samples), np.int32)
        for symbols, table in zip(levels, self.tables, strict=True):
            if len(table) > 1:
                symbols[:] = decoder.decode(_model(table), samples)
        return levels


def _levels(code: np.ndarray, step: float, lowest: float, size: int) -> np.ndarray:
    """Those of one component, `[samples]`; component by component, as a code of 5,000 pictures takes 160 MB."""
    levels: np.ndarray = (np.round(code / step) - lowest).clip(0, size - 1)
    return levels.astype(np.int32)


def _model(table: np.ndarray) -> Any:

    return constriction.stream.model.Categorical(table, perfect=False)


def probabilities(counts: np.ndarray) -> np.ndarray:
    """How likely each level is that was seen `counts` times, `[2^n]` both; none is impossible.

    The range is halved again and again, and each half of a half is as likely as it was seen, with `PRIOR` pictures
    more (a Pólya tree: Ferguson 1974). So levels that are seen often are learned each, as a ReLU's zero is, and where
    few are seen neighbours share what is known.
    """
    halvings = [counts]
    while len(halvings[-1]) > 1:
        halvings.append(halvings[-1].reshape(-1, 2).sum(1))
    result = np.ones(1)
    for halves in reversed(halvings[:-1]):
        pairs = halves.reshape(-1, 2) + PRIOR
        result = (result[:, None] * pairs / pairs.sum(1, keepdims=True)).reshape(-1)
    return result
