"""Bits from errors: the entropy of data whose entropy is known, and integrals that are elementary."""

from math import log, log2

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from aecore.data.noise import key
from aecore.measuring import bit_bounds
from aecore.measuring.bit_bounds import STEP

FINEST, WIDEST = STEP * 2**-3.5, 2.0**5  # levels below and above which next to nothing is left
TAIL = 1e-5  # bits below the finest level, as `grid_bits` says


def levels(low: float, high: float, per_doubling: float) -> Tensor:
    count = round(log2(high / low) * per_doubling)
    return low * (high / low) ** (torch.arange(count + 1, dtype=torch.float64) / count)


@pytest.mark.parametrize("count", [2, 16, 256])
def test_values_that_are_equally_likely_have_the_bits_of_their_number(count: int) -> None:
    prior = torch.full((count,), 1 / count, dtype=torch.float64)
    bits = float(bit_bounds.grid_bits(prior, levels(FINEST, WIDEST, 2)).sum(1).mean())
    # Above the widest level the error is at most the variance of the values, and its integral that times ½ γ.
    variance = STEP**2 * (count**2 - 1) / 12
    assert log2(count) - TAIL - variance / WIDEST**2 / (2 * log(2)) < bits < log2(count) + TAIL


def test_unequal_probabilities_have_shannons_entropy() -> None:
    shares = [0.9, 0.0625, 0.03, 0.0075]
    prior = torch.tensor(shares, dtype=torch.float64)
    bits = bit_bounds.grid_bits(prior, levels(FINEST, 1, 2)).sum(1) @ prior
    entropy = -sum(share * log2(share) for share in shares)
    assert float(bits) == pytest.approx(entropy, abs=2 * TAIL)


def test_the_error_of_a_single_value_is_what_is_measured_under_drawn_noise() -> None:
    prior, level, draws = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), 0.7 * STEP, 200_000
    generator = torch.Generator().manual_seed(key("noise on single values"))
    values = STEP * torch.arange(3, dtype=torch.float64)
    given = values + level * torch.randn(draws, 3, generator=generator, dtype=torch.float64)
    densities = prior * torch.exp(-((given[..., None] - values) ** 2) / (2 * level**2))
    squared = ((densities @ values) / densities.sum(-1) - values).square()  # [draws, 3]
    four_deviations = 4 * squared.std(0) / draws**0.5
    assert ((bit_bounds.grid_errors(prior, level) - squared.mean(0)).abs() < four_deviations).all()


def test_gaussian_data_have_the_mutual_information_of_a_gaussian_channel() -> None:
    variances, at = torch.tensor([4.0, 0.25, 0.001, 0.0]), torch.tensor([0.01, 0.3, 5.0])
    # The squares of the coefficients are as large as they are on average.
    bits = bit_bounds.wiener_bits(variances.sqrt()[None], variances, at)
    expected = [sum(log2(1 + float(one) / level**2) for one in variances) / 2 / 4 for level in at.tolist()]
    assert bits[0].tolist() == pytest.approx(expected, rel=1e-6)


def test_the_wiener_filters_part_is_the_integral_of_its_error() -> None:
    coefficients, variances, level = [0.7, -0.02], [0.3, 0.05], 0.2

    def error(gamma: float) -> float:
        """Of a filter that keeps λ / (λ + σ²) of each noisy coefficient, with σ² = 1 / γ."""
        gains = [one / (one + 1 / gamma) if gamma else 0.0 for one in variances]
        lost = sum(((1 - gain) * own) ** 2 for gain, own in zip(gains, coefficients, strict=True))
        return (lost + sum(gain**2 / gamma for gain in gains if gamma)) / 2

    expected = quad(error, 0, level**-2, epsabs=1e-10)[0] / 2 / log(2)
    bits = bit_bounds.wiener_bits(torch.tensor([coefficients]), torch.tensor(variances), torch.tensor([level]))
    assert float(bits) == pytest.approx(expected, rel=1e-6)  # the numbers are float32


def test_measured_errors_give_the_integral_and_half_the_spacing_a_quarter_of_the_difference() -> None:
    exact, off = (log2(1 + 0.01**-2) - log2(1 + 2.0**-2)) / 2, list[float]()
    for per_doubling in (4, 8):
        at = levels(0.01, 2, per_doubling)
        errors = (at**2 / (1 + at**2))[None]  # the least error of a Gaussian number of variance 1
        off.append(float(bit_bounds.measured_bits(errors, at).sum()) - exact)
    # The slope of 1 / (1 + σ²) over ln σ is at most ½, and the rule is off by at most h² / 12 times its change.
    assert abs(off[0]) < (log(2) / 4) ** 2 / 12 / 2 / log(2)
    assert np.isclose(off[0] / off[1], 4, rtol=0.05)
