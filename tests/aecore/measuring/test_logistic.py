"""Logistic distributions: every number comes back, from as many bytes as its probability demands."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import logistic

from aecore.measuring.logistic import FRACTIONS, REACH, SCALES, Distributions
from aecore.measuring.streams import Reader, Writer


def coded(numbers: np.ndarray, distributions: Distributions) -> list[bytes]:
    writer = Writer(len(numbers))
    distributions.write(numbers, writer)
    return writer.finish()


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), pictures=st.integers(1, 6), spread=st.sampled_from([0.1, 3.0, 60.0]))
def test_the_numbers_come_back(seed: int, pictures: int, spread: float) -> None:
    draw = np.random.default_rng(seed)
    means, scales = draw.normal(0, spread, (pictures, 3, 4)), draw.uniform(0.01, 90, (pictures, 3, 4))
    distributions = Distributions.of(means, scales)
    # Some far out of reach too.
    numbers = np.rint(means + scales * draw.standard_cauchy(means.shape)).astype(np.int64)
    numbers = distributions.within_reach(numbers)
    assert (np.abs(numbers - np.floor(means)) <= REACH + 1).all()
    streams = coded(numbers, distributions)
    assert np.array_equal(distributions.read(Reader(streams)), numbers)


def test_a_number_within_reach_is_not_moved() -> None:
    distributions = Distributions.of(np.full((1, 5), -7.4), np.ones((1, 5)))
    numbers = np.array([[-8 - REACH, -9, -7, 0, -8 + REACH]])
    assert np.array_equal(distributions.within_reach(numbers), numbers)
    assert distributions.within_reach(numbers * 100)[0, 0] == -8 - REACH


def test_the_bytes_are_those_that_the_distributions_demand() -> None:
    """4,000 numbers per picture, drawn from the distributions, take the bits that scipy's probabilities demand."""
    draw = np.random.default_rng(0)
    means, scales = draw.normal(0, 5, (3, 4000)), np.exp(draw.uniform(np.log(0.05), np.log(20), (3, 4000)))
    numbers = np.rint(draw.logistic(means, scales)).astype(np.int64)
    distributions = Distributions.of(means, scales)
    assert np.array_equal(distributions.within_reach(numbers), numbers)
    probable = logistic.cdf(numbers + 0.5, means, scales) - logistic.cdf(numbers - 0.5, means, scales)
    ideal = -np.log2(probable).sum(1)
    sizes = 8 * np.array([len(stream) for stream in coded(numbers, distributions)])
    # Rounded means and scales cost less than 0.3%, and the rounding to bytes less than 9 bits.
    assert (sizes > ideal * 0.997).all()
    assert (sizes < ideal * 1.003 + 9).all()


def test_means_and_scales_take_the_nearest_table() -> None:
    means, scales = np.array([[0.0, 0.99, -0.01, -1.5]]), np.array([[SCALES[0], SCALES[5], 1e-9, 1e9]])
    rows, middles = Distributions.of(means, scales)
    assert middles.tolist() == [[0, 1, 0, -2]]
    assert (rows % FRACTIONS).tolist() == [[0, 0, 0, 8]]
    assert (rows // FRACTIONS).tolist() == [[0, 5, 0, len(SCALES) - 1]]
