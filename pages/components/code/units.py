"""All units of a code: how much each varies, what zeroing it costs, which go together; and the choice of one."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.errors import StreamlitAPIException

from aecore.measuring.units import Activity
from pages.components import cached, figures, look
from pages.components.code.measured import pictures_of_costs
from pages.components.code.subject import Subject
from pages.components.links import Asked, Page, redraw

HEADING = "All units together"
_TABLE, _COSTS = "units", "costs of units"
_SHOWN = "code shown"
_PICTURED = 256  # units in a table with a picture in each row, which takes 3 kB
_MATRIX = 64  # units in the square of correlations
_HEIGHT, _ROWS_HEIGHT = 380, 360
_NAMED = 12  # dead units that are named


def pick(page: Page, subject: Subject, link: Asked, measured: Activity | None) -> int:
    """The unit in view: what the address or a person asks for, at first the one that varies most."""
    key, last, state = page.key("unit"), subject.units - 1, st.session_state
    asked = _number(st.query_params.get(key, ""))
    if state.get(_SHOWN, subject.run.key) != subject.run.key and key not in link:
        state[key] = asked = None  # the number of another code's unit says nothing here
    state[_SHOWN] = subject.run.key
    if asked is not None and not 0 <= asked <= last:
        nearest = min(max(asked, 0), last)  # `Page.note` says so
        with suppress(StreamlitAPIException):  # while the widget holds it, as after the back button
            st.query_params[key] = str(nearest)
            redraw()
        state[key] = nearest
    elif asked is None and state.get(key) is None and measured is not None:
        state[key] = int(measured.deviation.argmax())
    unit = st.number_input(
        "Unit",
        0,
        last,
        None,
        key=key,
        bind="query-params",
        width=130,
        placeholder="varies most",
        help=f"A {'number' if subject.is_flat else 'channel'} of the code, 0 to {last:,}. The table picks one too.",
    )
    return int(unit or 0)


def _number(text: str) -> int | None:
    """The whole number in an address, None where there is none; one that is too large for anything is cut."""
    try:
        return int(min(max(float(text), -1e9), 1e9))
    except ValueError:
        return None


def select(page: Page, unit: int) -> None:
    """Put another unit in view at the next run."""
    st.session_state[page.key("unit")] = unit


# ---- the table


def table(page: Page, subject: Subject, measured: Activity, costs: pd.DataFrame | None, unit: int) -> None:
    """One row per unit, those that vary most first. A row that is clicked puts its unit in view."""
    order = measured.deviation.sort(descending=True, stable=True).indices.tolist()

    def picked() -> None:
        if rows := st.session_state[key]["selection"]["rows"]:
            select(page, order[rows[0]])

    key = f"{_TABLE} {subject.run.key}"
    st.session_state[key] = {"selection": {"rows": [order.index(unit)], "columns": [], "cells": []}}
    st.dataframe(
        _rows(subject, measured, costs, order),
        hide_index=True,
        column_config=_columns(subject, measured),
        height=_ROWS_HEIGHT,
        row_height=40 if subject.units <= _PICTURED else None,
        placeholder="…" if costs is None else "–",
        key=key,
        on_select=picked,
        selection_mode="single-row-required",
        alt=f"The units of the code of {subject.model.label}: deviation, share of zeros, and the cost of zeroing",
    )
    few = pictures_of_costs(subject)
    st.caption(
        f"{summary(measured)} Activations over {subject.words}; costs on the first {few:,} of them, with the 95% "
        "interval of their mean."
    )


def _rows(subject: Subject, measured: Activity, costs: pd.DataFrame | None, order: list[int]) -> pd.DataFrame:
    rows: dict[str, Any] = {"Unit": order}
    if subject.units <= _PICTURED:
        driving = tuple(measured.driving(unit, 1)[0][0] for unit in order)
        rows[""] = cached.thumbnails(subject.dataset, driving)
    rows["Deviation"] = measured.deviation[order].numpy()
    if bool(measured.zeros.any()):
        rows["Zeros"] = measured.share_of_zeros[order].numpy() * 100
    missing = [np.nan] * len(order)
    rows["Cost, dB"] = costs["cost"].loc[order].to_numpy() if costs is not None else missing
    rows["±"] = costs["margin"].loc[order].to_numpy() if costs is not None else missing
    if bool(measured.is_constant.any()):
        rows["State"] = [_state(measured, unit) for unit in order]
    return pd.DataFrame(rows)


def _state(measured: Activity, unit: int) -> str:
    return "dead" if measured.is_dead[unit] else "constant" if measured.is_constant[unit] else ""


def _columns(subject: Subject, measured: Activity) -> dict[str, Any]:
    column = st.column_config
    digits = 3 if float(measured.deviation.max()) < 10 else 2
    return {
        "Unit": column.NumberColumn(width=50, format="%d"),
        "": column.ImageColumn(width=44, help="The test picture with the largest activation"),
        "Deviation": column.NumberColumn(
            format=f"%.{digits}f", help="The standard deviation of the activation over the test pictures"
        ),
        "Zeros": column.NumberColumn(format="%.1f%%", help="The share of its numbers that are exactly zero"),
        "Cost, dB": column.NumberColumn(
            format="%.2f", help="How far the PSNR falls when the unit is zeroed: the mean over pictures"
        ),
        "±": column.NumberColumn(format="%.2f", width=60, help="Half the width of the cost's 95% confidence interval"),
        "State": column.TextColumn(
            width=70, help="dead: zero for every test picture. constant: never changes, so it says nothing"
        ),
    }


def summary(measured: Activity) -> str:
    """How many units are dead or constant, in a sentence."""
    dead, constant = (kind.nonzero()[:, 0].tolist() for kind in (measured.is_dead, measured.is_constant))
    number = measured.values.shape[1]
    if not constant:
        return f"All {number:,} units change with the picture."
    what = f"{len(dead):,} of {number:,} units {'is' if len(dead) == 1 else 'are'} dead: zero for every test picture"
    named = f" ({', '.join(map(str, dead))})" if 0 < len(dead) <= _NAMED else ""
    fixed = len(constant) - len(dead)
    never = "never changes" if fixed == 1 else "never change"
    if not dead:
        return f"{fixed:,} of {number:,} units {never}."
    return f"{what}{named}; {fixed:,} {never}, at a number other than zero." if fixed else f"{what}{named}."


# ---- the figures


def figures_of_all(page: Page, subject: Subject, measured: Activity, costs: pd.DataFrame | None, unit: int) -> None:
    """What each unit is worth, once that is known, and which units go together."""
    worth, together = st.columns(2, gap="large")
    with worth:
        st.markdown("**Cost of zeroing against deviation**: a click on a point puts its unit in view")
        if costs is None:
            st.caption(":material/hourglass_top: The units are being zeroed one after the other.")
        else:
            figure_of_costs(page, subject, measured, costs, unit)
    with together:
        st.markdown("**Correlations**")
        figure_of_correlations(subject, measured)


def figure_of_costs(page: Page, subject: Subject, measured: Activity, costs: pd.DataFrame, unit: int) -> None:
    """A point per unit: how much it varies, and what zeroing it costs."""
    key = f"{_COSTS} {subject.run.key}"

    def picked() -> None:
        if points := st.session_state[key]["selection"]["points"]:
            select(page, int(points[0]["customdata"]))

    numbers = list(range(subject.units))
    color = look.style(subject.run).color
    figure = go.Figure(
        go.Scatter(
            x=measured.deviation.tolist(),
            y=costs["cost"].tolist(),
            customdata=numbers,
            mode="markers",
            marker={"color": color, "size": 8, "opacity": 0.7},
            error_y={"array": costs["margin"].fillna(0).tolist(), "color": color, "thickness": 1, "width": 0},
            hovertemplate="unit %{customdata}: %{y:.2f} dB, deviation %{x:.3g}<extra></extra>",
        )
    )
    figure.add_scatter(
        x=[float(measured.deviation[unit])],
        y=[float(costs["cost"][unit])],
        customdata=[unit],
        mode="markers",
        marker={"color": "rgba(0,0,0,0)", "size": 15, "line": {"color": look.GREY, "width": 2}},
        hoverinfo="skip",
    )
    figure.update_layout(
        height=_HEIGHT,
        showlegend=False,
        hovermode="closest",
        xaxis={"title": "Deviation of the activation", "rangemode": "tozero"},
        yaxis={"title": "Cost of zeroing, dB"},
    )
    figures.show(
        figure,
        key=key,
        alt=f"Cost of zeroing each unit of {subject.model.label} against the deviation of its activation.",
        name=f"costs-{subject.model.label.replace(' ', '-')}",
        on_select=picked,
        selection_mode="points",
    )


def figure_of_correlations(subject: Subject, measured: Activity) -> None:
    """The correlations of the units with each other, as a square; of a large code, of those that vary most."""
    shown = sorted(measured.deviation.sort(descending=True, stable=True).indices[:_MATRIX].tolist())
    square = measured.correlations(shown)[:, shown].numpy()
    names = [str(unit) for unit in shown]
    figure = go.Figure(
        go.Heatmap(
            z=[[None if np.isnan(number) else round(number, 3) for number in row] for row in square.tolist()],
            x=names,
            y=names,
            colorscale="RdBu_r",
            zmin=-1,
            zmax=1,
            hovertemplate="units %{y} and %{x}: r = %{z:.2f}<extra></extra>",
            hoverongaps=False,
            colorbar={"thickness": 10, "len": 0.9, "tickvals": [-1, 0, 1], "ticktext": ["−1", "0", "1"]},
        )
    )
    axis = {"type": "category", "fixedrange": True, "showgrid": False, "nticks": 16, "constrain": "domain"}
    figure.update_layout(
        height=_HEIGHT,
        xaxis=axis | {"title": "unit"},
        yaxis=axis | {"title": "unit", "autorange": "reversed", "scaleanchor": "x"},
    )
    figures.show(
        figure,
        key=f"correlations {subject.run.key}",
        alt=f"Correlations of the activations of {len(shown)} units of {subject.model.label}.",
        name=f"correlations-{subject.model.label.replace(' ', '-')}",
    )
    if subject.units > _MATRIX:
        st.caption(f"The {_MATRIX} units that vary most.")
