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


def test_only_large_models_compute_in_bfloat16_on_a_gpu() -> None:
    gpu = torch.device("cuda")
    assert devices.autocasts(spec_of("denoise-unet"), gpu)
    assert not devices.autocasts(spec_of("shallow-strided"), gpu)
    large = replace(spec_of("shallow-strided").architecture, input_shape=(3, 64, 64))
    assert devices.autocasts(replace(spec_of("shallow-strided"), architecture=large), gpu)
    assert not devices.autocasts(replace(spec_of("shallow-strided", "bce"), architecture=large), gpu)


@pytest.mark.parametrize(
    ("processor", "fast"),
    [
        ({}, False),  # an older torch says nothing
        ({"avx512_bf16": False, "amx_tile": False}, False),
        ({"avx512_bf16": True, "amx_tile": False}, True),
        ({"avx512_bf16": True}, False),  # whether it has AMX is not known
        ({"avx512_bf16": True, "amx_tile": True}, False),
        ({"neon": True, "bf16": True}, False),
    ],
)
def test_a_processor_computes_large_models_in_bfloat16_if_it_multiplies_it_without_amx(
    processor: dict[str, bool], fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "capabilities", lambda: processor)
    assert devices.multiplies_bfloat16(CPU) == fast
    assert devices.autocasts(spec_of("denoise-unet"), CPU) == fast
    assert not devices.autocasts(spec_of("shallow-strided"), CPU)
    dtype = "bfloat16 autocast" if fast else "float32"
    assert devices.environment(spec_of("denoise-unet"), CPU)["dtype"] == dtype


@pytest.mark.skipif(not hasattr(torch.cpu, "get_capabilities"), reason="this torch does not say what the CPU can do")
def test_torch_says_both_that_are_asked_for_of_an_intel_or_amd_processor() -> None:
    known = devices.capabilities()
    if known["architecture"] == "x86_64":
        assert {"avx512_bf16", "amx_tile"} <= known.keys()
