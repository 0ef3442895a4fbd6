"""The entropy model: bits are those of scipy's logistic distribution, and no number is predicted from itself."""

from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import logistic
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from aecore.models.entropy_model import FINEST_STEP, SETS, EntropyModel, interpolated, missing_bits, positions_of
from aecore.models.layers import Entropy
from aecore.models.modules import penalties


def drawn_model(channels: int = 3, rates: int = 4) -> EntropyModel:
    """With random weights, so that every number depends on those before it."""
    torch.manual_seed(0)
    model = EntropyModel("bits", channels, rates, hidden=8)
    torch.nn.init.normal_(model.prior.rates)
    model.generator = torch.Generator().manual_seed(0)
    return model


def full(pictures: int, rate: float) -> Tensor:
    return torch.full((pictures,), rate)


@given(number=st.integers(-60, 60), mean=st.floats(-60, 60), scale=st.floats(0.2, 60), offset=st.floats(-0.5, 0.5))
def test_bits_are_those_of_a_logistic_distribution(number: int, mean: float, scale: float, offset: float) -> None:
    value = number + offset
    # Taken in the tail that it lies in; the other difference of scipy's would lose its digits.
    near, far = sorted((abs(value - mean) - 0.5, abs(value - mean) + 0.5))
    expected = -np.log2(logistic.sf(near / scale) - logistic.sf(far / scale))
    bits = missing_bits(*(torch.tensor(one, dtype=torch.float64) for one in (value, mean, scale)))
    assert float(bits) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_an_impossible_number_still_has_a_gradient() -> None:
    means = torch.zeros(1, requires_grad=True)
    missing_bits(torch.tensor([1e4]), means, torch.tensor([0.03])).sum().backward()
    assert means.grad.isfinite().all()
    assert float(means.grad) < 0  # a larger mean would cost fewer bits


def places(height: int, width: int) -> list[list[int]]:
    """The places of each set among all positions, row by row."""
    every = torch.arange(height * width).reshape(1, 1, height, width)
    return [positions_of(every, index).flatten().tolist() for index in range(len(SETS))]


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 4), (5, 3), (8, 8)])
def test_every_position_is_in_one_set(size: tuple[int, int]) -> None:
    assert sorted(place for one in places(*size) for place in one) == [*range(size[0] * size[1])]


def test_sets_go_from_a_coarse_grid_to_the_gaps_of_a_fine_one() -> None:
    assert [len(one) for one in places(8, 8)] == [4, 12, 16, 32]
    for index, one in enumerate(places(8, 8)[1:], start=1):
        before = {divmod(place, 8) for earlier in places(8, 8)[:index] for place in earlier}
        for row, column in (divmod(place, 8) for place in one):  # a neighbour that the kernel sees is known
            assert any(abs(row - other) <= 2 and abs(column - beside) <= 2 for other, beside in before)


def test_no_number_is_predicted_from_itself_or_from_a_later_set() -> None:
    model = drawn_model().double()
    numbers = torch.randn(1, 3, 6, 6, dtype=torch.float64).requires_grad_()
    before: list[int] = []
    for index, one in enumerate(places(6, 6)):
        means, scales = model.prior(numbers, index, full(1, 1.5).double())
        assert means.shape == scales.shape == (1, len(one), 3)
        gradient = torch.autograd.grad((means + scales).sum(), numbers, retain_graph=True, allow_unused=True)[0]
        seen = [] if gradient is None else gradient.abs().sum((0, 1)).flatten().nonzero().flatten().tolist()
        assert seen == sorted(before)
        before += one


def test_the_multiplications_of_training_are_those_that_torch_counts() -> None:
    layer, shape, pictures = Entropy(4, 8), (3, 8, 8), 5
    with FlopCounterMode(display=False) as counter:
        drawn_model().bits(torch.zeros(pictures, *shape), full(pictures, 1.0))
    mask = 4 * 8 * layer.kernel**2 * 8 * 8  # which positions are known: once for all pictures, at each of four sets
    assert counter.get_total_flops() == 2 * (pictures * layer.training_macs(shape) + mask)
    assert layer.training_outputs(shape) > prod(layer.output_shape(shape))


def test_bits_of_a_picture_do_not_depend_on_the_others() -> None:
    model = drawn_model().double()
    numbers = torch.randint(-4, 5, (5, 3, 4, 4)).double()
    rates = torch.tensor([0.0, 0.7, 1.0, 2.5, 3.0], dtype=torch.float64)
    together = model.bits(numbers, rates)
    alone = torch.cat([model.bits(numbers[one : one + 1], rates[one : one + 1]) for one in range(5)])
    torch.testing.assert_close(together, alone)


def test_rates_are_interpolated() -> None:
    table = torch.tensor([[0.0, 10.0], [2.0, 20.0], [4.0, 60.0]])
    values = interpolated(table, torch.tensor([0.0, 0.25, 1.0, 1.5, 2.0]))
    assert values.tolist() == [[0, 10], [0.5, 12.5], [2, 20], [3, 40], [4, 60]]
    assert interpolated(table[:1], torch.tensor([0.0, 0.0])).tolist() == [[0, 10]] * 2


def test_at_first_four_rates_further_the_steps_are_half_as_wide() -> None:
    model = EntropyModel("bits", 2, 5, hidden=4).eval()
    code = torch.linspace(-3, 3, 2 * 9).reshape(1, 2, 3, 3)
    for rate in (0.0, 1.0, 4.0):
        step = FINEST_STEP * 2 ** ((4 - rate) / 4)  # errors go with the square of a step
        numbers = model.rounded(code, full(1, rate))
        torch.testing.assert_close(numbers, (code / step).round())
        torch.testing.assert_close(model.restored(numbers, full(1, rate)), numbers * step)
    torch.testing.assert_close(model(code), (code / FINEST_STEP).round() * FINEST_STEP)


def test_training_draws_a_rate_per_picture_and_reports_the_weighted_bits() -> None:
    model = drawn_model()
    code = torch.randn(64, 3, 4, 4).requires_grad_()
    output = model.train()(code)
    draw = torch.Generator().manual_seed(0)
    rate = 3 * torch.rand(64, generator=draw)
    noise = torch.rand(code.shape, generator=draw) - 0.5
    scaled = code * interpolated(model.gains, rate).exp()[:, :, None, None]
    torch.testing.assert_close(output, model.restored(scaled.round(), rate))
    bits = model.bits(scaled + noise, rate)
    torch.testing.assert_close(penalties(model)["bits"], (2 ** (-rate / 2) * bits).mean())
    # The rounding passes gradients on: the decoder's error reaches the encoder.
    assert torch.autograd.grad(output.sum(), code)[0].abs().min() > 0


def test_uniform_noise_costs_on_average_what_rounding_costs() -> None:
    """For a distribution as wide as several steps, bits of noisy numbers are those of rounded ones (Ballé 2017)."""
    draw = np.random.default_rng(0)
    numbers = torch.from_numpy(draw.logistic(0, 4, 100_000))
    noise = torch.from_numpy(draw.uniform(-0.5, 0.5, 100_000))
    zero, scale = torch.zeros(1), torch.full((1,), 4.0)
    noisy, rounded = (missing_bits(one, zero, scale).mean() for one in (numbers + noise, numbers.round()))
    assert float(noisy) == pytest.approx(float(rounded), abs=0.02)
