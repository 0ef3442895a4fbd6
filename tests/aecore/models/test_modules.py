"""Modules: each layer does what Keras and numpy do, and some report a penalty."""

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import correlate2d
from skimage.measure import block_reduce
from torch import Tensor, nn

from aecore.models.architecture import Architecture
from aecore.models.layers import (
    Add,
    AveragePool,
    BatchNorm,
    Concat,
    Conv,
    Dropout,
    GroupNorm,
    Interpolation,
    MaxPool,
    Shape,
    TransposedConv,
    Upsample,
)
from aecore.models.modules import Penalised, module_of, penalties

small = st.integers(1, 5)
maps = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))


@given(shape=maps, more=small)
def test_a_join_gives_what_numpy_gives(shape: Shape, more: int) -> None:
    values, skipped = torch.rand(2, *shape), torch.rand(2, *shape)
    added = module_of(Add(), shape)(values, skipped)
    assert Add().joined(shape, shape) == tuple(added.shape[1:])
    np.testing.assert_array_equal(added.numpy(), values.numpy() + skipped.numpy())
    skipped = torch.rand(2, more, *shape[1:])
    together = module_of(Concat(), shape)(values, skipped)
    assert Concat().joined(shape, tuple(skipped.shape[1:])) == tuple(together.shape[1:])
    np.testing.assert_array_equal(together.numpy(), np.concatenate([values.numpy(), skipped.numpy()], axis=1))


def keras_padding(extent: int, kernel: int, stride: int) -> tuple[int, int]:
    """`same` as https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2 states it."""
    total = max(kernel - (extent % stride or stride), 0)
    return total // 2, total - total // 2


@given(
    kernel=st.integers(1, 6),
    stride=st.integers(1, 4),
    extents=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_convolution_pads_as_keras_does(kernel: int, stride: int, extents: tuple[int, int], seed: int) -> None:
    picture = np.random.default_rng(seed).standard_normal(extents)
    module = module_of(Conv(1, kernel, stride, "linear"), (1, *extents)).double()
    weight, bias = (parameter.detach().numpy() for parameter in module.parameters())
    padded = np.pad(picture, [keras_padding(extent, kernel, stride) for extent in extents])
    expected = correlate2d(padded, weight[0, 0], mode="valid")[::stride, ::stride] + bias[0]
    output = module(torch.from_numpy(picture)[None, None]).detach().numpy()[0, 0]
    np.testing.assert_allclose(output, expected, atol=1e-12)


def test_a_stride_of_2_pads_at_the_bottom_and_right_only() -> None:
    module = module_of(Conv(1, 3, 2, "linear"), (1, 4, 4))
    convolution = next(part for part in module.modules() if isinstance(part, nn.Conv2d))
    nn.init.ones_(convolution.weight)
    nn.init.zeros_(convolution.bias)

    def response(row: int, column: int) -> list[list[float]]:
        impulse = torch.zeros(1, 1, 4, 4)
        impulse[0, 0, row, column] = 1
        return module(impulse)[0, 0].tolist()

    assert response(0, 0) == [[1, 0], [0, 0]]
    assert response(2, 2) == [[1, 1], [1, 1]]
    assert response(3, 3) == [[0, 0], [0, 1]]


@pytest.mark.parametrize(
    ("kernel", "stride"),
    [(1, 1), (2, 1), (3, 1), (4, 1), (2, 2), (3, 2), (4, 2), (5, 2), (6, 2), (3, 3), (4, 3), (5, 3)],
)
def test_a_transposed_convolution_is_the_adjoint_of_the_convolution(kernel: int, stride: int) -> None:
    generator = torch.Generator().manual_seed(0)
    up = module_of(TransposedConv(2, kernel, stride, "linear"), (3, 4, 5)).double()
    down = module_of(Conv(3, kernel, stride, "linear"), (2, 4 * stride, 5 * stride)).double()
    (weights, up_bias), (other_weights, down_bias) = up.parameters(), down.parameters()
    other_weights.data = weights.data
    for bias in (up_bias, down_bias):
        nn.init.zeros_(bias)
    code = torch.randn(1, 3, 4, 5, generator=generator, dtype=torch.float64)
    picture = torch.randn(1, 2, 4 * stride, 5 * stride, generator=generator, dtype=torch.float64)
    torch.testing.assert_close((up(code) * picture).sum(), (code * down(picture)).sum())


@given(factor=st.integers(2, 5), extents=st.tuples(st.integers(1, 7), st.integers(1, 7)))
def test_upsampling_repeats_or_interpolates_between_pixel_centres(factor: int, extents: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).standard_normal((2, *extents))
    expected = {"nearest": picture.repeat(factor, 1).repeat(factor, 2), "bilinear": picture}
    for axis in (1, 2):
        centres = (np.arange(picture.shape[axis] * factor) + 0.5) / factor - 0.5
        expected["bilinear"] = np.apply_along_axis(
            lambda line, at: np.interp(at, np.arange(len(line)), line), axis, expected["bilinear"], centres
        )
    for mode in get_args(Interpolation):
        output = module_of(Upsample(factor, mode), picture.shape)(torch.from_numpy(picture)[None])[0].numpy()
        np.testing.assert_allclose(output, expected[mode], atol=1e-12)


@pytest.mark.parametrize(("kind", "statistic"), [(MaxPool, np.max), (AveragePool, np.mean)])
def test_pooling_summarises_whole_windows_and_drops_the_rest(kind: type[MaxPool], statistic: np.ufunc) -> None:
    picture = np.random.default_rng(0).standard_normal((2, 7, 11))
    output = module_of(kind(3), picture.shape)(torch.from_numpy(picture)[None])[0].numpy()
    np.testing.assert_allclose(output, block_reduce(picture[:, :6, :9], (1, 3, 3), statistic))


@pytest.mark.parametrize("shape", [(2, 5, 7), (6,)])
def test_batch_norm_has_keras_epsilon_and_momentum(shape: Shape) -> None:
    values = torch.randn(16, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.05 + 3
    module = module_of(BatchNorm(), shape).double()
    axes = tuple(axis for axis in range(values.dim()) if axis != 1)
    mean, variance = values.mean(axes, keepdim=True), values.var(axes, correction=0, keepdim=True)
    torch.testing.assert_close(module(values), (values - mean) / (variance + 1e-3).sqrt())
    torch.testing.assert_close(module.running_mean, 0.01 * mean.flatten())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["NCHW", "NHWC"])
def test_group_norm_is_wu_and_he_s(layout: torch.memory_format) -> None:
    """μ and σ over the positions and channels of a group, ε 1e-5, then a scale and a shift of each channel."""
    values = np.random.default_rng(0).standard_normal((3, 6, 4, 5)) * 0.05 + 3
    module = module_of(GroupNorm(2), values.shape[1:]).double()
    with torch.no_grad():
        module.weight.copy_(torch.arange(6.0))
        module.bias.copy_(torch.arange(6.0) * 10)
    groups = values.reshape(3, 2, -1)
    normal = (groups - groups.mean(2, keepdims=True)) / np.sqrt(groups.var(2, keepdims=True) + 1e-5)
    scale = np.arange(6.0)[:, None, None]
    expected = normal.reshape(values.shape) * scale + 10 * scale
    given = torch.from_numpy(values).contiguous(memory_format=layout)
    for mode in (True, False):
        np.testing.assert_allclose(module.train(mode)(given).detach().numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["NCHW", "NHWC"])
def test_group_norm_has_the_gradient_of_its_formula(layout: torch.memory_format) -> None:
    module = module_of(GroupNorm(2), (4, 3, 2)).double()
    given = torch.randn(2, 4, 3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    given = given.contiguous(memory_format=layout).requires_grad_()
    assert torch.autograd.gradcheck(module, (given,))


def test_group_norm_keeps_half_precision_under_autocast_and_is_not_far_off() -> None:
    module = module_of(GroupNorm(2), (4, 8, 8))
    values = torch.rand(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        output = module(values.bfloat16())
    assert output.dtype == torch.bfloat16
    output.float().sum().backward()
    assert module.weight.grad.dtype == torch.float32
    # Its input and its output are rounded to 8 bits, and both are below 4.
    torch.testing.assert_close(output.float(), module(values), rtol=0, atol=4 * 2 * 2**-8)


def test_dropout_repeats_its_draw_and_keeps_the_mean_and_rests_in_evaluation() -> None:
    module = module_of(Dropout(0.25), (3, 100, 100))
    values = torch.ones(4, 3, 100, 100)

    def draw(seed: int) -> torch.Tensor:
        module.generator = torch.Generator().manual_seed(seed)
        return module(values)

    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))
    assert draw(0).unique().tolist() == pytest.approx([0, 4 / 3])
    assert draw(0).mean().item() == pytest.approx(1, abs=0.01)
    assert torch.equal(module.eval()(values), values)


def test_penalties_of_one_name_are_added_up_and_rest_in_evaluation() -> None:
    model = Architecture.parse("3x4x4 | sparsity | sparsity | conv3:k1").module()
    given = torch.rand(2, 3, 4, 4)
    model.eval()(given)
    assert penalties(model) == {}
    model.train()(given)
    (total,) = penalties(model).values()
    # Both report the mean of the same 96 numbers in [0, 1].
    assert float(total) == pytest.approx(2 * float(given.double().mean()), rel=1e-6)


def test_a_module_of_ones_own_reports_under_its_name() -> None:
    class Bias(Penalised):
        def forward(self, values: Tensor) -> Tensor:
            self.penalty = values.mean().square()
            return values

    model = nn.Sequential(Bias("bias"), nn.Identity())
    model(torch.full((1, 2), 3.0))
    assert {name: float(term) for name, term in penalties(model).items()} == {"bias": 9.0}
