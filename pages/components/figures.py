"""Charts, in Plotly. A model has its colour, dash and marker on every one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from aecore.store import Run
from pages.components import look

# Plotly writes 2 and 5 for 0.002 and 0.005 on a logarithmic axis.
TICKS = [mantissa * 10**exponent for exponent in range(-6, 5) for mantissa in (1, 2, 5)]
_REMOVED_BUTTONS = ("select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d", "hoverClosestCartesian")
_LINES_HEIGHT = 320

Abscissa = Literal["epoch", "seconds"]


def show(figure: go.Figure, *, key: str, alt: str, name: str, **arguments: Any) -> Any:
    """Put a figure on the page; its button bar saves it as `name`.png. `arguments` go to `st.plotly_chart`."""
    figure.update_layout(margin={"l": 0, "r": 0, "t": 32, "b": 0})
    config = {
        "displaylogo": False,
        "displayModeBar": True,
        "modeBarButtonsToRemove": list(_REMOVED_BUTTONS),
        "toImageButtonOptions": {"filename": name, "scale": 2},
    }
    return st.plotly_chart(figure, config=config, key=key, alt=alt, **arguments)


def log_axis(title: str, **settings: Any) -> dict[str, Any]:
    """A logarithmic axis with ticks at 1, 2 and 5, written out."""
    text = [f"{tick:,.10g}" for tick in TICKS]
    return {"title": title, "type": "log", "tickvals": TICKS, "ticktext": text} | settings


def line(run: Run) -> dict[str, Any]:
    """How the line of a model is drawn."""
    style = look.style(run)
    return {"color": style.color, "dash": style.dash, "width": 2}


def marker(run: Run) -> dict[str, Any]:
    """How the points of a model are drawn."""
    style = look.style(run)
    return {"color": style.color, "symbol": style.symbol, "size": 8}


def loss_curves(
    runs: Sequence[Run],
    histories: Mapping[str, pd.DataFrame],
    *,
    key: str,
    by: Abscissa = "epoch",
    logarithmic: bool = True,
) -> None:
    """Two lines a model: error on the validation pictures and, thin, on those it learns from if the loss is the MSE."""
    labels = look.labels(runs)
    figure = go.Figure()
    unit = "epoch" if by == "epoch" else "s"
    where = f"at %{{x:.4g}} {unit}" if by == "seconds" else f"after {unit} %{{x}}"
    for run in runs:
        history, label = histories[run.key], labels[run.key]
        figure.add_scatter(
            x=history[by], y=history["validation_mse"], name=label, legendgroup=label, mode="lines+markers",
            line=line(run), marker=marker(run), hovertemplate=f"%{{y:.3g}} validation, {where}",
        )  # fmt: skip
        if run.spec.recipe.loss == "mse":
            figure.add_scatter(
                x=history[by], y=history["train_loss"], name=label, legendgroup=label, showlegend=False, opacity=0.5,
                mode="lines", line=line(run) | {"width": 1}, hovertemplate=f"%{{y:.3g}} training, {where}",
            )  # fmt: skip
    error = "Mean squared error"
    figure.update_layout(
        height=_LINES_HEIGHT,
        hovermode="closest",
        xaxis={"title": "Epoch", "tickformat": "d", "nticks": 12} if by == "epoch" else {"title": "Training time, s"},
        yaxis=log_axis(error) if logarithmic else {"title": error, "rangemode": "tozero"},
        legend={"orientation": "v"},
    )
    alt = f"Training and validation error by {by} of {', '.join(labels.values())}."
    show(figure, key=key, alt=alt, name="loss-curves")
