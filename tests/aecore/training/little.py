"""Little pictures and how a run is trained on them."""

from collections.abc import Iterator
from dataclasses import asdict

import torch
from torch.nn import functional as F

from aecore.data.splits import Dataset, Split
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.training.events import EpochEnded, Event, State
from aecore.training.loop import train

CPU = torch.device("cpu")
PLAIN = "3x8x8 | conv4 | conv4:s2 | up | conv3:k1:sigmoid"


def split(count: int, seed: int, shape: tuple[int, ...] = (3, 8, 8)) -> Split:
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, shape[0], 3, 3, generator=draw)
    pictures = F.interpolate(coarse, shape[1:], mode="bilinear")
    return Split((pictures * 255).to(torch.uint8), torch.zeros(count, dtype=torch.int64))


def dataset(train: Split | None = None, validation: Split | None = None) -> Dataset:
    learning = train or split(45, 1), validation or split(10, 2)
    return Dataset("little", "Little pictures", ("one",), (3, 8, 8), lambda: learning, lambda: (split(5, 3),))


def spec_of(layers: str = PLAIN, seed: int = 0, **recipe: object) -> RunSpec:
    settings = {"epochs": 3, "batch_size": 10} | recipe
    return RunSpec(Architecture.parse(layers), Recipe(**settings), "little", "0" * 64, seed)  # type: ignore[arg-type]


def ended(events: Iterator[Event]) -> list[EpochEnded]:
    return [event for event in events if isinstance(event, EpochEnded)]


def trained(spec: RunSpec, pictures: Dataset | None = None, state: State | None = None) -> State:
    return ended(train(spec, pictures or dataset(), CPU, state))[-1].state


def bits(state: State) -> dict[str, object]:
    """All of a state but what a clock put there, tensors as bytes."""
    rows = [asdict(row) for row in state.history]
    return {
        "epoch": state.epoch,
        "history": [{name: row[name] for name in row if name not in ("images_per_second", "seconds")} for row in rows],
        **{f"weights {name}": tensor.numpy().tobytes() for name, tensor in state.weights.items()},
        **{f"unaveraged {name}": tensor.numpy().tobytes() for name, tensor in state.unaveraged.items()},
        **{f"optimiser {name}": tensor.numpy().tobytes() for name, tensor in state.optimiser.items()},
    }


PCA_BLOCKS = (
    "3x8x8 | skip | conv4 | conv3:linear | add | flatten | dense10:linear | dense192:linear | reshape3x8x8 "
    "| skip | conv4 | deconv3:s1:linear | add"
)
