"""Decibels against bits per picture: every autoencoder's code, quantised and entropy-coded, beside PCA and codecs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite, log10
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from aecore.studies import rates
from aecore.studies.rates import Curve, Rates, gain
from pages.components import figures, look
from pages.components.entries import Entry
from pages.components.links import Page

KEY = "bits"
EXPLANATION = (
    "- **Against bits**: the size of a code means little until the precision of its numbers is fixed. Here each number "
    "is rounded to whole steps and packed by an entropy coder into real bytes, from which the picture is made. "
    "Further up and further left is better. PCA is kept in the same way. Of JPEG, WebP and AVIF it is the files' "
    "bits without their headers, which at this size would be most of them; JPEG's hold the Huffman tables that suit "
    "each picture.\n"
)
_HEIGHT = 430
# Their lines are grey, as those of one model are too; their dashes belong to no model.
_CODECS = {"jpeg": ("JPEG", "longdash"), "webp": ("WebP", "longdashdot"), "avif": ("AVIF", "2px,5px")}


def published(dataset: str, root: Path) -> Rates | None:
    """The curves of a data set, None where none are published for it; raises `PublishedError` for a damaged file."""
    return rates.curves(dataset, root) if dataset in rates.PUBLISHED else None


def chosen(page: Page) -> bool:
    """Whether a person wants bits in place of numbers."""
    options = ["Code size", "Bits per picture"]
    help = "How much is kept of a picture: how many numbers, or in how many bits these can be packed."
    return page.segments("Against", options, "against", help) == options[1]


def show(entries: Sequence[Entry], faint: Sequence[Entry], rates: Rates) -> None:
    """Draw the curves of `entries`, those of `faint` in the background, with PCA's and the codecs'."""
    figure = go.Figure()
    for curve in rates.curves:
        if curve.kind != "autoencoder":
            title, dash = _CODECS.get(curve.name, ("PCA", "solid"))
            line = {"color": look.GREY, "dash": dash, "width": 3 if curve.kind == "pca" else 1.5}
            _line(figure, curve, title, line=line)
    by_name = {curve.name: curve for curve in rates.curves}
    for entry in [*faint, *entries]:
        own = by_name.get(entry.label)
        if entry.run and own:
            style = {"line": figures.line(entry.run), "marker": figures.marker(entry.run) | {"size": 6}}
            _line(figure, own, entry.label, rates.pca, opacity=0.25 if entry in faint else 1, **style)
    figure.update_layout(
        height=_HEIGHT,
        hovermode="closest",
        modebar={"orientation": "v"},  # the legend fills the line where it would lie
        xaxis=figures.log_axis("Bits per picture", range=(log10(100), log10(60_000))),
        yaxis={"title": "Pooled PSNR, dB", "range": [14, 45]},
    )
    points = "; ".join(
        f"{curve.name} from {curve.points[0].psnr:.1f} dB at {curve.points[0].bits:,.0f} bits to "
        f"{curve.points[-1].psnr:.1f} dB at {curve.points[-1].bits:,.0f}"
        for curve in rates.curves
    )
    alt = f"Pooled PSNR against bits per picture: {points}."
    figures.show(figure, key=KEY, alt=alt, name="decibels-against-bits")


def _line(figure: go.Figure, curve: Curve, title: str, pca: Curve | None = None, **drawn: Any) -> None:
    # A picture given back exactly has no place on this axis.
    points = tuple(point for point in curve.points if isfinite(point.psnr))
    gains = gain(replace(curve, points=points), pca) if pca else [None] * len(points)
    figure.add_scatter(
        x=[point.bits for point in points],
        y=[point.psnr for point in points],
        name=title,
        mode="lines+markers" if pca else "lines",
        customdata=["" if over is None else f"<br>{over:+.2f} dB over PCA at equal bits" for over in gains],
        hovertemplate=f"<b>{title}</b><br>%{{x:,.0f}} bits, %{{y:.2f}} dB%{{customdata}}<extra></extra>",
        **drawn,
    )


def caption(entries: Sequence[Entry], rates: Rates) -> None:
    """What the curves were measured on, and which of `entries` have none."""
    known = {curve.name for curve in rates.curves}
    without = [entry.label for entry in entries if entry.run and entry.label not in known]
    nothing = f" Nothing is published of {look.listed(without)}." if without else ""
    st.caption(f"{rates.method}.{nothing}")


def verdict(entries: Sequence[Entry], rates: Rates) -> str:
    """The number to quote, in a sentence: dB above PCA at equal bits, at best."""
    named = {entry.label for entry in entries}
    best = {
        curve.name: max(known)
        for curve in rates.curves
        if curve.name in named and (known := [over for over in gain(curve, rates.pca) if over is not None])
    }
    if not best:
        return ""
    nearest = max(best, key=best.__getitem__)
    above = [name for name, over in best.items() if over > 0]
    if above:
        return f"At equal bits {', '.join(above)} can do better than PCA, {nearest} by up to {best[nearest]:.2f} dB."
    return (
        f"At equal bits no autoencoder here does better than PCA: {nearest} comes nearest, "
        f"{-best[nearest]:.2f} dB below it."
    )
