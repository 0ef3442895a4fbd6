"""Receptive fields: what a layer says it sees is what gradients show."""

from math import prod

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from aecore.models.architecture import Architecture
from aecore.models.layers import Shape
from tests.aecore.models.drawn import autoencoders

CLOSING = 3  # how many of its layers only bring the picture's shape back


@st.composite
def spatial(draw: st.DrawFn) -> Architecture:
    """Linear layers on feature maps in any order, then `CLOSING` more to the picture's shape."""
    shape = draw(st.tuples(st.just(1), st.integers(3, 10), st.integers(3, 10)))
    words, (_, height, width) = ["x".join(map(str, shape))], shape
    for _ in range(draw(st.integers(1, 4))):
        legal = ["conv"]
        legal += ["pool"] if min(height, width) >= 3 else []
        legal += ["up", "deconv"] if height * width <= 30 else []
        kind, factor = draw(st.sampled_from(legal)), draw(st.sampled_from([2, 3]))
        if kind == "conv":
            stride = draw(st.integers(1, 3))
            words.append(f"conv2:k{draw(st.integers(1, 5))}:s{stride}:linear")
            height, width = -(-height // stride), -(-width // stride)
        elif kind == "pool":
            words.append(f"avgpool{factor}")
            height, width = height // factor, width // factor
        else:
            mode = draw(st.sampled_from(["", ":bilinear"]))
            kernel = factor + draw(st.integers(0, 3))
            words.append(f"up{factor}{mode}" if kind == "up" else f"deconv2:k{kernel}:s{factor}:linear")
            height, width = height * factor, width * factor
    words += ["flatten", f"dense{prod(shape)}:linear", "reshape" + words[0]]
    return Architecture.parse(" | ".join(words))


def positive_module(architecture: Architecture) -> nn.Sequential:
    """Weights that cannot cancel each other."""
    module = architecture.module().double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(0.5, 1.5)
    return module


def measured_window(module: nn.Module, input_shape: Shape, output_shape: Shape) -> tuple[int, int]:
    """Height and width of the largest part of the input from which a gradient reaches a single output position."""
    # One copy of the picture for each position, so that a single backward pass tells all of them apart.
    copies = torch.rand(prod(output_shape[1:]), *input_shape, dtype=torch.float64, requires_grad=True)
    module(copies).sum(1).flatten(1).diagonal().sum().backward()
    gradient = copies.grad.abs().sum(1)  # [positions, H, W]
    seen = gradient > 1e-9 * gradient.max()
    return extent(seen.any(2)), extent(seen.any(1))


def extent(seen: Tensor) -> int:
    seen = seen[seen.any(1)]  # a saturated activation lets no gradient through at all
    if not len(seen):
        return 0
    first, last = seen.int().argmax(1), seen.shape[1] - 1 - seen.flip(1).int().argmax(1)
    return int((last - first).max()) + 1


@settings(max_examples=60)
@given(spatial())
def test_the_receptive_field_of_feature_maps_is_what_gradients_show(architecture: Architecture) -> None:
    module = positive_module(architecture)
    for row in architecture.summary().rows[:-CLOSING]:
        part = module[: row.step.position]
        measured = measured_window(part, architecture.input_shape, row.step.output_shape)
        assert row.receptive_field == measured, row.step


@settings(max_examples=40)
@given(autoencoders())
@example(Architecture.parse("1x4x16 | reshape1x8x8 | conv1:linear | reshape1x4x16"))
def test_no_output_sees_more_than_the_receptive_field_says(architecture: Architecture) -> None:
    module = positive_module(architecture)
    for row in architecture.summary().rows:
        if prod(row.step.output_shape) < 300 and len(row.step.output_shape) == 3:
            part = module[: row.step.position]
            height, width = measured_window(part, architecture.input_shape, row.step.output_shape)
            assert height <= row.receptive_field[0], row.step
            assert width <= row.receptive_field[1], row.step


def test_a_dense_layer_and_all_after_it_see_the_whole_picture() -> None:
    rows = Architecture.parse("2x6x10 | conv2 | flatten | dense8 | dense120 | reshape2x6x10 | conv2").summary().rows
    assert [row.receptive_field for row in rows] == [(3, 3), (3, 3), (6, 10), (6, 10), (6, 10), (6, 10)]


def test_group_norm_and_all_after_it_see_the_whole_picture() -> None:
    architecture = Architecture.parse("2x6x10 | conv4 | gn2 | conv2")
    rows, module = architecture.summary().rows, architecture.module().double()
    assert [row.receptive_field for row in rows] == [(3, 3), (6, 10), (6, 10)]
    assert measured_window(module[:2], (2, 6, 10), (4, 6, 10)) == (6, 10)


def test_a_skip_widens_what_is_seen_only_where_it_sees_more() -> None:
    rows = Architecture.parse("1x9x9 | skip | conv2:k5 | skip | conv2:k1 | add | conv1:k1 | add | conv1").summary().rows
    assert [row.receptive_field for row in rows] == [(1, 1), *[(5, 5)] * 6, (7, 7)]
