"""Devices: one that is not here is refused; how models are computed on a GPU."""

from dataclasses import replace

import pytest
import torch

from aecore.models import zoo
from aecore.models.recipe import Loss, RunSpec
from aecore.training import devices
from aecore.training.events import TrainingError
from tests.aecore.training.little import CPU


def test_an_unknown_device_is_refused_with_those_that_are_here() -> None:
    for name in ("tpu", "cuda:99", ""):
        with pytest.raises(TrainingError, match=r"on this machine; here: .*cpu\."):
            devices.find_device(name)
    assert devices.find_device("cpu") == CPU


def spec_of(name: str, loss: Loss = "mse") -> RunSpec:
    system = zoo.find(name)
    return RunSpec(system.architecture, replace(system.recipe, loss=loss), "cifar10", "", name=name)


def test_only_large_models_compute_in_bfloat16_and_only_on_a_gpu() -> None:
    gpu = torch.device("cuda")
    assert devices.autocasts(spec_of("denoise-unet"), gpu)
    assert not devices.autocasts(spec_of("denoise-unet"), CPU)
    assert not devices.autocasts(spec_of("shallow-strided"), gpu)
    large = replace(spec_of("shallow-strided").architecture, input_shape=(3, 64, 64))
    assert devices.autocasts(replace(spec_of("shallow-strided"), architecture=large), gpu)
    assert not devices.autocasts(replace(spec_of("shallow-strided", "bce"), architecture=large), gpu)


def test_the_precision_is_recorded() -> None:
    assert devices.environment(spec_of("denoise-unet"), CPU)["dtype"] == "float32"
