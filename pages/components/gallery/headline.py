"""The headline figure: decibels against code size, and PCA at every code size as the line to beat."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import isfinite, log10, prod
from pathlib import Path
from statistics import fmean
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
    .st-key-headline-box::before { content: "Swipe the figure sideways →"; font-size: 0.8rem; opacity: 0.75;
      position: sticky; left: 0; width: max-content; }
    .st-key-headline-box .draglayer * { pointer-events: none !important; }
  }
</style>
"""
EXPLANATION = (
    "- **The figure**: one point per trained model, coloured by family. Further up is better, further left a smaller "
    "code. A model trained with several seeds is drawn at their mean, with a bar of ± one standard deviation. The line "
    "is PCA, the best that any linear autoencoder can do with as many numbers; a model above it does better. In the "
    "shaded part the code is larger than the picture, so copying it would be enough. Denoisers are left out, because "
    "their error is measured under noise, and so are models without a code, and those that are trained for bits "
    "instead of numbers. Click a point to open its system.\n"
)
_HEIGHT = 400
_PLOT_HEIGHT = 320  # of it, between the axes: labels are set apart by these pixels
_LABEL = 15
_LIFT = 9


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


def of_numbers(entries: Sequence[Entry]) -> list[Entry]:
    """Those whose code is measured by its numbers; with an entropy model it is measured in bits."""
    return [entry for entry in entries if not entry.architecture.entropy_model]


def families(entries: Sequence[Entry]) -> str:
    """Which colour stands for which family, as HTML."""
    names = dict.fromkeys(entry.family for entry in entries)
    marks = "".join(f'<span><span style="color:{look.family_color(name)}">■</span> {name}</span>' for name in names)
    return f'<div style="display:flex;flex-wrap:wrap;gap:0 1.2rem;font-size:0.85rem">{marks}</div>'


def verdict(entries: Sequence[Entry], curve: Curve | None) -> str:
    """What the figure shows, in a sentence or two."""
    exact = [entry.label for entry in entries if not isfinite(psnr(entry))]
    edge = f"{look.listed(exact)}: no error on any picture, drawn at the upper edge." if exact else ""
    low, _ = _range(entries)
    if below := [f"{entry.label} ({psnr_text(psnr(entry))})" for entry in entries if psnr(entry) < low]:
        edge += f" Drawn at the lower edge: {look.listed(below)}."
    if curve is None:
        return edge.strip()
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
    return fmean(run.totals.mse for run in entry.runs)


def psnr(entry: Entry) -> float:
    """Pooled test PSNR in dB, the mean over the seeds."""
    assert entry.group is not None, "only what is trained is drawn"
    return entry.group.psnr


def _range(entries: Sequence[Entry]) -> tuple[float, float]:
    """The decibels of the axis's ends, which a person's own poor run does not move."""
    systems = [entry for entry in entries if not entry.is_own_run] or entries
    lowest = [psnr(entry) for entry in systems if isfinite(psnr(entry))]
    highest = [psnr(entry) for entry in entries if isfinite(psnr(entry))]
    return min(lowest, default=0.0) - 2, max(highest, default=60.0) + 5


def show(entries: Sequence[Entry], faint: Sequence[Entry], curve: Curve | None, dataset_title: str) -> str | None:
    """Draw the figure, those of `faint` in the background, and return the label of the point that was clicked."""
    everyone = [*entries, *faint]
    numbers = prod(everyone[0].architecture.input_shape)
    sizes = [_code(entry) for entry in everyone]
    across = log10(min(sizes) / 2.5), log10(max(*sizes, numbers) * 3)
    up = _range(everyone)
    figure = go.Figure()
    _input_size(figure, numbers, across[1])
    if curve:
        _pca(figure, curve, across, up)
    for entry in everyone:
        _point(figure, entry, _drawn(entry, up), curve, faint=entry in faint)
    _labels(figure, [(_code(entry), _drawn(entry, up), entry.label) for entry in entries], curve, up, numbers)
    figure.update_layout(
        height=_HEIGHT,
        showlegend=False,
        hovermode="closest",
        # Nothing is hidden outside: a finger scrolls past the figure, and does not move it.
        xaxis=figures.log_axis("Code size, numbers", range=across, fixedrange=True),
        yaxis={"title": "Pooled test PSNR, dB", "range": up, "fixedrange": True},
    )
    points = "; ".join(f"{entry.label} {psnr_text(psnr(entry))} at {_code(entry):,}" for entry in entries)
    state = figures.show(
        figure,
        key=KEY,
        alt=f"Pooled test PSNR against code size on {dataset_title}: {points}. PCA at every code size as a line.",
        name=f"decibels-against-code-size-{dataset_title.lower()}",
        on_select="rerun",
        selection_mode="points",
    )
    return clicked(state)


def clicked(state: Any) -> str | None:
    """The label of the point that was selected, if one was."""
    points = state["selection"]["points"] if state else []
    label = points[0].get("customdata") if points else None
    return str(label[0] if isinstance(label, list | tuple) else label) if label else None


def _drawn(entry: Entry, up: tuple[float, float]) -> float:
    """Where it is drawn, in decibels: within the axis."""
    return min(max(psnr(entry), up[0] + 0.5), up[1] - 0.5)


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
    seen = [(size, decibels(error)) for size, error in zip(curve.components, curve.mse, strict=True) if size and error]
    figure.add_scatter(
        x=[size for size, _ in seen],
        y=[height for _, height in seen],
        mode="lines",
        line={"color": look.GREY, "width": 2},
        hovertemplate="PCA, %{x:,} components<br>%{y:.1f} dB<extra></extra>",
    )
    inside = [(log10(size), height) for size, height in seen]
    inside = [(x, y) for x, y in inside if across[0] < x < across[1] and up[0] < y < up[1]]
    if inside:
        x, y = inside[len(inside) * 4 // 5]
        figure.add_annotation(
            x=x,
            y=y,
            text="PCA, same code size",
            showarrow=False,
            font={"size": 12},
            xanchor="left",
            yanchor="top",
            xshift=8,
        )


def _point(figure: go.Figure, entry: Entry, height: float, curve: Curve | None, *, faint: bool) -> None:
    assert entry.run is not None
    error = mse(entry)
    best = curve.at(_code(entry)) if curve else None
    against = f"<br>{error / best:.3g} times PCA's error" if best else ""
    marker = figures.marker(entry.run) | {"color": look.family_color(entry.family)}
    spread = entry.group.deviation if entry.group else None
    several = spread is not None
    seeds = f"<br>mean of {len(entry.runs)} seeds" if len(entry.runs) > 1 else ""
    figure.add_scatter(
        x=[_code(entry)],
        y=[height],
        mode="markers",
        name=entry.label,
        marker=marker | {"size": 11, "line": {"width": 0}},
        error_y={"array": [spread], "color": marker["color"], "thickness": 1.5, "width": 5, "visible": several},
        opacity=0.25 if faint else 1,
        customdata=[entry.label],
        hovertemplate=f"<b>{entry.label}</b><br>code of {_code(entry):,} numbers<br>"
        f"{entry.psnr}, MSE {error:.3g}{seeds}{against}<extra></extra>",
    )


def _labels(
    figure: go.Figure,
    points: Sequence[tuple[int, float, str]],
    curve: Curve | None,
    up: tuple[float, float],
    numbers: int,
) -> None:
    """A name beside each point, given as (code size, decibels, name).

    Of points above each other the lower ones' names move down until they are apart.
    """
    for code, group in groupby(sorted(points, key=lambda point: (point[0], -point[1])), key=lambda point: point[0]):
        left = code < numbers  # a name on the right would run into the line at the picture's own size
        best = curve.at(code) if curve else None
        free = 0.0
        for _, height, name in group:
            # PCA's line rises to the right: above and left of a point that is near it, it is not in the way.
            lift = _LIFT if best and -1 < height - decibels(best) < 2 else 0
            place = (up[1] - height) / (up[1] - up[0]) * _PLOT_HEIGHT - lift
            put = max(place, free)
            free = put + _LABEL
            if put <= _PLOT_HEIGHT:
                figure.add_annotation(
                    x=log10(code),
                    y=height,
                    text=name,
                    showarrow=False,
                    font={"size": 12},
                    xanchor="right" if left else "left",
                    xshift=-10 if left else 10,
                    yshift=place - put + lift,
                )
