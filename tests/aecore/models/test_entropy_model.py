"""The entropy model: bits are those of scipy's logistic distribution, and no number is predicted from itself."""

from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import logistic
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from aecore.models.entropy_model import FINEST_STEP, EntropyModel, interpolated, missing_bits, numbers_of
from aecore.models.layers import Entropy
from aecore.models.modules import module_of, penalties


def drawn_model(channels: int = 3, rates: int = 4) -> EntropyModel:
    """With random weights, so that every number depends on those before it."""
    torch.manual_seed(0)
    model = EntropyModel("bits", channels, rates, hidden=8, kernel=5)
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


def test_no_number_is_predicted_from_itself_or_from_a_later_set() -> None:
    model = drawn_model(channels=13).double()
    numbers = torch.randn(1, 13, 3, 3, dtype=torch.float64).requires_grad_()
    every = torch.arange(numbers.numel()).reshape(numbers.shape)
    before: list[int] = []
    for index, one in enumerate(model.prior.sets):
        these = numbers_of(every, one)
        means, scales = model.prior(numbers, index, full(1, 1.5).double())
        assert means.shape == scales.shape == these.shape
        if these.numel():  # three rows have no position that is the fourth of its square
            gradient = torch.autograd.grad((means + scales).sum(), numbers, retain_graph=True, allow_unused=True)[0]
            seen = [] if gradient is None else gradient.flatten().nonzero().flatten().tolist()
            assert seen == sorted(before)
        before += these.flatten().tolist()
    assert sorted(before) == every.flatten().tolist()


@pytest.mark.parametrize("shape", [(3, 8, 8), (50, 2, 2), (13, 1, 1), (5, 3, 7)])
def test_the_multiplications_of_training_are_those_that_torch_counts(shape: tuple[int, int, int]) -> None:
    layer, pictures = Entropy(4, 8), 5
    model = module_of(layer, shape)
    counts = []
    for number in (pictures, 2 * pictures):
        with FlopCounterMode(display=False) as counter:
            model.bits(torch.zeros(number, *shape), full(number, 1.0))
        counts.append(counter.get_total_flops())
    # What is known is the same for all pictures: its convolution is no part of the difference.
    assert counts[1] - counts[0] == 2 * pictures * layer.training_macs(shape)
    assert layer.training_outputs(shape) > prod(layer.output_shape(shape))
    assert layer.parameters(shape) == sum(parameter.numel() for parameter in model.parameters())


class CountedCalls(TorchDispatchMode):
    """Counts the operators that torch calls."""

    calls = 0

    def __torch_dispatch__(self, operator: Any, types: Any, inputs: Any = (), options: Any = None) -> Any:
        self.calls += 1
        return operator(*inputs, **(options or {}))


@pytest.mark.parametrize("shape", [(3, 8, 8), (50, 2, 2)])
def test_the_operators_of_a_training_step_are_about_as_many_as_the_layer_says(shape: tuple[int, int, int]) -> None:
    layer = Entropy(4, 8)
    model = module_of(layer, shape).train()
    model.generator = torch.Generator().manual_seed(0)
    code = torch.randn(5, *shape).requires_grad_()
    with CountedCalls() as counter:
        with torch.autocast("cpu", torch.bfloat16):
            output = model(code)
        (output.sum() + model.penalty).backward()
    assert 0.75 < counter.calls / layer.training_calls(shape) < 1.33


def test_a_small_map_is_seen_whole() -> None:
    for size, kernel in ((1, 1), (2, 3), (3, 5), (8, 5)):
        assert Entropy(4, 8).kernel((3, size, 1)) == Entropy(4, 8).kernel((3, 1, size)) == kernel


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
    model = EntropyModel("bits", 2, 5, hidden=4, kernel=5).eval()
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
