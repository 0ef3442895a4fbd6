"""The tensors of a run as bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from aecore.files.tensors import digest
from aecore.files.whole import canonical
from aecore.models.recipe import RunSpec
from aecore.reconstructors.trained import Model
from aecore.training.events import Epoch, State


def read_model(spec: RunSpec, content: bytes) -> Model:
    """The model of `spec` with the weights in a file."""
    return Model(spec, safetensors.torch.load(content))


def pack_weights(weights: Mapping[str, Tensor]) -> bytes:
    """A file that `read_model` reads."""
    return safetensors.torch.save(dict(weights))


def pack_state(spec: RunSpec, state: State) -> bytes:
    """The state of a run as a file that `read_state` reads, with a checksum over all of it."""
    tensors = {f"weights/{name}": tensor for name, tensor in state.weights.items()}
    tensors |= {f"optimiser/{name}": tensor for name, tensor in state.optimiser.items()}
    tensors |= {f"unaveraged/{name}": tensor for name, tensor in state.unaveraged.items()}
    metadata = {
        "spec": json.dumps(spec.to_json()),
        "epoch": str(state.epoch),
        "history": json.dumps([asdict(row) for row in state.history]),
    }
    metadata["sha256"] = digest(tensors, canonical(metadata))
    return safetensors.torch.save(tensors, metadata)


def read_state(path: Path) -> State | None:
    """The state of a run from a file; None if it is damaged."""
    try:
        with safe_open(path, "pt") as file:
            metadata = dict(file.metadata())
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        intact = metadata.pop("sha256") == digest(tensors, canonical(metadata))
        history = tuple(Epoch(**row) for row in json.loads(metadata["history"]))
        epoch = int(metadata["epoch"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    if not intact:
        return None
    parts: dict[str, dict[str, Tensor]] = {"weights": {}, "optimiser": {}, "unaveraged": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = tensor
    return State(epoch, parts["weights"], parts["optimiser"], history, parts["unaveraged"])
