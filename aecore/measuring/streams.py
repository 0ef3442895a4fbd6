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
    shares = probabilities / probabilities.sum()
    whole: np.ndarray = np.floor(shares * (2**PRECISION - len(shares))).astype(np.uint64) + np.uint64(1)
    whole[whole.argmax()] += np.uint64(2**PRECISION) - whole.sum()
    return whole


def pack(symbols: np.ndarray, tables: Sequence[np.ndarray]) -> list[bytes]:
    """One stream per picture of `symbols`, whole numbers `[components, pictures, places]`.

    `tables` holds the probabilities of each component's symbols, from symbol 0 up.
    """
    count = symbols.shape[1]
    low, width, written = np.zeros(count, np.uint64), np.full(count, _WHOLE), np.zeros(count, int)
    owners, positions, digits = list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()

    def write(pictures: np.ndarray) -> None:
        owners.append(pictures)
        positions.append(written[pictures])
        digits.append((low[pictures] >> _FIRST).astype(np.uint16))  # up to 511: the carry is added at the end
        low[pictures] = (low[pictures] & (_LEAST - np.uint64(1))) << _BYTE
        written[pictures] += 1

    for rows, table in zip(symbols, tables, strict=True):
        sizes, starts = _parts(table)
        for row in rows.T if len(table) > 1 else ():
            width >>= _PRECISION
            low += starts[row] * width
            width *= sizes[row]
            _widen(width, write)
    lengths, end = written + _DIGITS, low + width
    for spared in range(1, _DIGITS + 1):
        unit = np.uint64(1 << 8 * spared)
        rounded = (low + unit - np.uint64(1)) // unit * unit
        inside = rounded + unit <= end
        low = np.where(inside, rounded, low)
        lengths -= inside
    for _ in range(_DIGITS):
        write(np.arange(count))
    content = np.zeros((count, written.max()), np.uint16)
    content[np.concatenate(owners), np.concatenate(positions)] = np.concatenate(digits)
    for column in range(content.shape[1] - 1, 0, -1):
        content[:, column - 1] += content[:, column] >> 8
    return [row[:length].tobytes() for row, length in zip(content.astype(np.uint8), lengths, strict=True)]


def unpack(streams: Sequence[bytes], tables: Sequence[np.ndarray], places: int) -> np.ndarray:
    """The symbols that were packed, int32 `[components, pictures, places]`."""
    content = np.zeros((len(streams), max(map(len, streams)) + 1), np.uint8)  # the last column stays zero
    for row, stream in zip(content, streams, strict=True):
        row[: len(stream)] = np.frombuffer(stream, np.uint8)
    offset, width = np.zeros(len(streams), np.uint64), np.full(len(streams), _WHOLE)
    done = np.zeros(len(streams), int)

    def read(pictures: np.ndarray) -> None:
        offset[pictures] = (offset[pictures] << _BYTE) + content[pictures, done[pictures]]
        done[pictures] = np.minimum(done[pictures] + 1, content.shape[1] - 1)

    for _ in range(_DIGITS):
        read(np.arange(len(streams)))
    symbols = np.zeros((len(tables), len(streams), places), np.int32)
    for rows, table in zip(symbols, tables, strict=True):
        sizes, starts = _parts(table)
        for row in rows.T if len(table) > 1 else ():
            width >>= _PRECISION
            row[:] = np.searchsorted(starts, offset // width, side="right") - 1
            offset -= starts[row] * width
            width *= sizes[row]
            _widen(width, read)
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
