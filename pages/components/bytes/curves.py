"""The published curves of the coders, in bytes: pooled PSNR against the mean bytes of a picture, headers included."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, log10

import plotly.graph_objects as go
import streamlit as st

from aecore.studies.contestants import Contestant
from aecore.studies.rates import Curve, Rates
from pages.components import figures, look
from pages.components.bytes.choices import LARGEST, SMALLEST

KEY = "budget curves"
_HEIGHT = 380
_LOWEST, _HIGHEST = 12, 55  # decibels that are drawn
_MARGIN = 1.1  # of the axis, as a factor of bytes


def points(curve: Curve) -> list[tuple[float, float]]:
    """The mean bytes of a picture, its header included, and the pooled PSNR of each point."""
    return [((point.bits + point.header) / 8, point.psnr) for point in curve.points if isfinite(point.psnr)]


def show(coders: Sequence[Contestant], rates: Rates, budget: int) -> None:
    """Draw the curves of `coders`, and the budget as a vertical line."""
    by_name = {curve.name: curve for curve in rates.curves}
    figure, words = go.Figure(), list[str]()
    for coder in coders:
        curve = by_name.get(coder.run.name if coder.run else coder.key)
        if curve is None:
            continue
        sizes, psnrs = zip(*points(curve), strict=True)
        figure.add_scatter(
            x=sizes,
            y=psnrs,
            name=coder.label,
            mode="lines",
            line=figures.line(coder),
            hovertemplate=f"<b>{coder.label}</b><br>%{{x:,.0f}} bytes, %{{y:.2f}} dB<extra></extra>",
        )
        words.append(
            f"{coder.label} from {psnrs[0]:.1f} dB at {sizes[0]:,.0f} bytes to {psnrs[-1]:.1f} at {sizes[-1]:,.0f}"
        )
    figure.add_vline(budget, line={"color": look.GREY, "width": 1.5, "dash": "dot"})
    # Where an axis is logarithmic, annotations are placed by their exponents.
    figure.add_annotation(
        x=log10(budget), y=1, yref="paper", text=f" {budget:,} bytes", showarrow=False, xanchor="left", yanchor="bottom"
    )
    figure.update_layout(
        height=_HEIGHT,
        hovermode="closest",
        xaxis=figures.log_axis(
            "Mean bytes per picture, header included",
            range=(log10(SMALLEST / _MARGIN), log10(LARGEST * _MARGIN)),
        ),
        yaxis={"title": "Pooled PSNR, dB", "range": [_LOWEST, _HIGHEST]},
    )
    alt = f"Pooled PSNR against mean bytes per picture, with the budget of {budget:,} bytes: {'; '.join(words)}."
    figures.show(figure, key=KEY, alt=alt, name="decibels-against-bytes")
    st.caption(
        f"{rates.method}. A point is one setting for all pictures, whose streams differ in length. Above, each picture "
        "has a setting of its own."
    )
