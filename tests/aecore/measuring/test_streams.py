"""Streams: every picture's symbols come back, from no fewer bytes than theory allows and hardly more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aecore.measuring import streams


def drawn(tables: list[np.ndarray], pictures: int, places: int, seed: int) -> np.ndarray:
    """Symbols with the probabilities of the tables, `[components, pictures, places]`."""
    draw = np.random.default_rng(seed)
    return np.stack([draw.choice(len(table), (pictures, places), p=table) for table in tables])


def random_tables(components: int, seed: int) -> list[np.ndarray]:
    """Tables of 1 to 4,096 symbols; the probabilities of most lie orders of magnitude apart."""
    draw = np.random.default_rng(seed)
    return [draw.dirichlet(np.full(2**size, 0.3)) + 1e-9 for size in draw.integers(0, 13, components)]


def ideal_bits(symbols: np.ndarray, tables: list[np.ndarray]) -> np.ndarray:
    """−Σ log₂ of the probabilities that the coder uses, per picture."""
    costs = [24 - np.log2(streams.frequencies(table).astype(float)) for table in tables]
    return np.sum([cost[row].sum(1) for cost, row in zip(costs, symbols, strict=True)], axis=0)


@given(
    seed=st.integers(0, 2**32 - 1),
    components=st.integers(1, 12),
    pictures=st.integers(1, 20),
    places=st.integers(1, 9),
)
@settings(max_examples=100)
def test_the_symbols_come_back_from_as_many_bytes_as_they_need(
    seed: int, components: int, pictures: int, places: int
) -> None:
    tables = [table / table.sum() for table in random_tables(components, seed)]
    symbols = drawn(tables, pictures, places, seed ^ 1)
    packed = streams.pack(symbols, tables)
    assert np.array_equal(streams.unpack(packed, tables, places), symbols)
    sizes, ideal = 8 * np.array([len(stream) for stream in packed]), ideal_bits(symbols, tables)
    # Up to a bit for the end, which is then rounded up to a byte; the coder's own rounding is far below a bit.
    assert (sizes > ideal - 1e-3).all()
    assert (sizes < ideal + 9.01).all()


def test_a_stream_does_not_depend_on_the_pictures_beside_it() -> None:
    tables = [table / table.sum() for table in random_tables(40, seed=5)]
    symbols = drawn(tables, 30, 2, seed=6)
    together = streams.pack(symbols, tables)
    assert together == [streams.pack(symbols[:, one : one + 1], tables)[0] for one in range(30)]
    assert np.array_equal(streams.unpack(together[7:9], tables, 2), symbols[:, 7:9])


def test_what_follows_a_stream_changes_nothing() -> None:
    tables = [table / table.sum() for table in random_tables(20, seed=7)]
    symbols = drawn(tables, 20, 3, seed=8)
    longer = [stream + b"\xff" * 9 for stream in streams.pack(symbols, tables)]
    assert np.array_equal(streams.unpack(longer, tables, 3), symbols)


def test_carries_run_through_many_digits() -> None:
    """The top symbol again and again makes digits of 255; one below or above it then decides whether they carry."""
    tables = [np.array([1 - 2**-8, 2**-8])] * 60
    symbols = np.ones((60, 60, 1), int)
    symbols[np.arange(60), np.arange(60)] = 0
    assert np.array_equal(streams.unpack(streams.pack(symbols, tables), tables, 1), symbols)


def test_what_is_certain_takes_no_bytes() -> None:
    assert streams.pack(np.zeros((3, 2, 5), int), [np.ones(1)] * 3) == [b"", b""]
    assert np.array_equal(streams.unpack([b"", b""], [np.ones(1)] * 3, 5), np.zeros((3, 2, 5)))


@given(size=st.integers(0, 16), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_frequencies_are_the_probabilities_and_none_is_zero(size: int, seed: int) -> None:
    table = np.random.default_rng(seed).dirichlet(np.full(2**size, 0.1))
    whole = streams.frequencies(table)
    assert whole.min() >= 1
    assert whole.sum() == 2**24
    # Each is off by one at most, and the largest by what the others lack or have too much.
    assert np.abs(whole / 2**24 - table).max() == pytest.approx(0, abs=2 ** (size - 23))
