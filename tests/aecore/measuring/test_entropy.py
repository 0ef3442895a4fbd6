"""Entropy coding: the bytes are real, and as few as theory allows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aecore.measuring import entropy
from aecore.measuring.entropy import Alphabet, EntropyError


def laplace(components: int, pictures: int, seed: int = 0, places: int = 1) -> np.ndarray:
    """Codes of components of different widths, a fifth of the numbers zero, as after a ReLU."""
    draw = np.random.default_rng(seed)
    code = draw.laplace(size=(components, pictures, places)) * np.geomspace(1, 0.01, components)[:, None, None]
    return np.where(draw.random(code.shape) < 0.2, 0, code).astype(np.float32)


@given(
    seed=st.integers(0, 2**32 - 1),
    components=st.integers(1, 12),
    pictures=st.integers(1, 30),
    places=st.integers(1, 4),
    bits=st.integers(2, 16),
    zone=st.sampled_from([1, 1.5, 2]),
)
@settings(max_examples=60)
def test_what_was_packed_is_unpacked(
    seed: int, components: int, pictures: int, places: int, bits: int, zone: float
) -> None:
    learned = laplace(components, 50, seed, places)
    learned[-1] = learned[-1, 0, 0] if components > 1 else learned[-1]  # a number that never changes
    alphabet = Alphabet.fit(learned, np.ones(components), bits, zone)
    levels = alphabet.levels(3 * laplace(components, pictures, seed ^ 1, places))  # some lie outside the range
    assert np.array_equal(alphabet.unpack(alphabet.pack(levels), places), levels)


@pytest.mark.parametrize("bits", [2, 5, 8, 12])
def test_a_picture_takes_the_bytes_that_the_tables_promise(bits: int) -> None:
    alphabet = Alphabet.fit(laplace(20, 2000), np.ones(20), bits)
    levels = alphabet.levels(laplace(20, 300, seed=1))
    ideal = [
        -sum(np.log2(table[row[picture, 0]]) for table, row in zip(alphabet.tables, levels, strict=True))
        for picture in range(300)
    ]
    np.testing.assert_allclose(alphabet.promised_bits(levels), ideal)
    sizes = 8 * np.array([len(stream) for stream in alphabet.pack(levels)])
    # Probabilities are rounded to 24 bits: those of a thousandth change by 6e-5 of themselves.
    assert (sizes >= 0.999 * np.array(ideal)).all()
    assert (sizes <= 1.001 * np.array(ideal) + 9.01).all()


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
def test_the_streams_approach_the_entropy_of_what_was_packed(bits: int) -> None:
    alphabet = Alphabet.fit(laplace(6, 200, places=100), np.ones(6), bits)
    levels = alphabet.levels(laplace(6, 200, seed=1, places=100))
    entropy = 0.0
    for row in levels:
        share = np.unique(row, return_counts=True)[1] / row.size
        entropy -= row.size * float((share * np.log2(share)).sum())
    stored = 8 * sum(map(len, alphabet.pack(levels)))
    assert entropy < stored < 1.02 * entropy + 9.01 * 200


def test_a_rounded_number_is_off_by_a_step_over_the_root_of_twelve() -> None:
    code = np.random.default_rng(0).uniform(-1, 1, (3, 40_000, 1)).astype(np.float32) * [[[1]], [[0.5]], [[0.25]]]
    alphabet = Alphabet.fit(code, np.array([1.0, 4.0, 1.0]), 8)
    assert alphabet.steps == pytest.approx([2 / 255, 1 / 255, 2 / 255], rel=1e-3)  # the gain halves the second's
    off = np.square(alphabet.values(alphabet.levels(code)) - code).mean((1, 2))
    np.testing.assert_allclose(off, alphabet.steps**2 / 12, rtol=0.03)


@pytest.mark.parametrize("zone", [1, 1.25, 1.5, 2])
@pytest.mark.parametrize("bits", [3, 4.5, 6])
def test_a_dead_zone_treats_a_laplacian_as_its_closed_form_says(zone: float, bits: float) -> None:
    """With step s, scale 1 and the zone's half t: zeros have the share 1 − e⁻ᵗ and the squared error 2 − e⁻ᵗ(t² + 2t +
    2). The other levels have e⁻ᵗ and, as the distribution has no memory, the variance of an exponential one within a
    step, 1 − s²eˢ/(eˢ − 1)² (Sullivan 1996)."""
    count = 400_000
    code = np.random.default_rng(3).laplace(size=(1, count, 1))
    code[0, 0], code[0, 1] = 12, -12  # the range
    code = code.clip(-12, 12)
    step = 24 / (2**bits - 1)
    alphabet = Alphabet.fit(code, np.ones(1), bits, zone)
    values = alphabet.values(alphabet.levels(code))
    t, grown = zone / 2 * step, np.exp(step)
    nonzero = np.exp(-t)
    assert (values != 0).mean() == pytest.approx(nonzero, abs=4 * np.sqrt(nonzero * (1 - nonzero) / count))
    within = 1 - step**2 * grown / (grown - 1) ** 2
    expected = 2 - nonzero * (t**2 + 2 * t + 2) + nonzero * within
    assert np.square(values - code).mean() == pytest.approx(expected, rel=0.03)
    # A level lies at the mean of its numbers: t + 1 − s/(eˢ − 1) from zero for the first.
    assert values[values > 0].min() == pytest.approx(t + 1 - step / (grown - 1), rel=0.01)


def test_the_dead_zone_swallows_what_lies_in_it_and_nothing_else() -> None:
    code = np.array([-1.01, -0.76, -0.74, -0.26, 0, 0.26, 0.74, 0.76, 1.24, 1.74, 1.76, 4.1, 14.99])[None, :, None]
    for zone, expected in (
        (1, [-1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 4, 15]),
        (1.5, [-1, -1, 0, 0, 0, 0, 0, 1, 1, 1, 2, 4, 15]),
        (2, [-1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 4, 14]),
    ):
        alphabet = Alphabet.fit(code, np.ones(1), np.log2(17), zone)
        assert alphabet.steps == pytest.approx([1])
        assert (alphabet.levels(code) + alphabet.lowest).ravel().tolist() == expected


def test_the_widest_number_has_the_levels_it_was_given_and_zero_stays_zero() -> None:
    code = laplace(8, 500)
    for bits in range(2, 17):
        alphabet = Alphabet.fit(code, np.ones(8), bits)
        assert max(map(len, alphabet.tables)) == 2**bits
        assert (alphabet.values(alphabet.levels(code))[code == 0] == 0).all()


def test_what_lies_outside_comes_in_at_the_end_of_the_range() -> None:
    code = np.linspace(-1, 1, 9, dtype=np.float32)[None, :, None]
    alphabet = Alphabet.fit(code, np.ones(1), 4)
    values = alphabet.values(alphabet.levels(np.array([[[-50], [50]]])))
    assert values.ravel() == pytest.approx([-1, 1], abs=2 / 15)


def test_a_code_that_never_changes_is_refused() -> None:
    with pytest.raises(EntropyError, match="nothing to keep"):
        Alphabet.fit(np.ones((3, 10, 1), np.float32), np.ones(3), 8)


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
