"""Charts, in Plotly. A model has the same colour, dash and marker on all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import log10
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from aecore.runs.store import Run
from aecore.studies.contestants import Contestant
from pages.components import look

# Mantissas of the ticks of a logarithmic axis, ever finer: the first that give enough ticks are taken.
_MANTISSAS = ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), tuple(step / 10 for step in range(10, 100)))
_FEWEST_TICKS = 3
_DECADES = range(-9, 7)
_REMOVED_BUTTONS = ("select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d", "hoverClosestCartesian")
_LINES_HEIGHT = 320
NO_ZERO = "A loss of exactly 0 has no place on a logarithmic axis and is not drawn."
_BINS = 50

# What every history table holds, whatever its recipe; further columns are penalties.
_COLUMNS = ("epoch", "train_loss", "validation_loss", "validation_mse", "images_per_second", "seconds")

Abscissa = Literal["epoch", "seconds"]


def show(figure: go.Figure, *, key: str, alt: str, name: str, **arguments: Any) -> Any:
    """Put a figure on the page; its button bar saves it as `name`.png. `arguments` go to `st.plotly_chart`."""
    # Below the plot: beside it, names would take half of a phone's width, and above it are the buttons.
    legend = {"orientation": "h", "yanchor": "top", "y": -0.22, "x": 0}
    # At the right, so that the corner by which a figure is dragged stays on a phone's page.
    figure.update_layout(margin={"l": 0, "r": 4, "t": 32, "b": 0}, legend=legend)
    config = {
        "displaylogo": False,
        "displayModeBar": True,
        "modeBarButtonsToRemove": list(_REMOVED_BUTTONS),
        "toImageButtonOptions": {"filename": name, "scale": 2},
    }
    return st.plotly_chart(figure, config=config, key=key, alt=alt, **arguments)


def ticks(low: float, high: float) -> list[float]:
    """Where a logarithmic axis from `low` to `high` has ticks: at round numbers, and at three or more of them."""
    for mantissas in _MANTISSAS:
        every = (round(mantissa * 10.0**exponent, 12) for exponent in _DECADES for mantissa in mantissas)
        inside = [tick for tick in every if low <= tick <= high]
        if len(inside) >= _FEWEST_TICKS:
            # The finest are too many to be written side by side.
            return inside if mantissas != _MANTISSAS[-1] else inside[:: len(inside) // _FEWEST_TICKS]
    return [float(f"{tick:.4g}") for tick in (low, (low * high) ** 0.5, high)]


def log_axis(title: str, range: tuple[float, float], **settings: Any) -> dict[str, Any]:
    """A logarithmic axis over a `range` of exponents of ten, its ticks written out: Plotly writes 2 for 0.002."""
    values = ticks(10 ** range[0], 10 ** range[1])
    text = [f"{tick:,.10g}" for tick in values]
    return {"title": title, "type": "log", "range": range, "tickvals": values, "ticktext": text} | settings


def exponents(values: Iterable[float]) -> tuple[float, float]:
    """The range of a logarithmic axis on which all `values` above zero have room; a decade where there are none."""
    positive = [value for value in values if value > 0]
    low, high = (log10(min(positive)), log10(max(positive))) if positive else (-1.0, 0.0)
    room = 0.05 * (high - low) + 0.02
    return low - room, high + room


def line(model: Contestant | Run) -> dict[str, Any]:
    """The style of a model's line."""
    style = look.style(model)
    return {"color": style.color, "dash": style.dash, "width": 2}


def marker(model: Contestant | Run) -> dict[str, Any]:
    """The style of a model's points."""
    style = look.style(model)
    return {"color": style.color, "symbol": style.symbol, "size": 8}


def loss_curves(
    models: Sequence[Contestant | Run],
    histories: Mapping[str, pd.DataFrame],
    *,
    key: str,
    by: Abscissa = "epoch",
    logarithmic: bool = True,
) -> None:
    """Lines per trained model: validation error; thin, training error if the loss is the MSE; dotted, each penalty."""
    runs = [_run(model) for model in models]
    labels = look.labels(runs)
    figure = go.Figure()
    for model in models:
        _losses(figure, model, histories[model.key], by)
    error, longest = "Mean squared error", max(run.spec.recipe.epochs for run in runs)
    figure.update_layout(
        height=_LINES_HEIGHT,
        hovermode="closest",
        xaxis={"title": "Epoch", "dtick": -(-longest // 12)} if by == "epoch" else {"title": "Training time, s"},
        yaxis=log_axis(error, exponents(_drawn(figure))) if logarithmic else {"title": error, "rangemode": "tozero"},
    )
    alt = f"Training and validation error by {by} of {', '.join(labels.values())}."
    show(figure, key=key, alt=alt, name="loss-curves")
    if logarithmic and any((histories[run.key]["validation_mse"] == 0).any() for run in runs):
        st.caption(NO_ZERO)


def _drawn(figure: go.Figure) -> list[float]:
    """Every value of its lines."""
    return [float(value) for trace in figure.data for value in trace.y]


def _run(model: Contestant | Run) -> Run:
    run = model.run if isinstance(model, Contestant) else model
    assert run is not None, "a baseline has no loss curve"
    return run


def _losses(figure: go.Figure, model: Contestant | Run, history: pd.DataFrame, by: Abscissa) -> None:
    """The lines of one model."""
    run = _run(model)
    label, drawn = look.label(run.spec), line(model)
    where = "after epoch %{x}" if by == "epoch" else "at %{x:.4g} s"

    def add(column: str, name: str, what: str, **how: Any) -> None:
        figure.add_scatter(
            x=history[by],
            y=history[column],
            name=name,
            legendgroup=label,
            hovertemplate=f"%{{y:.3g}} {what}, {where}",
            **how,
        )

    add("validation_mse", label, "validation", mode="lines+markers", line=drawn, marker=marker(model))
    if run.spec.recipe.loss == "mse":
        thin = drawn | {"width": 1}
        add("train_loss", label, "training", mode="lines", line=thin, opacity=0.5, showlegend=False)
    for term in [str(column) for column in history if column not in _COLUMNS]:
        dotted = drawn | {"width": 1.5, "dash": "dot"}
        add(term, f"{term}, training", f"{term}, training", mode="lines", line=dotted)


def distribution(errors: Mapping[str, pd.Series[float]], chosen: Sequence[Contestant], *, key: str) -> None:
    """One histogram per contestant of its mean squared `errors`, by key, over the pictures."""
    # A picture without any error has no place on a logarithmic axis.
    positive = {contestant.key: errors[contestant.key][errors[contestant.key] > 0] for contestant in chosen}
    drawn = [contestant for contestant in chosen if len(positive[contestant.key])]
    if not drawn:
        return
    least = min(positive[contestant.key].min() for contestant in drawn)
    most = max(positive[contestant.key].max() for contestant in drawn)
    edges = np.geomspace(least, most * (1 + 1e-9), _BINS + 1)
    middles = np.sqrt(edges[1:] * edges[:-1])
    figure = go.Figure()
    for contestant in drawn:
        share = np.histogram(positive[contestant.key], edges)[0] / len(errors[contestant.key]) * 100
        figure.add_scatter(
            x=middles,
            y=share,
            name=contestant.label,
            mode="lines",
            line=line(contestant) | {"shape": "hvh"},
            hovertemplate="%{y:.2g}% of the pictures at an MSE of about %{x:.2g}",
        )
    figure.update_layout(
        height=_LINES_HEIGHT,
        xaxis=log_axis("Mean squared error of a picture", exponents((least, most))),
        yaxis={"title": "Pictures, %", "rangemode": "tozero"},
    )
    names = ", ".join(contestant.label for contestant in drawn)
    show(figure, key=key, alt=f"Distribution of the errors of {names}.", name="errors")
