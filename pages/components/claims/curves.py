"""How both sides of a contrast learned: the validation error after each epoch, over the seeds."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from aecore.studies import claim_scores, verdicts
from aecore.studies.claim_scores import Published
from aecore.studies.verdicts import Judged
from pages.components import figures, look

_HEIGHT = 320
_STYLES = ((look.PALETTE[0], "solid", "circle"), (look.PALETTE[1], "dash", "square"))


def show(read: Published, judged: Judged) -> None:
    """A line per side, the mean over its seeds, in a band from the lowest to the highest."""
    figure, drawn = go.Figure(), list[float]()
    pairs = verdicts.of_sides(read.scores, judged.contrast, judged.budget)
    for place, (side, (color, dash, symbol)) in enumerate(zip(judged.contrast.sides, _STYLES, strict=True)):
        scores = verdicts.of_side(read.scores, side, judged.budget)
        scores |= {seed: pair[place] for seed, pair in pairs.items()}
        if not scores:
            continue
        curve = claim_scores.mean_curve(scores)
        epochs = list(range(1, len(curve) + 1))
        means, lows, highs = (list(row) for row in zip(*curve, strict=True))
        drawn += [*lows, *highs]
        figure.add_scatter(
            x=[*epochs, *reversed(epochs)],
            y=[*highs, *reversed(lows)],
            fill="toself",
            mode="lines",
            line={"width": 0, "color": color},
            opacity=0.35,
            hoverinfo="skip",
            showlegend=False,
            legendgroup=side.label,
        )
        figure.add_scatter(
            x=epochs,
            y=means,
            name=f"{side.label}, {len(scores)} seed{'s' * (len(scores) > 1)}",
            legendgroup=side.label,
            mode="lines+markers",
            line={"color": color, "dash": dash, "width": 2},
            marker={"color": color, "symbol": symbol, "size": 8},
            customdata=[f"{low:.3g} to {high:.3g}" for low, high in zip(lows, highs, strict=True)],
            hovertemplate="%{y:.3g} (%{customdata}) after epoch %{x}",
        )
    if not drawn:
        st.caption("No run of this comparison is published yet.")
        return
    longest = max(side.recipe.epochs for side in judged.contrast.sides)
    figure.update_layout(
        height=_HEIGHT,
        hovermode="closest",
        xaxis={"title": "Epoch", "dtick": -(-longest // 12)},
        yaxis=figures.log_axis("Validation MSE", figures.exponents(drawn)),
    )
    labels = " and ".join(side.label for side in judged.contrast.sides)
    figures.show(figure, key="claim-curves", alt=f"Validation error by epoch of {labels}.", name="claim-curves")
