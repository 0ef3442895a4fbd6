"""Runs that train in a moment, and what a repetition of one must give again."""

from pathlib import Path
from typing import Any

from aecore.data import datasets
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.runs.store import PREVIEW, SCORES, Run


def spec_of(
    pictures: Path, seed: int = 0, layers: str = "conv4 | bn | dropout0.2 | conv3:k1:sigmoid", **recipe: Any
) -> RunSpec:
    """A run on the pictures of a folder: 3 epochs in batches of 8, unless `recipe` says otherwise."""
    name = f"folder:{pictures}"
    settings = Recipe(**({"epochs": 3, "batch_size": 8} | recipe))
    return RunSpec(Architecture.parse(layers), settings, name, datasets.load(name).fingerprint, seed)


def result(run: Run | None) -> dict[str, Any]:
    """All of a run that a repetition must give again: everything but the clock's."""
    assert run is not None
    history = run.history().drop(columns=["images_per_second", "seconds"])
    weights = {name: tensor.numpy().tobytes() for name, tensor in run.model().module.state_dict().items()}
    return weights | {"history": history.to_csv(), "scores": run.read(SCORES), "preview": run.read(PREVIEW)}
