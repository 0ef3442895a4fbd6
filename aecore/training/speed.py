"""The training speed of an architecture on a device, measured on random pictures."""

from __future__ import annotations

from dataclasses import replace

import torch

from aecore.data.splits import Dataset, Split
from aecore.models.recipe import RunSpec
from aecore.training.devices import find_device
from aecore.training.events import EpochEnded
from aecore.training.loop import train
from aecore.training.replay import EAGER

MOST_PICTURES = 50_000  # random pictures held in memory for a measurement


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
