"""Entropy coding: a stream of bytes per picture, by a range coder (Martin 1979).

A stream is the first digits, in base 256, of the numbers in an interval. A symbol of probability p leaves the p-th part
of the interval. A stream ends as soon as all numbers with its digits lie in the interval, so whatever follows it does
not matter, and it is never shorter than −Σ log₂ p. The streams of all pictures are coded side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

PRECISION = 24  # bits of a frequency
_DIGITS = 7  # of the part of an interval that is at hand; the digits before are in the stream
_WHOLE = np.uint64(1 << 8 * _DIGITS)
_LEAST = np.uint64(1 << 8 * (_DIGITS - 1))  # a narrower interval hands its first digit to the stream
_PRECISION, _BYTE, _FIRST = np.uint64(PRECISION), np.uint64(8), np.uint64(8 * (_DIGITS - 1))


def frequencies(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities `[symbols]` as whole numbers that sum to 2^24, uint64; none is zero."""
    exact = probabilities.astype(float)  # of tables that were stored in float32
    shares = exact / exact.sum()
    whole: np.ndarray = np.floor(shares * (2**PRECISION - len(shares))).astype(np.uint64) + np.uint64(1)
    whole[whole.argmax()] += np.uint64(2**PRECISION) - whole.sum()
    return whole


class Writer:
    """Codes the symbols of several pictures side by side, one of each picture at a time."""

    def __init__(self, pictures: int) -> None:
        self._low, self._width = np.zeros(pictures, np.uint64), np.full(pictures, _WHOLE)
        self._written = np.zeros(pictures, int)
        self._owners, self._positions, self._digits = list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()

    def add(self, starts: np.ndarray, sizes: np.ndarray) -> None:
        """Append one symbol per picture: where its part of an interval starts, and its size, uint64 of 2^24."""
        self._width >>= _PRECISION
        self._low += starts * self._width
        self._width *= sizes
        _widen(self._width, self._write)

    def finish(self) -> list[bytes]:
        """The streams, as short as they can be."""
        low, lengths, end = self._low, self._written + _DIGITS, self._low + self._width
        for spared in range(1, _DIGITS + 1):
            unit = np.uint64(1 << 8 * spared)
            rounded = (low + unit - np.uint64(1)) // unit * unit
            inside = rounded + unit <= end
            low = np.where(inside, rounded, low)
            lengths -= inside
        self._low = low
        for _ in range(_DIGITS):
            self._write(np.arange(len(low)))
        content = np.zeros((len(low), self._written.max()), np.uint16)
        content[np.concatenate(self._owners), np.concatenate(self._positions)] = np.concatenate(self._digits)
        for column in range(content.shape[1] - 1, 0, -1):
            content[:, column - 1] += content[:, column] >> 8
        return [row[:length].tobytes() for row, length in zip(content.astype(np.uint8), lengths, strict=True)]

    def _write(self, pictures: np.ndarray) -> None:
        low = self._low
        self._owners.append(pictures)
        self._positions.append(self._written[pictures])
        self._digits.append((low[pictures] >> _FIRST).astype(np.uint16))  # up to 511: the carry is added at the end
        low[pictures] = (low[pictures] & (_LEAST - np.uint64(1))) << _BYTE
        self._written[pictures] += 1


class Reader:
    """Decodes what a `Writer` coded, in the same order."""

    def __init__(self, streams: Sequence[bytes]) -> None:
        self._content = np.zeros((len(streams), max(map(len, streams), default=0) + 1), np.uint8)  # ends with zeros
        for row, stream in zip(self._content, streams, strict=True):
            row[: len(stream)] = np.frombuffer(stream, np.uint8)
        self._offset, self._width = np.zeros(len(streams), np.uint64), np.full(len(streams), _WHOLE)
        self._done = np.zeros(len(streams), int)
        for _ in range(_DIGITS):
            self._read(np.arange(len(streams)))

    def points(self) -> np.ndarray:
        """A number from 0 to 2^24 per picture, uint64: the part that it lies in is that of the next symbol."""
        points: np.ndarray = self._offset // (self._width >> _PRECISION)
        return points

    def take(self, starts: np.ndarray, sizes: np.ndarray) -> None:
        """Go past one symbol per picture, whose parts `points` lie in."""
        self._width >>= _PRECISION
        self._offset -= starts * self._width
        self._width *= sizes
        _widen(self._width, self._read)

    def _read(self, pictures: np.ndarray) -> None:
        self._offset[pictures] = (self._offset[pictures] << _BYTE) + self._content[pictures, self._done[pictures]]
        self._done[pictures] = np.minimum(self._done[pictures] + 1, self._content.shape[1] - 1)


def pack(symbols: np.ndarray, tables: Sequence[np.ndarray]) -> list[bytes]:
    """One stream per picture of `symbols`, whole numbers `[components, pictures, places]`.

    `tables` holds the probabilities of each component's symbols, from symbol 0 up.
    """
    writer = Writer(symbols.shape[1])
    for rows, table in zip(symbols, tables, strict=True):
        sizes, starts = _parts(table)
        for row in rows.T if len(table) > 1 else ():
            writer.add(starts[row], sizes[row])
    return writer.finish()


def unpack(streams: Sequence[bytes], tables: Sequence[np.ndarray], places: int) -> np.ndarray:
    """The symbols that were packed, int32 `[components, pictures, places]`."""
    reader = Reader(streams)
    symbols = np.zeros((len(tables), len(streams), places), np.int32)
    for rows, table in zip(symbols, tables, strict=True):
        sizes, starts = _parts(table)
        for row in rows.T if len(table) > 1 else ():
            row[:] = np.searchsorted(starts, reader.points(), side="right") - 1
            reader.take(starts[row], sizes[row])
    return symbols


def _widen(width: np.ndarray, digit: Callable[[np.ndarray], None]) -> None:
    """Have `digit` hand on the first digit of the pictures whose intervals are narrow, until none is."""
    narrow = np.flatnonzero(width < _LEAST)
    while narrow.size:
        digit(narrow)
        width[narrow] <<= _BYTE
        narrow = narrow[width[narrow] < _LEAST]


def _parts(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The size of each symbol's part of an interval, and where it starts."""
    sizes = frequencies(table)
    return sizes, np.cumsum(sizes) - sizes
