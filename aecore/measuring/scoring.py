"""Scores of a reconstructor on a split: one row per picture, and the totals of such a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd
import torch
from torch import Tensor

from aecore.data.noise import Noise, noisy
from aecore.data.splits import Split, to_float
from aecore.measuring.metrics import BASIC, METRICS, ScoreError
from aecore.models.reconstructor import Reconstructor

BATCH = 500


def per_picture(
    output: Tensor, target: Tensor, metrics: Sequence[str] = BASIC, labels: Tensor | None = None
) -> pd.DataFrame:
    """One row per picture, one column per metric; `ScoreError` if one is not defined for these pictures.

    Metrics against the class need the `labels` `[N]`, of classes for which the caller knows them to be defined (see
    `Metric.require`).
    """
    columns = {}
    for name in metrics:
        rule = METRICS[name]
        rule.require(target.shape[1:])
        against = labels if rule.against == "class" else target
        if against is None:
            raise ScoreError(f"{rule.title} needs the class of every picture.")
        columns[name] = rule.compute(output, against).double().numpy()
    return pd.DataFrame(columns)


def joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The tables that `score` yields, as one."""
    return pd.concat(tables, ignore_index=True)


def score(
    model: Reconstructor,
    split: Split,
    noise: Noise | None = None,
    seed: int = 0,
    metrics: Sequence[str] = BASIC,
    batch: int = BATCH,
) -> Iterator[pd.DataFrame]:
    """Score every picture of `split`, and yield one table per batch: picture, label, then the metrics.

    With `noise` the model gets the noisy picture, and its output is compared with the clean one.
    """
    with torch.inference_mode():
        for first in range(0, len(split), batch):
            pictures = range(first, min(first + batch, len(split)))
            clean, labels = to_float(split.pixels[first : first + batch]), split.labels[first : first + batch]
            output = model(noisy(clean, noise, seed, pictures))
            rows = per_picture(output, clean, metrics, labels)
            rows.insert(0, "picture", list(pictures))
            rows.insert(1, "label", labels.numpy())
            yield rows
