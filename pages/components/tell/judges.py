"""Which metric preferred what the viewer chose."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from aecore.measuring.metrics import METRICS
from aecore.studies import agreement
from aecore.studies.agreement import Agreement
from aecore.studies.answers import Answer
from pages.components import figures, look
from pages.components.tell import shares


def show(answers: Sequence[Answer]) -> None:
    """One row per metric, with the exact interval."""
    st.subheader("Which metric chose as you did")
    shown = agreement.agreements(answers)
    st.markdown(verdict(shown, answers))
    figure = go.Figure()
    ordered = shown[::-1]  # Plotly begins at the bottom
    figure.add_scatter(
        x=[row.share.value * 100 for row in ordered],
        y=[METRICS[row.metric].title for row in ordered],
        error_x=shares.error_bars([row.share for row in ordered]),
        mode="markers",
        marker=shares.MARKER,
        customdata=[
            f"{row.share.count} of {row.share.total}" + (f", {row.ties} ties left out" if row.ties else "")
            for row in ordered
        ],
        hovertemplate="%{y}: %{customdata}<extra></extra>",
    )
    figure.add_vline(50, line=shares.CHANCE)
    xaxis = {"title": "Rounds in which it preferred what you chose, %", "range": [0, 103]}
    figure.update_layout(height=shares.HEIGHT, xaxis=xaxis, showlegend=False)
    alt = ", ".join(f"{METRICS[row.metric].title} {row.share.value:.0%}" for row in shown)
    figures.show(figure, key="agreement", alt=f"Agreement of each metric with your choices: {alt}.", name="agreement")


def verdict(shown: Sequence[Agreement], answers: Sequence[Answer]) -> str:
    """Which metric agreed most often, and whether that differs from MSE by more than chance."""
    first = shown[0]
    best = [METRICS[row.metric].title for row in shown if row.share.value == first.share.value]
    low, high = first.share.interval
    text = (
        f"**{look.listed(best)}** agreed with you most often: {first.share.count} of {first.share.total}, "
        f"95% interval {low:.0%} to {high:.0%}."
    )
    if ties := [f"{METRICS[row.metric].title} {row.ties}" for row in shown if row.ties]:
        text += f" Ties, left out: {look.listed(ties)}."
    if first.metric != "mse" and "MSE" not in best:
        between = agreement.dispute(answers, first.metric, "mse")
        differs = "hardly chance" if between.p < 0.05 / (len(shown) - 1) else "which may be chance"
        text += (
            f" Where {METRICS[first.metric].title} and MSE prefer different ones, you sided with "
            f"{METRICS[first.metric].title} in {between.share.count} of {between.share.total} rounds, {differs}."
        )
    return text
