"""Steps: the shape, the parameters and the operations of every layer are those of the torch module."""

import torch
from hypothesis import given, settings
from torch.utils.flop_counter import FlopCounterMode

from aecore.models.architecture import Architecture
from tests.aecore.models.drawn import autoencoders


@settings(max_examples=60)
@given(autoencoders())
def test_every_number_is_that_of_the_torch_module(architecture: Architecture) -> None:
    module, values = architecture.module().eval(), torch.rand(1, *architecture.input_shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        for child, step in zip(module, architecture.steps, strict=True):
            assert tuple(values.shape[1:]) == step.input_shape
            values = child(values)
            assert tuple(values.shape[1:]) == step.output_shape
            assert step.parameters == sum(parameter.numel() for parameter in child.parameters())
    summary = architecture.summary()
    assert summary.parameters == sum(row.step.parameters for row in summary.rows)
    assert summary.macs * 2 == counter.get_total_flops()
    assert tuple(values.shape[1:]) == architecture.input_shape
