"""The strength of difference at which the viewer is right in 75% of the rounds, in words and as a curve."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log10

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from aecore.studies import psychometrics
from aecore.studies.agreement import Share
from aecore.studies.answers import Answer
from aecore.studies.discrimination import ABX
from aecore.studies.psychometrics import FEWEST, Curve
from pages.components import figures, look
from pages.components.tell import shares

_PER_BIN = 6  # answers, at least, in a point of the figure
_MOST_BINS = 7


def show(answers: Sequence[Answer], mode: str) -> None:
    """The threshold, or how many answers are needed for it."""
    st.subheader("Where you stop seeing a difference")
    curve = psychometrics.fit([answer.strength for answer in answers], [answer.is_right for answer in answers])
    if curve is None:
        left = FEWEST - len(answers)
        st.markdown(f"Not enough answers yet: {left} more {'is' if left == 1 else 'are'} needed.")
    else:
        st.markdown(sentence(curve, [answer.strength for answer in answers], mode))
    _figure(answers, curve, mode)


def in_words(strength: float, mode: str) -> str:
    """A strength in decibels: in ABX, to how many the two agree."""
    if strength in (0, inf):
        return ""
    return f"{-20 * log10(strength):.1f} dB" if mode == ABX else f"{strength:.2g} dB"


def sentence(curve: Curve, strengths: Sequence[float], mode: str) -> str:
    """Where the threshold lies, or on which side of the strengths that were shown."""
    what = "recognise X" if mode == ABX else "agree with MSE"
    weaker = "where two pictures agree better" if mode == ABX else "at smaller differences"
    at = "where two pictures agree to" if mode == ABX else "at a difference of"
    low, middle, high = (in_words(bound, mode) for bound in (curve.low, curve.threshold, curve.high))
    less = "more" if mode == ABX else "less"
    weakest, strongest = in_words(min(strengths), mode), in_words(max(strengths), mode)
    if curve.low == 0 and curve.high == inf:
        return "Your answers do not say yet where: more are needed."
    if curve.low == 0:
        return (
            f"You {what} in 75% of the rounds {at} **{high} or {less}**. The answers do not exclude that you still do "
            f"{at} {weakest}, the smallest difference shown."
        )
    if curve.high == inf:
        return (
            f"You {what} in less than 75% of the rounds {at} **{low}**. The answers do not exclude that this is so "
            f"even {at} {strongest}, the largest difference shown."
        )
    first, last = (high, low) if mode == ABX else (low, high)
    return (
        f"You {what} in 75% of the rounds {at} **{middle}** (95% interval {first.removesuffix(' dB')} to {last}), and "
        f"less often {weaker}."
    )


def bins(answers: Sequence[Answer]) -> list[tuple[float, float, float, Share]]:
    """The answers in groups of equal size by strength: its lowest, middle and highest, and the share that is right."""
    ordered = sorted(answers, key=lambda answer: answer.strength)
    count = max(1, min(_MOST_BINS, len(ordered) // _PER_BIN))
    groups = []
    for places in np.array_split(np.arange(len(ordered)), count):
        group = [ordered[place] for place in places]
        strengths = [answer.strength for answer in group]
        middle = float(np.exp(np.mean(np.log(strengths))))
        groups.append((strengths[0], middle, strengths[-1], Share(sum(a.is_right for a in group), len(group))))
    return groups


def _figure(answers: Sequence[Answer], curve: Curve | None, mode: str) -> None:
    groups = bins(answers)

    def place(strength: float) -> float:
        return -20 * log10(strength) if mode == ABX else strength

    figure = go.Figure()
    strengths = [answer.strength for answer in answers]
    least, most = min(strengths) / 1.1, max(strengths) * 1.1
    if curve:
        drawn = np.geomspace(least, most, 120)
        low, high = max(curve.low, least), min(curve.high, most)
        if low < high:
            figure.add_vrect(place(low), place(high), fillcolor=look.GREY, opacity=0.18, line_width=0)
        figure.add_scatter(
            x=[place(float(strength)) for strength in drawn],
            y=curve.right(drawn) * 100,
            mode="lines",
            name="fitted curve",
            line={"color": look.PALETTE[0], "width": 2},
            hovertemplate="%{y:.0f}%",
        )
    parts = [share for *_, share in groups]
    figure.add_scatter(
        x=[place(middle) for _, middle, _, _ in groups],
        y=[share.value * 100 for share in parts],
        error_y=shares.error_bars(parts),
        mode="markers",
        name="your answers",
        marker=shares.MARKER,
        customdata=[
            f"{share.count} of {share.total} right, {in_words(low, mode)} to {in_words(high, mode)}"
            for low, _, high, share in groups
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
    figure.add_hline(50, line=shares.CHANCE)
    figure.add_hline(75, line=shares.CHANCE)
    title = "How closely the two agree, PSNR in dB" if mode == ABX else "PSNR difference of the two, dB"
    if mode == ABX:
        axis = {"title": title, "range": [place(least), place(most)]}
    else:
        axis = figures.log_axis(title, (log10(least), log10(most)))
    yaxis = {"title": "Right answers, %", "range": [0, 103], "tickvals": [0, 25, 50, 75, 100]}
    figure.update_layout(height=shares.HEIGHT, xaxis=axis, yaxis=yaxis, showlegend=False)
    alt = f"Right answers against the strength of the difference, in {len(groups)} groups of your answers."
    figures.show(figure, key="threshold", alt=alt, name="threshold")
