"""Entropy coding: the bytes are real, and as few as theory allows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aecore.measuring import entropy
from aecore.measuring.entropy import Alphabet, EntropyError


def laplace(components: int, samples: int, seed: int = 0) -> np.ndarray:
    """Codes of components of different widths, a fifth of the numbers zero, as after a ReLU."""
    draw = np.random.default_rng(seed)
    code = draw.laplace(size=(components, samples)) * np.geomspace(1, 0.01, components)[:, None]
    return np.where(draw.random(code.shape) < 0.2, 0, code).astype(np.float32)


@given(
    seed=st.integers(0, 2**32 - 1), components=st.integers(1, 12), samples=st.integers(1, 60), bits=st.integers(2, 16)
)
@settings(max_examples=60)
def test_what_was_packed_is_unpacked(seed: int, components: int, samples: int, bits: int) -> None:
    learned = laplace(components, 50, seed)
    learned[-1] = learned[-1, 0] if components > 1 else learned[-1]  # a number that never changes
    alphabet = Alphabet.fit(learned, np.ones(components), bits)
    levels = alphabet.levels(3 * laplace(components, samples, seed ^ 1))  # some lie outside the range
    assert np.array_equal(alphabet.unpack(alphabet.pack(levels), samples), levels)


@pytest.mark.parametrize("bits", [2, 5, 8, 12])
def test_the_bytes_are_those_that_the_tables_promise(bits: int) -> None:
    alphabet = Alphabet.fit(laplace(20, 2000), np.ones(20), bits)
    levels = alphabet.levels(laplace(20, 2000, seed=1))
    ideal = -sum(np.log2(table[row]).sum() for table, row in zip(alphabet.tables, levels, strict=True))
    assert ideal <= 8 * len(alphabet.pack(levels)) + 1 <= 1.005 * ideal + 64


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
def test_the_bytes_approach_the_entropy_of_what_was_packed(bits: int) -> None:
    alphabet = Alphabet.fit(laplace(6, 20_000), np.ones(6), bits)
    levels = alphabet.levels(laplace(6, 20_000, seed=1))
    entropy = 0.0
    for row in levels:
        share = np.unique(row, return_counts=True)[1] / row.size
        entropy -= row.size * float((share * np.log2(share)).sum())
    assert entropy < 8 * len(alphabet.pack(levels)) < 1.02 * entropy + 64
    assert 8 * len(alphabet.pack(levels)) < alphabet.plain_bits * levels.shape[1]


def test_a_rounded_number_is_off_by_a_step_over_the_root_of_twelve() -> None:
    code = np.random.default_rng(0).uniform(-1, 1, (3, 40_000)).astype(np.float32) * [[1], [0.5], [0.25]]
    alphabet = Alphabet.fit(code, np.array([1.0, 4.0, 1.0]), 8)
    assert alphabet.steps == pytest.approx([2 / 255, 1 / 255, 2 / 255], rel=1e-3)  # the gain halves the second's
    off = np.square(alphabet.values(alphabet.levels(code)) - code).mean(1)
    np.testing.assert_allclose(off, alphabet.steps**2 / 12, rtol=0.03)


def test_the_widest_number_has_the_levels_it_was_given_and_zero_stays_zero() -> None:
    code = laplace(8, 500)
    for bits in range(2, 17):
        alphabet = Alphabet.fit(code, np.ones(8), bits)
        assert max(map(len, alphabet.tables)) == 2**bits
        assert (alphabet.values(alphabet.levels(code))[code == 0] == 0).all()


def test_what_lies_outside_comes_in_at_the_end_of_the_range() -> None:
    code = np.linspace(-1, 1, 9, dtype=np.float32)[None]
    alphabet = Alphabet.fit(code, np.ones(1), 4)
    assert alphabet.values(alphabet.levels(np.array([[-50, 50]])))[0] == pytest.approx([-1, 1], abs=2 / 15)


def test_a_code_that_never_changes_is_refused() -> None:
    with pytest.raises(EntropyError, match="nothing to keep"):
        Alphabet.fit(np.ones((3, 10), np.float32), np.ones(3), 8)


@given(counts=st.integers(0, 6).flatmap(lambda n: st.lists(st.integers(0, 10**6), min_size=2**n, max_size=2**n)))
def test_every_level_is_possible_and_all_of_them_are_certain(counts: list[int]) -> None:
    likely = entropy.probabilities(np.array(counts))
    assert (likely > 0).all()
    assert likely.sum() == pytest.approx(1)


def test_levels_seen_often_are_as_likely_as_they_were_seen_and_unseen_ones_share() -> None:
    counts = np.array([600_000, 0, 100_000, 100_000, 0, 0, 200_000, 0])
    np.testing.assert_allclose(entropy.probabilities(counts), counts / counts.sum(), atol=1e-4)
    np.testing.assert_allclose(entropy.probabilities(np.zeros(16, int)), np.full(16, 1 / 16))
    few = entropy.probabilities(np.array([0, 0, 0, 0, 0, 1, 0, 1]))
    assert few[4] == few[6] > few[0] == few[3]
