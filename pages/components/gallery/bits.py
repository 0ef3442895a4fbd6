"""Decibels against bits per picture: every autoencoder's code, quantised and entropy-coded, beside PCA and codecs."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, log10
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from aecore.studies import rates
from aecore.studies.rates import Curve, Lead, Rates
from pages.components import figures, look
from pages.components.entries import Entry
from pages.components.links import Page

KEY = "bits"
EXPLANATION = (
    "- **Against bits**: the size of a code means little until the precision of its numbers is fixed. Here each number "
    "is quantised, with a dead zone around zero. An entropy coder packs each picture's code into bytes, and the "
    "picture is decoded from them. Further up and further left is better. PCA is stored in the same way. A bar at the "
    "top marks where a model leads PCA: at equal bits it is more than "
    f"{rates.SMALLEST_LEAD:g} dB better, and the 95% interval of the difference lies above zero. The label gives "
    "the difference at the setting chosen on validation pictures, ± half its interval (Student's t over the "
    "pictures). For JPEG, WebP and AVIF the file headers are not counted: at this picture size they would be most of "
    "the bits. JPEG's Huffman tables are counted.\n"
)
_HEIGHT = 430
_FEWEST, _MOST = 50, 60_000  # bits that are drawn
_LOWEST, _HIGHEST = 14, 49  # decibels that are drawn
_TOP, _ROW = 47, 2  # dB: where the first bar of a model that leads PCA lies, and how far below it the next
# Of a name: decibels that it is high, and factor of bits that a letter is wide, in a figure 1,000 pixels wide.
_LINE, _LETTER = 1.4, 1.041
# Their lines are grey, as those of one model are too; their dashes belong to no model.
_CODECS = {"jpeg": ("JPEG", "longdash"), "webp": ("WebP", "longdashdot"), "avif": ("AVIF", "2px,5px")}


def published(dataset: str, root: Path) -> Rates | None:
    """The curves of a data set, None where none are published for it; raises `PublishedError` for a damaged file."""
    return rates.curves(dataset, root) if dataset in rates.PUBLISHED else None


def chosen(page: Page) -> bool:
    """Whether a person wants bits in place of numbers."""
    options = ["Code size", "Bits per picture"]
    help = "The size of the code: how many numbers, or how many bits after quantisation and entropy coding."
    return page.segments("Against", options, "against", help) == options[1]


def show(entries: Sequence[Entry], faint: Sequence[Entry], rates: Rates) -> None:
    """Draw the curves of `entries`, those of `faint` in the background, with PCA's and the codecs'."""
    figure = go.Figure()
    for curve in rates.curves:
        if curve.kind != "autoencoder":
            title, dash = _CODECS.get(curve.name, ("PCA", "solid"))
            line = {"color": look.GREY, "dash": dash, "width": 3 if curve.kind == "pca" else 1.5}
            _line(figure, curve, title, mode="lines", line=line)
    by_name, leading = {curve.name: curve for curve in rates.curves}, list[tuple[Curve, str]]()
    for entry in [*faint, *entries]:
        own = by_name.get(entry.label)
        if entry.run and own:
            color = look.family_color(entry.family)
            line = figures.line(entry.run) | {"color": color}
            opacity = 0.25 if entry in faint else 1
            _line(figure, own, entry.label, opacity=opacity, mode="lines", line=line, showlegend=False)
            if entry in entries and own.windows:
                leading.append((own, color))
    # Further down, the curves reach further to the left.
    leading.sort(key=lambda one: -one[0].windows[-1][-1].bits)
    for row, (own, color) in enumerate(leading):
        _bars(figure, own, color, row)
    _names(figure, [by_name[entry.label] for entry in entries if entry.run and entry.label in by_name])
    figure.update_layout(
        height=_HEIGHT,
        hovermode="closest",
        xaxis=figures.log_axis("Bits per picture", range=(log10(_FEWEST), log10(_MOST))),
        yaxis={"title": "Pooled PSNR, dB", "range": [_LOWEST, _HIGHEST]},
    )
    points = "; ".join(map(_in_words, rates.curves))
    alt = f"Pooled PSNR against bits per picture: {points}."
    figures.show(figure, key=KEY, alt=alt, name="decibels-against-bits")


def _in_words(curve: Curve) -> str:
    first, last = curve.points[0], curve.points[-1]
    leads = f", leading PCA at {curve.windows_text} bits" if curve.windows else ""
    return (
        f"{curve.name} from {first.psnr:.1f} dB at {first.bits:,.0f} bits to {last.psnr:.1f} dB at {last.bits:,.0f}"
        f"{leads}"
    )


def _bars(figure: go.Figure, curve: Curve, color: str, row: int) -> None:
    """Mark from how many bits to how many a curve leads PCA, in the empty corner above all curves."""
    best = curve.best_point
    lead = f": {_text(best.over_pca)}" if best and best.over_pca else ""
    windows = curve.windows
    for points in windows:
        label = f" {curve.name} leads PCA{lead}" if points is windows[-1] else ""
        figure.add_scatter(
            x=[points[0].bits, points[-1].bits],
            y=[_TOP - _ROW * row] * 2,
            mode="lines+text",
            line={"color": color, "width": 8},
            text=["", label],
            textposition="middle right",
            name=curve.name,
            showlegend=False,
            hovertemplate=f"<b>{curve.name}</b><br>leads PCA at {curve.windows_text} bits<extra></extra>",
        )


def _names(figure: go.Figure, curves: Sequence[Curve]) -> None:
    """The name of each curve where it ends, further down where another name is in the way."""
    drawn = ([point for point in curve.points if point.bits <= _MOST and isfinite(point.psnr)] for curve in curves)
    ends = [(points[-1], curve.name) for curve, points in zip(curves, drawn, strict=True) if points]
    placed = list[tuple[float, float, float]]()  # where each begins and ends, and its height
    for end, name in sorted(ends, key=lambda known: -known[0].psnr):
        width = _LETTER ** (len(name) + 1)
        begin = min(end.bits, _MOST / width)
        free = height = end.psnr + (_LINE / 2 if begin < end.bits else 0)
        for first, last, other in placed:
            if first < begin * width and begin < last and abs(other - height) < _LINE:
                height = other - _LINE
        placed.append((begin, begin * width, height))
        text = {"text": name, "xanchor": "left", "font": {"size": 11}}
        if height == free:
            figure.add_annotation(x=log10(begin), y=height, showarrow=False, xshift=4, **text)
            continue
        # A thin line leads from the curve's end to a name that had to move.
        line = {"showarrow": True, "arrowhead": 0, "arrowwidth": 1, "arrowcolor": look.GREY}
        figure.add_annotation(
            x=log10(end.bits), y=end.psnr, ax=log10(begin) + 0.01, ay=height, axref="x", ayref="y", **line, **text
        )


def _line(figure: go.Figure, curve: Curve, title: str, **drawn: Any) -> None:
    # A picture given back exactly has no place on this axis.
    points = [point for point in curve.points if isfinite(point.psnr)]
    figure.add_scatter(
        x=[point.bits for point in points],
        y=[point.psnr for point in points],
        name=title,
        customdata=[
            f"<br>{_text(point.over_pca)} over PCA at equal bits" if point.over_pca else "" for point in points
        ],
        hovertemplate=f"<b>{title}</b><br>%{{x:,.0f}} bits, %{{y:.2f}} dB%{{customdata}}<extra></extra>",
        **drawn,
    )


def _text(lead: Lead) -> str:
    return f"{lead.decibels:+z.2f} ± {lead.margin:.2f} dB".replace("-", "−")


def caption(entries: Sequence[Entry], rates: Rates) -> None:
    """What the curves were measured on, and which of `entries` have none."""
    known = {curve.name for curve in rates.curves}
    without = [entry.label for entry in entries if entry.run and entry.label not in known]
    nothing = f" No curve is published for {look.listed(without)}." if without else ""
    st.caption(f"{rates.method}.{nothing}")


def verdict(entries: Sequence[Entry], rates: Rates) -> str:
    """Which of `entries` lead PCA at equal bits and where, or which comes nearest."""
    named = {entry.label for entry in entries}
    shown = [curve for curve in rates.curves if curve.name in named]
    best = [
        (over, curve.name, point.bits) for curve in shown if (point := curve.best_point) and (over := point.over_pca)
    ]
    if not best:
        return ""
    over, name, bits = max(best, key=lambda known: known[0].decibels)
    difference = f"{_text(over)} at {bits:,.0f} bits"
    leading = [f"{curve.name} at {curve.windows_text} bits" for curve in shown if curve.windows]
    if not leading:
        return f"At equal bits no autoencoder here leads PCA. {name} comes nearest: {difference}."
    return (
        f"At equal bits only these autoencoders lead PCA: {'; '.join(leading)}. The largest difference "
        f"is that of {name}: {difference}."
    )
