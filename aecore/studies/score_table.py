"""Scores of runs and baselines, one row per name: what `python -m aecore score` prints.

for event in score_table.rows(["shallow-strided", "pca-256", "bm3d"], Conditions(noise=Noise("gaussian", 0.1))):
    if isinstance(event, Row):
        print(event.name, event.psnr_pooled)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import pandas as pd

from aecore.data import datasets
from aecore.data.noise import Noise
from aecore.data.splits import Dataset, Split
from aecore.measuring.intervals import margin
from aecore.measuring.metrics import BASIC, METRICS, ScoreError
from aecore.measuring.scoring import BATCH, joined, score
from aecore.measuring.totals import decibels
from aecore.models.layers import shape_text
from aecore.reconstructors.denoisers import METHODS
from aecore.runs.store import Run, Store, StoreError
from aecore.studies import by_name
from aecore.studies.denoising import SUBSET

SLOW_BATCH = 10  # pictures of a slow denoiser between two reports of progress


@dataclass(frozen=True)
class Conditions:
    """What to score on.

    `dataset` and `noise` default to those that a run was trained on, and for a baseline to CIFAR-10 without noise;
    a noise of level 0 is none. Only the first `pictures` of the test split are scored: by default all of them, or
    `SUBSET` for a slow denoiser. `seed` is that of the noise. `metrics` are measured in addition to MSE, PSNR and SSIM.
    """

    dataset: str | None = None
    noise: Noise | None = None
    pictures: int | None = None
    seed: int = 0
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True)
class Remark:
    """A sentence for the reader of the table."""

    text: str


@dataclass(frozen=True)
class Scored:
    """Progress of the row of this name: `pictures` of `of` are scored."""

    name: str
    pictures: int
    of: int


@dataclass(frozen=True)
class Mean:
    """The mean of a metric over pictures; `margin` is half its 95% interval by Student's t, where there is one."""

    value: float
    margin: float | None


@dataclass(frozen=True)
class Row:
    """The scores of one reconstructor; `name` is a baseline's or the folder of a run.

    `means` holds a mean for each metric that is defined for these pictures, `psnr_pooled` the PSNR in dB of the mean
    squared error. A row is `sampled` if only a part of the test pictures was scored.
    """

    name: str
    dataset: str
    noise: Noise | None
    pictures: int
    sampled: bool
    psnr_pooled: float
    means: Mapping[str, Mean]


def rows(
    names: Iterable[str], conditions: Conditions | None = None, store: Store | None = None
) -> Iterator[Remark | Scored | Row]:
    """Score the runs (by name or key) and baselines of these names, yielding a `Row` for each.

    Raises an `AecoreError` if a name is unknown or a run does not take pictures of this shape.
    """
    conditions, store, remarks = conditions or Conditions(), store or Store(), list[Remark]()
    for name in names:
        run = None if by_name.is_baseline(name) else by_name.trained(name, store)
        dataset = datasets.load(conditions.dataset or (run.spec.dataset if run else "cifar10"))
        noted = [Remark(dataset.note)] if dataset.note else []
        for event in chain(noted, _row(name, run, dataset, conditions, store)):
            if isinstance(event, Remark):  # each is said once for all rows
                if event in remarks:
                    continue
                remarks.append(event)
            yield event


def _row(
    name: str, run: Run | None, dataset: Dataset, conditions: Conditions, store: Store
) -> Iterator[Remark | Scored | Row]:
    if run:
        yield from _checked(run, dataset)
    noise = conditions.noise or (run.spec.recipe.noise if run else None)
    if noise and noise.level == 0:
        noise = None
    model = by_name.find(name, dataset, noise, store)
    metrics = list(BASIC)
    for metric in conditions.metrics:
        try:
            METRICS[metric].require(dataset.shape, dataset.classes)
        except ScoreError as error:
            yield Remark(f"{METRICS[metric].title} is left out: {error}")
        else:
            metrics += [metric] if metric not in metrics else []
    slow = name in METHODS and METHODS[name].slow
    count = conditions.pictures or (SUBSET if slow else None)
    split = Split(dataset.test.pixels[:count], dataset.test.labels[:count])
    tables, done = list[pd.DataFrame](), 0
    for table in score(model, split, noise, conditions.seed, metrics, SLOW_BATCH if slow else BATCH):
        tables.append(table)
        done += len(table)
        yield Scored(model.name, done, len(split))
    scores = joined(tables)
    means = {metric: Mean(float(scores[metric].mean()), margin(scores[metric])) for metric in metrics}
    yield Row(
        run.path.name if run else name,
        dataset.name,
        noise,
        len(split),
        len(split) < len(dataset.test),
        decibels(means["mse"].value),
        means,
    )


def _checked(run: Run, dataset: Dataset) -> Iterator[Remark]:
    """Check that the run takes these pictures; remark if it may have been trained on some of them."""
    shape = run.spec.architecture.input_shape
    if dataset.shape != shape:
        raise StoreError(
            f"{run.name} takes pictures of {shape_text(shape)}; those of {dataset.title} are "
            f"{shape_text(dataset.shape)}."
        )
    if run.spec.dataset == dataset.name and run.spec.fingerprint != dataset.fingerprint:
        yield Remark(
            f"{dataset.title} has changed since {run.name} was trained: some test pictures may be among those it "
            "learned from."
        )
