"""Layers: a record is its text, and what it says of itself is what torch does."""

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from aecore.models.layers import (
    LARGEST_SIZE,
    LAYERS,
    Activate,
    Activation,
    Add,
    AveragePool,
    BatchNorm,
    Concat,
    Conv,
    Dense,
    Dropout,
    Entropy,
    Flatten,
    GroupNorm,
    Interpolation,
    Join,
    Layer,
    LayerError,
    MaxPool,
    Reshape,
    Shape,
    Skip,
    Sparsity,
    TransposedConv,
    Upsample,
    parse_layer,
)
from aecore.models.modules import module_of

small, large = st.integers(1, 5), st.integers(1, LARGEST_SIZE)
activations = st.sampled_from(get_args(Activation))
interpolations = st.sampled_from(get_args(Interpolation))
maps = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))
flat = st.tuples(st.integers(1, 40))
either = maps | flat


def deconvs(channels: st.SearchStrategy[int], highest: int) -> st.SearchStrategy[TransposedConv]:
    legal = [
        (kernel, stride)
        for stride in range(1, highest)
        for kernel in range(stride, highest + 1)
        if stride > 1 or kernel % 2
    ]
    return st.builds(
        lambda channels, geometry, activation: TransposedConv(channels, *geometry, activation),
        channels,
        st.sampled_from(legal),
        activations,
    )


WRITTEN: dict[str, st.SearchStrategy[Layer]] = {
    "conv": st.builds(Conv, large, st.integers(1, 64), st.integers(1, 64), activations),
    "deconv": deconvs(large, 64),
    "dense": st.builds(Dense, large, activations),
    "pool": st.builds(MaxPool, st.integers(2, 64)),
    "avgpool": st.builds(AveragePool, st.integers(2, 64)),
    "up": st.builds(Upsample, st.integers(2, 64), interpolations),
    "bn": st.just(BatchNorm()),
    "gn": st.builds(GroupNorm, large),
    "dropout": st.builds(
        Dropout, st.floats(0.001, 0.99) | st.integers(0, 10**6).map(lambda billionths: billionths / 1e9)
    ),
    "act": st.builds(Activate, activations),
    "sparsity": st.just(Sparsity()),
    "entropy": st.builds(Entropy, st.integers(1, 32), large),
    "flatten": st.just(Flatten()),
    "reshape": st.builds(Reshape, st.tuples(*[st.integers(1, 999_999_999)] * 3)),
    "skip": st.just(Skip()),
    "add": st.just(Add()),
    "concat": st.just(Concat()),
}


@st.composite
def pooled(draw: st.DrawFn, kind: type[MaxPool | AveragePool]) -> tuple[Layer, Shape]:
    factor = draw(st.integers(2, 4))
    return kind(factor), (draw(small), *draw(st.tuples(*[st.integers(factor, 11)] * 2)))


@st.composite
def reshaped(draw: st.DrawFn) -> tuple[Layer, Shape]:
    target = draw(maps)
    return Reshape(target), draw(st.sampled_from([target, target[::-1], (int(np.prod(target)),)]))


@st.composite
def grouped(draw: st.DrawFn) -> tuple[Layer, Shape]:
    groups = draw(st.integers(1, 8))
    return GroupNorm(groups), (groups * draw(st.integers(1, 3)), *draw(st.tuples(*[st.integers(2, 9)] * 2)))


PLACED: dict[str, st.SearchStrategy[tuple[Layer, Shape]]] = {
    "conv": st.tuples(st.builds(Conv, small, st.integers(1, 7), st.integers(1, 4), activations), maps),
    "deconv": st.tuples(deconvs(small, 7), maps),
    "dense": st.tuples(st.builds(Dense, small, activations), flat),
    "pool": pooled(MaxPool),
    "avgpool": pooled(AveragePool),
    "up": st.tuples(st.builds(Upsample, st.integers(2, 4), interpolations), maps),
    "bn": st.tuples(WRITTEN["bn"], either),
    "gn": grouped(),
    "dropout": st.tuples(WRITTEN["dropout"], either),
    "act": st.tuples(WRITTEN["act"], either),
    "sparsity": st.tuples(WRITTEN["sparsity"], either),
    "entropy": st.tuples(st.builds(Entropy, small, small), maps),
    "flatten": st.tuples(WRITTEN["flatten"], either),
    "reshape": reshaped(),
    "skip": st.tuples(WRITTEN["skip"], either),
}
JOINS = [keyword for keyword, kind in LAYERS.items() if issubclass(kind, Join)]


@pytest.mark.parametrize("keyword", LAYERS)
@given(data=st.data())
def test_the_text_form_reads_back_as_the_same_layer(keyword: str, data: st.DataObject) -> None:
    layer = data.draw(WRITTEN[keyword])
    assert str(layer).startswith(keyword)
    assert parse_layer(str(layer)) == layer


@pytest.mark.parametrize("keyword", PLACED)
@settings(max_examples=40)
@given(data=st.data())
def test_shape_parameters_and_macs_are_those_of_the_torch_module(keyword: str, data: st.DataObject) -> None:
    layer, shape = data.draw(PLACED[keyword])
    module = module_of(layer, shape).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        output = module(torch.rand(1, *shape))
    assert layer.output_shape(shape) == tuple(output.shape[1:])
    assert layer.parameters(shape) == sum(parameter.numel() for parameter in module.parameters())
    assert layer.macs(shape) * 2 == counter.get_total_flops()


def test_every_layer_is_tried_alone_or_as_a_join() -> None:
    assert {*PLACED, *JOINS} == {*LAYERS}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conv0", "channels must be from 1 to"),
        ("conv32:k65", "kernel must be from 1 to 64"),
        ("up1", "factor must be from 2 to 64"),
        ("dropout1", "rate must be from 0.0 to 0.99"),
        ("deconv8:k2:s3", "at least the stride"),
        ("conv32:k3:k3", "kernel is given twice"),
        ("conv:k3", "needs its channels"),
        ("conv32:relo", "legal: `conv32`, :kN, :sN, :relu, :leaky_relu"),
        ("bn2", "takes no options"),
        ("gn0", "groups must be from 1 to"),
        ("desne32", "did you mean `dense`"),
        ("reshape3x32", "reshape32x8x8"),
    ],
)
def test_a_bad_layer_is_told_what_is_legal(text: str, message: str) -> None:
    with pytest.raises(LayerError) as caught:
        parse_layer(text)
    assert message in str(caught.value)


def test_a_record_made_in_code_is_checked_like_a_text() -> None:
    with pytest.raises(LayerError, match="activation 'selu' is none of relu"):
        Conv(3, activation="selu")  # type: ignore[arg-type]
