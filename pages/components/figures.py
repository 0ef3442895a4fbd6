"""Charts, in Plotly. A model has its colour and dash on every one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from aecore.store import Run
from pages.components import look

# Plotly writes 2 and 5 for 0.002 and 0.005 on a logarithmic axis.
TICKS = [mantissa * 10**exponent for exponent in range(-6, 1) for mantissa in (1, 2, 5)]


def loss_curves(runs: Sequence[Run], histories: Mapping[str, pd.DataFrame]) -> None:
    """Validation error by epoch, a line a model."""
    labels = look.labels(runs)
    figure = go.Figure()
    for run in runs:
        history, style = histories[run.key], look.style(run)
        figure.add_scatter(
            x=history["epoch"],
            y=history["validation_mse"],
            name=labels[run.key],
            mode="lines+markers",
            line={"color": style.color, "dash": style.dash, "width": 2},
            hovertemplate="%{y:.3g} after epoch %{x}",
        )
    figure.update_layout(
        height=320,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        hovermode="x unified",
        xaxis={"title": "Epoch", "tickformat": "d", "nticks": 12},
        yaxis={
            "title": "Validation MSE",
            "type": "log",
            "tickvals": TICKS,
            "ticktext": [f"{tick:g}" for tick in TICKS],
        },
        legend={"orientation": "v"},
    )
    alt = f"Validation mean squared error by epoch of {', '.join(labels.values())}."
    st.plotly_chart(figure, config={"displaylogo": False}, alt=alt)
