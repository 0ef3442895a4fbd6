"""A short look at how an architecture learns: the same pictures again and again while it trains. Nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import prod
from time import perf_counter

import torch
from torch import Tensor

from aecore.data.splits import Dataset, Split, to_float
from aecore.measuring.totals import decibels
from aecore.models.recipe import MOST_EPOCHS, RunSpec
from aecore.models.steps import TRAINING_BYTES_PER_OUTPUT
from aecore.reconstructors.trained import Model
from aecore.runs.execution import PREVIEW_PICTURES, preview
from aecore.training.events import EpochEnded
from aecore.training.initialisation import build
from aecore.training.loop import train

SECONDS = 30.0
FEWEST, MOST = 100, 2_000  # pictures that are trained on
VALIDATION = 200
# Multiply-accumulates of an epoch's forward passes, with which it takes two cores about two seconds: a look at most
# architectures then has more than ten glances.
EPOCH_MACS = 30_000_000_000
BATCH_BYTES = 1_000_000_000  # so that a server that many share stays alive


@dataclass(frozen=True)
class Glance:
    """How far a look has come after so many `seconds` of training and `pictures` in all.

    `psnr` is pooled, of validation pictures; `images_per_second` is the speed of the last pass through the pictures, 0
    before the first; `png` is a preview as of a run: test pictures above what the model makes of them.
    """

    seconds: float
    pictures: int
    psnr: float
    images_per_second: float
    png: bytes = field(repr=False)


def pictures_per_epoch(spec: RunSpec) -> int:
    """How many training pictures a look learns from: fewer for an architecture that takes long."""
    return min(MOST, max(FEWEST, EPOCH_MACS // max(spec.architecture.macs, 1)))


def affordable(spec: RunSpec) -> RunSpec:
    """The spec with batches so small that what its layers give, and the gradients of it, stay within `BATCH_BYTES`."""
    numbers = sum(prod(step.output_shape) for step in spec.architecture.steps)
    fits = max(2, BATCH_BYTES // (TRAINING_BYTES_PER_OUTPUT * numbers))  # batch norm needs two
    return replace(spec, recipe=replace(spec.recipe, batch_size=min(spec.recipe.batch_size, fits)))


def look(spec: RunSpec, dataset: Dataset, device: torch.device, seconds: float = SECONDS) -> Iterator[Glance]:
    """Train for so many seconds; yields a `Glance` of the untrained model, and one after every epoch.

    The recipe is that of `spec`, but for the number of epochs and a constant learning rate. Raises as `train` does.
    """
    few = _few(dataset, pictures_per_epoch(spec))
    recipe = replace(spec.recipe, epochs=MOST_EPOCHS, schedule=None, images=None, redraw=None)
    spec = replace(spec, recipe=recipe)
    model = untrained(spec, few.train.pixels)
    yield Glance(0.0, 0, _psnr(model, few.validation), 0.0, preview(model, few))
    spent, started = 0.0, perf_counter()  # the time for the previews does not count
    for event in train(spec, few, device):
        if not isinstance(event, EpochEnded):
            continue
        spent += perf_counter() - started
        row, model = event.row, Model(spec, event.state.weights)
        psnr, seen = decibels(row.validation_mse), row.epoch * len(few.train)
        yield Glance(spent, seen, psnr, row.images_per_second, preview(model, few))
        if spent >= seconds:
            return
        started = perf_counter()


def untrained(spec: RunSpec, pixels: Tensor | None = None) -> Model:
    """The model with its initial weights; `pixels` are the training pictures, for a recipe that starts as a PCA."""
    initial = build(spec.architecture, spec.recipe, spec.seed, torch.device("cpu"), pixels)
    return Model(spec, initial.state_dict())


def _psnr(model: Model, split: Split) -> float:
    clean = to_float(split.pixels)
    return decibels(float((model(clean).clamp(0, 1) - clean).square().mean()))


def _few(dataset: Dataset, count: int) -> Dataset:
    """The first pictures of each split."""

    def first(split: Split, most: int) -> Split:
        return Split(split.pixels[:most], split.labels[:most])

    return Dataset(
        dataset.name,
        dataset.title,
        dataset.classes,
        dataset.shape,
        lambda: (first(dataset.train, count), first(dataset.validation, VALIDATION)),
        lambda: (first(dataset.test, PREVIEW_PICTURES),),
    )
