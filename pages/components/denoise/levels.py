"""Which denoiser is best at which level: the published measurements as curves and as a coloured table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import inf
from statistics import fmean
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from aecore.data.noise import Noise
from aecore.models import zoo
from aecore.studies import ceiling
from aecore.studies.contestants import Contestant
from aecore.studies.denoising import NO_NETWORK, NOISY, SUBSET, Bits, Curves, Point, level_text
from pages.components import figures, look

# A field of `Point`; a gain is the PSNR above that of the Wiener filter, a share the part of the possible gain in %.
Metric = Literal["gain", "share", "psnr", "psnr_pooled", "ssim", "gain_subset", "psnr_subset", "ssim_subset"]
Line = Mapping[float, float]  # a denoiser's metric by rising level

REFERENCE = "wiener"
# In pooled PSNR, as the ceiling is: slow denoisers, measured on few pictures, cannot be compared here.
POOLED: tuple[Metric, ...] = ("share", "psnr_pooled")
LEAST = "least possible error"
_KINDS = {"gain": "dB above the Wiener filter", "psnr": "PSNR, mean over pictures, dB", "ssim": "SSIM"}
TITLES: dict[Metric, str] = {
    "gain": _KINDS["gain"],
    "share": "Share of the possible gain, %",
    "psnr": _KINDS["psnr"],
    "psnr_pooled": "PSNR, pooled over pictures, dB",
    "ssim": _KINDS["ssim"],
    "gain_subset": _KINDS["gain"],
    "psnr_subset": _KINDS["psnr"],
    "ssim_subset": _KINDS["ssim"],
}
_LOWEST_GAIN = -4.0  # dB: what does worse than that leaves the figure at its lower edge
_LOWEST_SHARE = -50.0  # %
_HEIGHT = 360
# On a narrow page the table scrolls in its own box. Plotly takes every touch, so that on a phone the page could not be
# scrolled past a figure.
_STYLE = """
<style>
  @media (max-width: 640px) {
    .st-key-trained-and-tested-box { overflow-x: auto; }
    .st-key-trained-and-tested-box > * { min-width: 640px; }
    .st-key-who-wins-box .draglayer *, .st-key-trained-and-tested-box .draglayer * { pointer-events: none !important; }
  }
</style>
"""
_ROW = 34  # of the table, in pixels
WORST = 6.0  # dB below the best, where the table's colours end


@dataclass(frozen=True)
class Crossing:
    """Above `level` the denoiser `better` does better than `worse`; below it, the other way round."""

    level: float
    better: str
    worse: str


def line(curves: Curves, name: str, metric: Metric) -> Line:
    """What was measured of a denoiser, without the levels at which its output has no error."""
    if metric == "gain" or metric == "gain_subset":
        absolute: Metric = "psnr" if metric == "gain" else "psnr_subset"
        own, reference = line(curves, name, absolute), line(curves, REFERENCE, absolute)
        return {level: value - reference[level] for level, value in own.items() if level in reference}
    if metric == "share":
        return {level: 100 * share for level, share in ceiling.shares(curves, name).items()}
    values = {point.level: getattr(point, metric) for point in curves.of(name)}
    return {level: value for level, value in values.items() if value is not None}


def crossings(lines: Mapping[str, Line]) -> list[Crossing]:
    """Where one line overtakes another, by rising level, interpolated between two levels that both have.

    A crossing that rounds to the last of these levels is left out: beyond it nothing was measured.
    """
    overtakings = []
    for one, other in combinations(lines, 2):
        apart = [(level, lines[one][level] - lines[other][level]) for level in lines[one] if level in lines[other]]
        for (low, before), (high, after) in pairwise([point for point in apart if point[1]]):
            if before * after < 0:
                level = low + (high - low) * before / (before - after)
                if f"{level:.2g}" == f"{apart[-1][0]:.2g}":
                    continue
                overtakings.append(Crossing(level, *((one, other) if after > 0 else (other, one))))
    return sorted(overtakings, key=lambda crossing: crossing.level)


def leads(lines: Mapping[str, Line]) -> list[tuple[float, str]]:
    """From which level on which denoiser is best, over the levels at which all were measured."""
    low, high = max(map(min, lines.values())), min(map(max, lines.values()))
    between = [crossing.level for crossing in crossings(lines) if low < crossing.level < high]
    leaders = list[tuple[float, str]]()
    for start, end in pairwise([low, *between, high]):
        there = {name: _at(curve, (start + end) / 2) for name, curve in lines.items()}
        best = max(there, key=there.__getitem__)
        if not leaders or leaders[-1][1] != best:
            leaders.append((start, best))
    return leaders


def _at(line: Line, level: float) -> float:
    return float(np.interp(level, list(line), list(line.values())))


def leading(leaders: Sequence[tuple[float, str]]) -> str:
    """Which denoiser is best where, in a sentence."""
    names = [f"**{name}**" for _, name in leaders]
    # Without noise a classical method that is given the level makes no error, so the curves begin above zero.
    start = f" from σ {leaders[0][0]:.2g}" if leaders[0][0] else ""
    if len(leaders) == 1:
        return f"Of these, {names[0]} is best at every measured level{start and start + ' on'}."
    ends = [f"σ {level:.2g}" for level, _ in leaders[1:]]
    parts = [f"{names[0]} is best{start} up to {ends[0]}"]
    parts += [f"{name} from there up to {end}" for name, end in zip(names[1:], ends[1:], strict=False)]
    return f"Of these, {', '.join(parts)} and {names[-1]} under stronger noise."


def ranking(curves: Curves, labels: Mapping[str, str], wanted: float, by: Metric) -> str:
    """How the denoisers, by published name, come out at the measured level nearest to `wanted`, the best one first.

    They are ordered `by` a field of `Point` in dB. The lead over the second is there with its interval, where that was
    measured; a pooled PSNR has none.
    """
    level = nearest(curves, wanted)
    points = {name: point for name in labels if (point := curves.at(name, level))}
    psnrs = {name: getattr(point, by) for name, point in points.items()}
    order = sorted((name for name, psnr in psnrs.items() if psnr is not None), key=lambda name: -psnrs[name])
    if len(order) < 2:
        return ""
    where = f"At σ {level_text(level)}" + (", the nearest measured level" if abs(level - wanted) > 1e-3 else "")
    where += ", in pooled PSNR" if by in POOLED else ""
    first, *others = [f"{labels[name]} {psnrs[name]:.1f} dB" for name in order]
    text = f"{where}: **{first}**, {', '.join(others)}."
    if by in POOLED:
        return text
    best, second = order[:2]
    over = points[best].over.get(second)
    if over is None and (under := points[second].over.get(best)):
        over = -under[0], -under[2], -under[1]
    if over:
        shown = "" if over[1] > 0 else ", which leaves open which is better"
        interval = f"{over[1]:+.2f} to {over[2]:+.2f}".replace("-", "−")
        text += (
            f" {labels[best]} leads {labels[second]} by **{over[0]:.2f} dB** "
            f":gray[(95% interval {interval}, on the first {SUBSET} pictures{shown})]."
        )
    return text


def in_decibels(metric: Metric, subset: bool) -> Metric:
    """The field of `Point` in dB that goes with a metric; with `subset`, on what slow denoisers were measured on."""
    return "psnr_pooled" if metric in POOLED else "psnr_subset" if subset else "psnr"


def overtaking(crossing: Crossing) -> str:
    """One crossing in words."""
    return f"Above σ {crossing.level:.2g}, **{crossing.better}** does better than {crossing.worse}."


def figure(
    curves: Curves, chosen: Sequence[Contestant], metric: Metric, level: float | None, crossings: Sequence[Crossing]
) -> None:
    """One line per denoiser over the levels, the noisy pictures in grey, and the chosen `level` as a vertical line."""
    drawn = go.Figure()
    shown = _hover(metric)
    noisy = line(curves, NOISY, metric) if metric != "share" else {}
    if top := _ceiling(curves, metric):
        drawn.add_scatter(
            x=list(top),
            y=list(top.values()),
            name=LEAST,
            mode="lines",
            line={"color": look.GREY, "width": 2, "dash": "dashdot"},
            customdata=[level_text(level) for level in top],
            hovertemplate=shown,
        )
    if noisy:
        drawn.add_scatter(
            x=list(noisy),
            y=list(noisy.values()),
            name="noisy",
            mode="lines",
            line={"color": look.GREY, "width": 1},
            customdata=[level_text(level) for level in noisy],
            hovertemplate=shown,
        )
    lines = {contestant.label: line(curves, contestant.published or "", metric) for contestant in chosen}
    for contestant in chosen:
        seen = lines[contestant.label]
        drawn.add_scatter(
            x=list(seen),
            y=list(seen.values()),
            name=contestant.label,
            legendgroup=contestant.label,
            mode="lines+markers",
            line=figures.line(contestant),
            marker=figures.marker(contestant) | {"size": 7},
            customdata=[level_text(level) for level in seen],
            hovertemplate=shown,
        )
        if mark := trained_mark(contestant, seen):
            drawn.add_scatter(legendgroup=contestant.label, showlegend=False, **mark)
    values = [value for curve in (noisy, top, *lines.values()) for value in curve.values()]
    lowest = {"gain": _LOWEST_GAIN, "gain_subset": _LOWEST_GAIN, "share": _LOWEST_SHARE}.get(metric, -inf)
    values = [max(value, lowest) for value in values]
    floor = min(values) - 0.04 * (max(values) - min(values))
    if crossings:
        drawn.add_scatter(
            x=[crossing.level for crossing in crossings],
            y=[floor] * len(crossings),
            showlegend=False,
            mode="markers",
            cliponaxis=False,
            marker={"color": look.GREY, "symbol": "triangle-up", "size": 10},
            text=[overtaking(crossing).replace("**", "") for crossing in crossings],
            hovertemplate="%{text}<extra></extra>",
        )
    if level is not None:
        drawn.add_vline(level, line={"color": look.GREY, "width": 1, "dash": "dot"})
    highest = max(max(curve) for curve in lines.values())
    drawn.update_layout(
        height=_HEIGHT,
        hovermode="closest",
        xaxis={"title": "Standard deviation σ of the noise", "range": [-0.02, highest + 0.02]},
        yaxis={"title": TITLES[metric], "range": [floor, max(values) + 0.04 * (max(values) - min(values))]},
    )
    alt = f"{TITLES[metric]} against the noise's standard deviation, of {', '.join(lines)}."
    st.html(_STYLE)
    with st.container(key="who-wins-box"):
        figures.show(drawn, key="who-wins", alt=alt, name="denoisers-by-level")


def _hover(metric: Metric) -> str:
    """What is shown of a point under the pointer."""
    value = "%{y:+.2f}" if metric.startswith("gain") else "%{y:.0f}" if metric == "share" else "%{y:.3g}"
    unit = "" if metric.startswith("ssim") else "%" if metric == "share" else " dB"
    return f"{value}{unit} at σ %{{customdata}}"


def _ceiling(curves: Curves, metric: Metric) -> Line:
    """The least possible error, in a view of pooled PSNR."""
    if metric == "psnr_pooled":
        return ceiling.line(curves)
    return dict.fromkeys(line(curves, REFERENCE, metric), 100.0) if metric == "share" else {}


def progress(curves: Curves, chosen: Sequence[Contestant]) -> str | None:
    """What part of the possible gain the best of the trained denoisers has, in a sentence; None if none is known.

    The best is the one whose mean share over the levels is the largest.
    """
    known = {
        contestant.label: shares
        for contestant in chosen
        if contestant.trained_under and (shares := ceiling.shares(curves, contestant.published or ""))
    }
    if not known:
        return None
    label = max(known, key=lambda name: fmean(known[name].values()))
    levels = known[label]
    least, most = min(levels, key=levels.__getitem__), max(levels, key=levels.__getitem__)
    low, high = (f"{100 * levels[level]:.0f}" for level in (least, most))
    pooled = ":gray[(in pooled PSNR)]"
    gap = "of the gap between the best linear filter and the least possible error"
    if levels[least] >= 0:
        part = f"{low}%" if low == high else f"{low} to {high}%"
        return f"**{label} closes {part} {gap}**; least at σ {level_text(least)} {pooled}."
    worse = f"at σ {level_text(least)} it is worse than the filter {pooled}"
    if levels[most] <= 0:
        return f"**{label} closes nothing {gap}**; {worse}."
    return f"**{label} closes at most {high}% {gap}**, at σ {level_text(most)}; {worse}."


def trained_mark(contestant: Contestant, seen: Line) -> dict[str, Any] | None:
    """A ring around a model's line at its training level, or a broad line along its training levels."""
    noise, color = contestant.trained_under, look.style(contestant).color
    if noise is None or noise.kind != "gaussian":
        return None
    low, high = (noise.level, noise.level) if noise.low is None else (noise.low, noise.level)
    if low == high and min(seen) <= high <= max(seen):
        return {
            "x": [high],
            "y": [_at(seen, high)],
            "mode": "markers",
            "marker": {"color": color, "symbol": "circle-open", "size": 17, "line": {"width": 2}},
            "hovertemplate": f"{contestant.label} was trained at σ {high:g}<extra></extra>",
        }
    along = {level: value for level, value in seen.items() if low <= level <= high}
    if len(along) < 2:
        return None
    return {
        "x": list(along),
        "y": list(along.values()),
        "mode": "lines",
        "opacity": 0.25,
        "hoverinfo": "skip",
        "line": {"color": color, "width": 11},
    }


def trained_names(curves: Curves) -> list[str]:
    """The published trained denoisers, ordered by the noise that they were trained with."""
    return sorted((name for name in curves.names if name in zoo.SYSTEMS), key=lambda name: _strength(name)[::-1])


def _strength(name: str) -> tuple[float, float]:
    noise = zoo.SYSTEMS[name].recipe.noise or Noise("gaussian", 0.0)
    return noise.level if noise.low is None else noise.low, noise.level


def trained_at(name: str) -> str:
    """The level or levels of the noise that a denoiser was trained with."""
    low, high = _strength(name)
    return f"σ {high:g}" if low == high else f"σ {low:g} to {high:g}"


def heat_map(curves: Curves) -> None:
    """Pooled PSNR of each trained denoiser at each level; the colour shows how far it is below the best of the column.

    The last row is the least possible error, where it is known.
    """
    names = trained_names(curves)
    levels = sorted({point.level for point in curves.points if point.name in names})
    top = [ceiling.least(level) if ceiling.known(curves) else None for level in levels]
    rows = [f"{name}, {trained_at(name)}" for name in names]
    if any(top):
        rows.append(LEAST)
    values = np.array([[_psnr(curves.at(name, level)) for level in levels] for name in names])
    best = np.nanmax(values, axis=0)
    text = [
        [f"<b>{value:.1f}</b>" if value == top else f"{value:.1f}" for value, top in zip(row, best, strict=True)]
        for row in values
    ]
    drawn = go.Figure(
        go.Heatmap(
            x=[level_text(level) for level in levels],
            y=rows[: len(names)],
            z=best - values,
            zmin=0,
            zmax=WORST,
            colorscale="Cividis_r",
            text=text,
            texttemplate="%{text}",
            xgap=2,
            ygap=2,
            showscale=False,
            textfont={"size": 13},
            hovertemplate="%{y}<br>tested at σ %{x}: %{text} dB, %{z:.2f} below the best<extra></extra>",
        )
    )
    for column, value in enumerate(top):  # by number: a text such as 0.3 would be read as one
        if value is not None:
            drawn.add_annotation(x=column, y=len(names), text=f"{value:.1f}", showarrow=False, font={"size": 13})
    drawn.update_layout(
        height=90 + _ROW * len(rows),
        xaxis={"title": "Tested at σ", "type": "category", "showgrid": False, "fixedrange": True},
        yaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": rows,
            "range": [len(rows) - 0.5, -0.5],
            "showgrid": False,
            "fixedrange": True,
        },
    )
    alt = f"Pooled PSNR of {', '.join(names)} under noise of {len(levels)} levels, whatever they were trained with."
    with st.container(key="trained-and-tested-box"):
        figures.show(drawn, key="trained-and-tested", alt=alt, name="trained-and-tested")


def _psnr(point: Point | None) -> float:
    return point.psnr_pooled if point and point.psnr_pooled is not None else float("nan")


def bits_table(bits: Sequence[Bits]) -> str:
    """The bits per value of each denoiser beside those that are published of diffusion models, in Markdown."""
    lines = ["| Estimator | Bits per value | Denoiser taken at |", "|---|--:|---|"]
    for one in sorted(bits, key=lambda one: -one.bits):
        name = "No network: Wiener filter and grid" if one.name == NO_NETWORK else one.name
        own = "–" if one.levels is None else f"σ {one.levels[0]:.2g} to {one.levels[1]:.2g}"
        lines.append(f"| {name} | {one.bits:.2f} ± {one.margin:.2f} | {own} |")
    for name, (low, high) in ceiling.DIFFUSION.items():
        lines.append(f"| {name}, published | {low:.2f} to {high:.2f} | – |")
    return "\n".join(lines).replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")


def nearest(curves: Curves, level: float) -> float:
    """The measured level that is nearest to `level`."""
    return min({point.level for point in curves.points}, key=lambda measured: abs(measured - level))


def measured_on(curves: Curves, names: Sequence[str]) -> str:
    """How many pictures these denoisers were measured on: `10,000`, or `2,000 to 10,000` where levels differ."""
    counts = sorted({point.pictures for point in curves.points if point.name in names})
    return " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))


def on_clean(curves: Curves, chosen: Sequence[Contestant], by: Metric) -> str | None:
    """How well each denoiser reconstructs pictures without noise, in a sentence; None if none was measured on them.

    Their PSNR is given `by` a field of `Point` in dB.
    """
    points = {contestant.label: point for contestant in chosen if (point := curves.at(contestant.published or "", 0.0))}
    values = {label: getattr(point, by) for label, point in points.items()}
    harmed = [f"{label} {value:.1f} dB" for label, value in values.items() if value is not None]
    spared = [label for label, value in values.items() if value is None]
    sentences = []
    if harmed:
        sentences.append(
            f"{'Pooled PSNR' if by in POOLED else 'PSNR'} on pictures without noise: {look.listed(harmed)}."
        )
    if spared:
        verb = "leaves" if len(spared) == 1 else "leave"
        sentences.append(f"{look.listed(spared)} {verb} pictures without noise unchanged.")
    return " ".join(sentences) or None


def over_wiener(label: str, over: tuple[float, float, float]) -> str:
    """By how many dB a denoiser is better than the Wiener filter, with its 95% interval."""
    mean, low, high = over
    if low <= 0 <= high:
        interval = f"{low:+.2f} to {high:+.2f} dB".replace("-", "−")
        return f"{label} and the Wiener filter: **no difference shown** :gray[(95% interval {interval})]"
    least, most = sorted((abs(low), abs(high)))
    verb = "beats the Wiener filter" if mean > 0 else "falls short of the Wiener filter"
    return f"{label} {verb} by **{abs(mean):.2f} dB** :gray[(95% interval {least:.2f} to {most:.2f})]"
