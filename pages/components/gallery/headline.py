"""The headline figure: reconstruction error against code size, and PCA at every code size as the line to beat."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import log10, prod
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import plotly.graph_objects as go

from aecore.measuring.totals import decibels, psnr_text
from aecore.studies.pca_curves import PUBLISHED, Curve, pca_curve
from pages.components import figures, look
from pages.components.entries import Entry

KEY = "headline"
# The labels stand beside the points: where the page is narrower than they need, the figure scrolls in its own box.
# Plotly keeps every touch for itself, so there a point is not tapped: its card below opens the system too.
STYLE = """
<style>
  @media (max-width: 640px) {
    .st-key-headline-box { overflow-x: auto; }
    .st-key-headline-box > * { min-width: 960px; }
    .st-key-headline-box .draglayer * { pointer-events: none !important; }
  }
</style>
"""
EXPLANATION = (
    "- **The figure**: one point per trained model, further down is better, further left is a smaller code. Of several "
    "seeds it is the mean of their errors, with a bar of ± one standard deviation. The line is PCA, the best that any "
    "linear autoencoder can do with as many numbers; a model below it does better. "
    "In the shaded part the code is larger than the picture, so that copying it would do. Denoisers are left out, "
    "because their error is measured under noise, and so is a model without a code. Click a point to open its system.\n"
)
_HEIGHT = 430
_PLOT_HEIGHT = 340  # of it, between the axes: labels are set apart by these pixels
_LABEL = 15


def published(dataset: str, root: Path) -> Curve | None:
    """PCA's curve for a data set, None where none is published; raises `PublishedError` for a damaged file."""
    return pca_curve(dataset, root) if dataset in PUBLISHED else None


def comparable(entries: Sequence[Entry], dataset: str) -> list[Entry]:
    """The trained systems of a data set that have a code, and whose error is that of the clean picture.

    Denoisers are scored under noise.
    """
    return [
        entry
        for entry in entries
        if entry.run and entry.dataset == dataset and not entry.recipe.noise and entry.architecture.code
    ]


def verdict(entries: Sequence[Entry], curve: Curve | None) -> str:
    """What the figure shows, in a sentence or two."""
    exact = [entry.label for entry in entries if mse(entry) == 0]
    edge = f"{look.listed(exact)}: no error on any picture, drawn at the lower edge." if exact else ""
    if curve is None:
        return edge
    against = {
        entry.label: error / best for entry in entries if (error := mse(entry)) and (best := curve.at(_code(entry)))
    }
    larger = [entry for entry in entries if _code(entry) >= prod(entry.architecture.input_shape)]
    better = [label for label, ratio in against.items() if ratio < 1]
    sentence = ""
    if against:
        nearest = min(against, key=against.__getitem__)
        sentence = (
            f"Better than PCA with as many numbers: {look.listed(better)}."
            if better
            else f"No model here does better than PCA with as many numbers; {nearest} comes nearest, with "
            f"{against[nearest]:.3g} times its error."
        )
    if larger:
        sentence += (
            f" The code of {look.listed([entry.label for entry in larger])} holds more numbers than the picture."
        )
    return f"{sentence} {edge}".strip()


def mse(entry: Entry) -> float:
    """Mean squared error over all test pictures, and over the seeds."""
    return fmean(_errors(entry))


def _errors(entry: Entry) -> list[float]:
    return [run.totals.mse for run in entry.runs]


def show(entries: Sequence[Entry], faint: Sequence[Entry], curve: Curve | None, dataset_title: str) -> str | None:
    """Draw the figure, those of `faint` in the background, and return the label of the point that was clicked."""
    everyone = [*entries, *faint]
    numbers = prod(everyone[0].architecture.input_shape)
    sizes = [_code(entry) for entry in everyone]
    errors = [_drawn(entry, everyone) for entry in everyone]
    across = log10(min(sizes) / 2.5), log10(max(*sizes, numbers) * 3)
    up = log10(min(errors) / 4), log10(max(errors) * 2)
    figure = go.Figure()
    _input_size(figure, numbers, across[1])
    if curve:
        _pca(figure, curve, across, up)
    for entry in everyone:
        _point(figure, entry, _drawn(entry, everyone), curve, faint=entry in faint)
    _labels(figure, [(_code(entry), _drawn(entry, everyone), entry.label) for entry in entries], curve, up, numbers)
    text = [f"{tick:,.10g} · {decibels(tick):.0f} dB" for tick in figures.TICKS]
    figure.update_layout(
        height=_HEIGHT,
        showlegend=False,
        hovermode="closest",
        # Nothing is hidden outside: a finger scrolls past the figure, and does not move it.
        xaxis=figures.log_axis("Code size, numbers", range=across, fixedrange=True),
        yaxis=figures.log_axis("Test MSE · pooled PSNR", range=up, ticktext=text, fixedrange=True),
    )
    points = "; ".join(f"{entry.label} {mse(entry):.3g} at {_code(entry):,}" for entry in entries)
    state = figures.show(
        figure,
        key=KEY,
        alt=f"Test MSE against code size on {dataset_title}: {points}. PCA at every code size as a line.",
        name=f"error-against-code-size-{dataset_title.lower()}",
        on_select="rerun",
        selection_mode="points",
    )
    return clicked(state)


def clicked(state: Any) -> str | None:
    """The label of the point that was selected, if one was."""
    points = state["selection"]["points"] if state else []
    label = points[0].get("customdata") if points else None
    return str(label[0] if isinstance(label, list | tuple) else label) if label else None


def _drawn(entry: Entry, everyone: Sequence[Entry]) -> float:
    """Its error on the axis: where there is none, a tenth of the least one, because a logarithm has no zero."""
    return mse(entry) or min(filter(None, map(mse, everyone)), default=1e-6) / 10


def _code(entry: Entry) -> int:
    size = entry.architecture.code_size
    assert size is not None, "`comparable` leaves out what has no code"
    return size


def _input_size(figure: go.Figure, numbers: int, end: float) -> None:
    """Where the code is as large as the picture, and what lies beyond."""
    figure.add_vrect(numbers, 10**end, fillcolor=look.GREY, opacity=0.1, line_width=0, layer="below")
    figure.add_vline(numbers, line={"color": look.GREY, "width": 1, "dash": "dot"})
    figure.add_annotation(
        x=log10(numbers),
        y=1,
        yref="paper",
        text=f"the picture: {numbers:,} numbers",
        showarrow=False,
        xanchor="left",
        yanchor="top",
        xshift=6,
        font={"size": 12},
    )


def _pca(figure: go.Figure, curve: Curve, across: tuple[float, float], up: tuple[float, float]) -> None:
    seen = [(size, error) for size, error in zip(curve.components, curve.mse, strict=True) if size and error]
    figure.add_scatter(
        x=[size for size, _ in seen],
        y=[error for _, error in seen],
        mode="lines",
        line={"color": look.GREY, "width": 2},
        hovertemplate="PCA, %{x:,} components<br>MSE %{y:.3g}<extra></extra>",
    )
    inside = [(log10(size), log10(error)) for size, error in seen]
    inside = [(x, y) for x, y in inside if across[0] < x < across[1] and up[0] < y < up[1]]
    if inside:
        x, y = inside[len(inside) // 4]
        figure.add_annotation(
            x=x,
            y=y,
            text="PCA, same code size",
            showarrow=False,
            font={"size": 12},
            xanchor="left",
            yanchor="bottom",
            xshift=4,
            yshift=4,
        )


def _point(figure: go.Figure, entry: Entry, height: float, curve: Curve | None, *, faint: bool) -> None:
    assert entry.run is not None
    error = mse(entry)
    best = curve.at(_code(entry)) if curve else None
    against = f"<br>{error / best:.3g} times PCA's error" if best else ""
    marker, several = figures.marker(entry.run), len(entry.runs) > 1
    spread = stdev(_errors(entry)) if several else None
    seeds = f"<br>{len(entry.runs)} seeds, MSE ± {spread:.2g}" if several else ""
    figure.add_scatter(
        x=[_code(entry)],
        y=[height],
        mode="markers",
        name=entry.label,
        marker=marker | {"size": 11, "line": {"width": 0}},
        error_y={"array": [spread], "color": marker["color"], "thickness": 1.5, "width": 5, "visible": several},
        opacity=0.25 if faint else 1,
        customdata=[entry.label],
        hovertemplate=f"<b>{entry.label}</b><br>code size {_code(entry):,}<br>MSE {error:.3g}, "
        f"{psnr_text(decibels(error))}{seeds}{against}<extra></extra>",
    )


def _labels(
    figure: go.Figure,
    points: Sequence[tuple[int, float, str]],
    curve: Curve | None,
    up: tuple[float, float],
    numbers: int,
) -> None:
    """A name beside each point, given as (code size, drawn error, name).

    Of points above each other the lower ones' names move down until they are apart.
    """
    for code, group in groupby(sorted(points, key=lambda point: (point[0], -point[1])), key=lambda point: point[0]):
        # Names right of the point, but for those that would run into the line at the picture's own size.
        near = 0.4 * numbers < code < numbers
        best = curve.at(code) if curve else None
        free = 0.0
        for _, error, name in group:
            # PCA's line falls to the right: beside a point on it, only the left is free.
            left = near or (best is not None and 0.8 * best < error < 1.25 * best)
            place = (up[1] - log10(error)) / (up[1] - up[0]) * _PLOT_HEIGHT
            put = max(place, free)
            free = put + _LABEL
            if put <= _PLOT_HEIGHT:
                figure.add_annotation(
                    x=log10(code),
                    y=log10(error),
                    text=name,
                    showarrow=False,
                    font={"size": 12},
                    xanchor="right" if left else "left",
                    xshift=-10 if left else 10,
                    yshift=place - put,
                )
