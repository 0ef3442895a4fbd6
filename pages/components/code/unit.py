"""One unit of a code: the pictures that drive it most and least, its density, its cost, and the units like it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from aecore.measuring.units import Activity
from aecore.measuring.zeroing import Cost
from pages.components import cached, figures, look, png
from pages.components.code import measured as computed
from pages.components.code import strips, units
from pages.components.code.strips import Column
from pages.components.code.subject import Subject
from pages.components.colour_scales import ColourScale
from pages.components.links import Page

DRIVING = 8  # pictures that drive a unit most, and as many that drive it least
RELATED = 6  # units that go with it
_SIDE = 64  # pixels of a drawn picture, at most
_BINS = 60
_HEIGHT = 240


def show(page: Page, subject: Subject, measured: Activity, unit: int, cost: Cost | None) -> None:
    """Its figures, the pictures that drive it, and the units that go with it."""
    st.subheader(f"Unit {unit}")
    _figures(measured, unit, cost)
    if measured.is_constant[unit]:
        number = float(measured.lowest[unit])
        what = "is dead: it is zero" if number == 0 else f"never changes: it is {number:.3g}"
        st.info(
            f"This unit {what} for every test picture, so no picture drives it.", icon=":material/do_not_disturb_on:"
        )
        return
    most, least = measured.driving(unit, DRIVING)
    scale = None if subject.is_flat else _scale(measured, unit)
    for title, pictures in (("Driven most by", most), ("Driven least by", least)):
        st.markdown(f"**{title}**")
        strips.show(_columns(subject, measured, unit, pictures, scale), _SIDE)
    if scale:
        st.html(scale.legend("the channel at each position, below each picture"))
    _related(page, measured, unit)


def _figures(measured: Activity, unit: int, cost: Cost | None) -> None:
    with st.container(horizontal=True, gap="medium"):
        _metric("Mean", _digits(float(measured.mean[unit])), "The mean activation over the test pictures.")
        _metric("Deviation", _digits(float(measured.deviation[unit])), "Its standard deviation over the pictures.")
        if bool(measured.zeros.any()):
            share = float(measured.share_of_zeros[unit])
            _metric("Zeros", f"{share:.1%}", "The share of its numbers that are exactly zero.")
        _metric(
            "Cost of zeroing",
            _decibels(cost),
            "How far the PSNR falls when this unit alone is set to zero in the code: the mean over pictures with its "
            "95% confidence interval. A negative cost is a gain."
            + (f" Measured on the first {cost.pictures:,} test pictures." if cost else ""),
        )
        if cost:
            _metric("Cost, pooled", f"{cost.pooled:.2f} dB", "How far the PSNR of the mean squared error falls.")


def _decibels(cost: Cost | None) -> str:
    if cost is None:
        return "…"
    if not np.isfinite(cost.mean):
        return "all of it"
    return f"{cost.mean:.2f} dB" if cost.margin is None else f"{cost.mean:.2f} ± {cost.margin:.2f} dB"


def _digits(number: float) -> str:
    """Three significant digits, with the zeros at the end."""
    return f"{number:#.3g}".rstrip(".").replace("-", "−")


def _metric(label: str, value: str, meaning: str) -> None:
    st.metric(label, value.replace("-", "−"), width="content", help=meaning)


def _scale(measured: Activity, unit: int) -> ColourScale:
    low, high = float(measured.lowest[unit]), float(measured.highest[unit])
    return ColourScale.up_to("absolute", high) if low >= 0 else ColourScale.up_to("signed", max(-low, high))


def _columns(
    subject: Subject, measured: Activity, unit: int, pictures: Sequence[int], scale: ColourScale | None
) -> list[Column]:
    shown = tuple(pictures)
    originals, classes = cached.originals(subject.dataset, shown), cached.classes(subject.dataset, shown)
    maps = computed.coded(subject, shown)[:, unit].numpy() if scale else None
    columns = []
    for place, (picture, name) in enumerate(zip(shown, classes, strict=True)):
        stack = [(png.in_colour(originals[place]), f"Test picture {picture}, {name}")]
        if scale and maps is not None:
            stack.append((scale.colored(maps[place]), f"Channel {unit} for test picture {picture}"))
        number = float(measured.values[picture, unit])
        columns.append(Column(stack, _digits(number), name))
    return columns


def density(subject: Subject, measured: Activity, unit: int) -> None:
    """The share of the test pictures at each activation."""
    values = measured.values[:, unit].double().numpy()
    counts, edges = np.histogram(values, _BINS)
    share = counts / len(values) * 100
    figure = go.Figure(
        go.Bar(
            x=(edges[1:] + edges[:-1]) / 2,
            y=share,
            width=np.diff(edges),
            marker={"color": look.style(subject.run).color, "line": {"width": 0}},
            hovertemplate="%{y:.2g}% of the pictures at about %{x:.3g}<extra></extra>",
        )
    )
    figure.update_layout(
        height=_HEIGHT,
        bargap=0,
        xaxis={"title": "Activation" if subject.is_flat else "Activation, mean over the positions"},
        yaxis={"title": "Pictures, %", "rangemode": "tozero"},
    )
    figures.show(
        figure,
        key=f"density {subject.run.key}",
        alt=f"Density of the activation of unit {unit} over {len(values):,} test pictures.",
        name=f"unit-{unit}",
    )


def _related(page: Page, measured: Activity, unit: int) -> None:
    """The units whose activations are correlated with it most; a press puts one in view."""
    rows = strongest(measured, unit, RELATED)
    if rows.empty:
        st.caption("No other unit changes, so there is none to be correlated with.")
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown("**Correlated with**", width="content")
        for other, correlation in zip(rows["unit"].tolist(), rows["correlation"].tolist(), strict=True):
            st.button(
                f"unit {other}: {correlation:+.2f}".replace("-", "−"),
                key=f"related {other}",
                type="tertiary",
                on_click=partial(units.select, page, other),
                help=f"r = {correlation:+.4f}".replace("-", "−"),
            )


def strongest(measured: Activity, unit: int, most: int) -> pd.DataFrame:
    """The other units with the largest correlations of either sign, `unit` and `correlation` in each row."""
    correlations = measured.correlations([unit])[0].numpy()
    correlations[unit] = np.nan
    every = pd.DataFrame({"unit": np.arange(len(correlations)), "correlation": correlations}).dropna()
    order = every["correlation"].abs().sort_values(ascending=False, kind="stable").index
    return every.loc[order].head(most)
