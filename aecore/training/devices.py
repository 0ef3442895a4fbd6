"""The devices that torch can train on here, and the environment that a result may depend on."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from typing import Any

import torch

from aecore.models.recipe import RunSpec
from aecore.training import machine
from aecore.training.events import TrainingError


def devices() -> list[str]:
    """The devices of this machine that torch can train on, the fastest first."""
    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def find_device(name: str | None = None) -> torch.device:
    """The device `name` (`cpu`, `cuda`, `cuda:1`, `mps`), by default the fastest; `TrainingError` if absent."""
    here = devices()
    # By itself torch starts a thread for every core of the machine, which then wait for the few that it may use.
    if torch.get_num_threads() > machine.cores():
        torch.set_num_threads(machine.cores())
    if name is None:
        return torch.device(here[0])
    if name not in here and not (name == "cuda" and here[0].startswith("cuda")):
        raise TrainingError(f"There is no device {name!r} on this machine; here: {', '.join(here)}.")
    return torch.device(name)


def memory_budget(device: torch.device) -> int:
    """Bytes that training may take on `device`: half of its memory; the rest is for data and batches."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory // 2
    return machine.memory() // 2


def autocasts(spec: RunSpec, device: torch.device) -> bool:
    """Whether the model trains in bfloat16: if the device multiplies it faster, and the model gains from that."""
    return spec.suits_bfloat16 and multiplies_bfloat16(device)


def capabilities() -> Mapping[str, Any]:
    """The instruction sets of this processor, by the names of `torch.cpu.get_capabilities`; none before torch 2.13."""
    known: Callable[[], Mapping[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)
    return known()


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 faster than float32: CUDA, and a processor with AVX-512 for it.

    Not one with AMX: where a virtual machine shows AMX but does not allow it, oneDNN's first use ends the process.
    """
    known = capabilities() if device.type == "cpu" else {}
    return device.type == "cuda" or (known.get("avx512_bf16") is True and known.get("amx_tile") is False)


def accelerator(device: torch.device) -> str:
    """The hardware of `device`: the GPU's name, or the processor's architecture."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()


def environment(spec: RunSpec, device: torch.device) -> dict[str, str | int]:
    """The facts that a result may depend on besides its spec; they are recorded with the run but not hashed."""
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": str(device),
        "accelerator": accelerator(device),
        "dtype": _precision(spec, device),
        "threads": torch.get_num_threads(),
        "cores": machine.cores(),
    }


def _precision(spec: RunSpec, device: torch.device) -> str:
    if autocasts(spec, device):
        return "bfloat16 autocast"
    # By default cuDNN rounds the factors of float32 convolutions to ten bits.
    return "float32, convolutions in TF32" if device.type == "cuda" and torch.backends.cudnn.allow_tf32 else "float32"
