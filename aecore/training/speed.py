"""Speeds of this machine: of training and reconstructing, on random pictures, and of multiplying matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from time import perf_counter

import torch

from aecore.data.splits import Dataset, Split
from aecore.models.architecture import Architecture
from aecore.models.modules import memory_format
from aecore.models.recipe import RunSpec
from aecore.training.devices import find_device
from aecore.training.events import EpochEnded
from aecore.training.loop import train
from aecore.training.replay import EAGER

MOST_PICTURES = 50_000  # random pictures held in memory for a measurement
MATRIX = 2048  # rows and columns: too many for a cache, few enough for a second
FEWEST_CALLS, UNCOUNTED_CALLS = 5, 2


def images_per_second(spec: RunSpec, device: str, seconds: float = 1.0) -> float:
    """Pictures per second when training `spec` on `device` for about `seconds`, after a warm-up; no run is stored.

    Raises `TrainingError` if the architecture cannot be trained there.
    """
    size = spec.recipe.batch_size
    on_gpu = device.startswith("cuda")
    # A GPU takes its first steps slowly and then records one: what it does after that is measured, in a second epoch.
    fewest = (2 * EAGER if on_gpu else 2) * size  # more than `MOST_PICTURES` only for an enormous batch
    warm = _in_last_epoch(spec, device, fewest, epochs=2)
    pictures = max(fewest, min(round(warm * seconds), MOST_PICTURES) // size * size)
    return _in_last_epoch(spec, device, pictures, epochs=2 if on_gpu else 1)


def reconstructions_per_second(architecture: Architecture, device: str, pictures: int, seconds: float = 1.0) -> float:
    """Pictures per second when an untrained model reconstructs `pictures` at once, for about `seconds`."""
    on, layout = find_device(device), memory_format(architecture.convolves)
    module = architecture.module().to(memory_format=layout).to(on).eval()
    given = torch.rand(pictures, *architecture.input_shape).to(on, memory_format=layout)
    with torch.inference_mode():
        return pictures / _seconds(lambda: module(given), on, seconds)


def multiplications_per_second(device: str, dtype: torch.dtype, seconds: float = 1.0) -> float:
    """Multiply-accumulates per second in products of square matrices: about the most that a network can reach."""
    on, before = find_device(device), torch.backends.cuda.matmul.allow_tf32
    one, other = torch.rand(2, MATRIX, MATRIX, device=on).to(dtype)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32  # as convolutions are computed
    try:
        return MATRIX**3 / _seconds(lambda: one @ other, on, seconds)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _seconds(compute: Callable[[], object], device: torch.device, limit: float) -> float:
    """The median duration of calls for about `limit` seconds, after two that are not counted."""
    spent = list[float]()
    while len(spent) < FEWEST_CALLS or sum(spent) < limit:
        started = perf_counter()
        compute()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()
        spent.append(perf_counter() - started)
    return median(spent[UNCOUNTED_CALLS:])


def _in_last_epoch(spec: RunSpec, device: str, pictures: int, epochs: int) -> float:
    shape = spec.architecture.input_shape
    pixels = torch.randint(256, (pictures, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    everything = Split(pixels, torch.zeros(pictures, dtype=torch.int64))
    one = Split(pixels[:1], everything.labels[:1])
    dataset = Dataset("random", "Random pictures", ("noise",), shape, lambda: (everything, one), lambda: (one,))
    # The initial weights do not matter here, and a PCA of random pictures would take time.
    recipe = replace(spec.recipe, epochs=epochs, images=None, initialisation="keras")
    events = train(replace(spec, recipe=recipe), dataset, find_device(device))
    rows = [event.row for event in events if isinstance(event, EpochEnded)]
    return rows[-1].images_per_second
