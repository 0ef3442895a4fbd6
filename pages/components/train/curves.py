"""The loss of a run as it falls, and of the other seeds that were launched with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import streamlit as st

from aecore.models.recipe import Loss
from aecore.scheduling.entries import Entry, EpochRow
from aecore.scheduling.queue import Queue
from pages.components import figures, look

POINTS = 300  # of the training curve: more than a screen can show
_HEIGHT = 300
_TRAINING, _VALIDATION = "training", "validation"
_IN_WORDS: dict[Loss, str] = {"psnr": "80 dB − mean PSNR"}  # losses whose names would be taken for another quantity

Row = dict[str, Any]


def show(queue: Queue, entry: Entry, epochs: Sequence[EpochRow], asked: Sequence[Entry]) -> None:
    """The loss so far: of training all along, of validation and of each penalty after each epoch.

    Where other seeds of the same run are among those `asked` for, their validation losses are thin lines, and the mean
    is thick, in a band of one standard deviation. A Vega-Lite chart is changed in place; a Plotly one would be made
    anew at every look.
    """
    points = queue.points(entry.id)
    points = points[:: len(points) // POINTS + 1]
    training = [_row(at, loss, _TRAINING) for at, loss in points]
    by_seed = {entry.spec.seed: epochs}
    by_seed |= {
        other.spec.seed: queue.epochs(other.id)
        for other in asked
        if other.spec.group == entry.spec.group and other.id != entry.id
    }
    validation, mean, band = _over_seeds({seed: rows for seed, rows in by_seed.items() if rows})
    terms = {f"{name}, training": name for row in epochs for name in row.terms}
    penalties = [
        _row(row.epoch, row.terms[name], title) for title, name in terms.items() for row in epochs if name in row.terms
    ]
    losses = [row["loss"] for row in (*training, *validation, *penalties) if row["loss"]]
    if not losses:
        st.caption(figures.NO_ZERO)
        return
    color = look.style(entry.spec).color
    shown = [_TRAINING, *dict.fromkeys(row["pictures"] for row in (*validation, *mean)), *terms]
    st.vega_lite_chart(
        {
            "height": _HEIGHT,
            "encoding": _encoding(entry, losses, shown, color),
            "layer": [
                _layer(training, {"type": "line", "strokeWidth": 2}),
                {
                    "data": {"values": band},
                    "mark": {"type": "area", "color": color, "opacity": 0.2},
                    "encoding": {"y": {"field": "low"}, "y2": {"field": "high"}, "color": {"value": color}},
                },
                _layer(
                    validation,
                    {"type": "line", "strokeWidth": 1 if mean else 2, "point": {"size": 15 if mean else 50}},
                    {"detail": {"field": "seed"}},
                ),
                _layer(mean, {"type": "line", "strokeWidth": 3, "point": {"size": 50}}),
                _layer(penalties, {"type": "line", "strokeWidth": 1, "strokeDash": [2, 3], "point": {"size": 15}}),
            ],
        },
        key="live",
    )


def _over_seeds(by_seed: Mapping[int, Sequence[EpochRow]]) -> tuple[list[Row], list[Row], list[Row]]:
    """The validation losses, and of several seeds their mean and its band, where an epoch has two or more."""
    several = len(by_seed) > 1
    name = f"{_VALIDATION}, one line per seed" if several else _VALIDATION
    validation = [
        _row(row.epoch, row.validation_loss, name, seed=seed) for seed, rows in by_seed.items() for row in rows
    ]
    at: defaultdict[int, list[float]] = defaultdict(list)
    for row in validation:
        at[row["epoch"]].append(row["loss"])
    common = {epoch: losses for epoch, losses in sorted(at.items()) if len(losses) > 1 and all(losses)}
    mean = [_row(epoch, fmean(losses), "their mean ± one standard deviation") for epoch, losses in common.items()]
    band = []
    for epoch, losses in common.items():
        middle, spread = fmean(losses), stdev(losses)
        # Half of the least is below every line, and above the zero that this axis has no place for.
        band.append({"epoch": epoch, "low": max(middle - spread, min(losses) / 2), "high": middle + spread})
    return validation, mean, band


def _row(epoch: float, loss: float, pictures: str, **more: object) -> Row:
    return {"epoch": epoch, "loss": loss, "pictures": pictures, **more}


def _layer(rows: Sequence[Row], mark: Row, encoding: Row | None = None) -> Row:
    # A loss of zero has no place on this axis.
    return {"data": {"values": [row for row in rows if row["loss"]]}, "mark": mark, "encoding": encoding or {}}


def _encoding(entry: Entry, losses: Sequence[float], shown: Sequence[str], color: str) -> Row:
    # Set here: for a curve without points Vega would warn that it has no extent.
    domain = [min(losses) / 1.1, max(losses) * 1.1]
    loss = entry.spec.recipe.loss
    return {
        "x": {
            "field": "epoch",
            "type": "quantitative",
            "title": "Epoch",
            "scale": {"domain": [0, entry.spec.recipe.epochs]},
            "axis": {"tickMinStep": 1, "format": "d"},
        },
        "y": {
            "field": "loss",
            "type": "quantitative",
            "title": f"Loss ({_IN_WORDS.get(loss, loss.upper())})",
            "scale": {"type": "log", "domain": domain, "nice": False},
            "axis": {"format": ".4~g", "values": figures.ticks(*domain), "labelOverlap": True},
        },
        "color": {
            "field": "pictures",
            "type": "nominal",
            "title": None,
            "legend": {"orient": "top", "offset": 4, "labelLimit": 300},
            "scale": {"domain": list(shown), "range": [look.TRAINING, *[color for _ in shown[1:]]]},
        },
        "tooltip": [
            {"field": "pictures"},
            {"field": "seed"},
            {"field": "epoch", "format": ".2f"},
            {"field": "loss", "format": ".3g"},
        ],
    }
