"""The runs that were asked for: what each is doing now, and one of them watched as it learns.

Everything is read from the queue's database, so every open page sees the same, whoever launched a run.
"""

from __future__ import annotations

import html
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from aecore import AecoreError
from aecore.measuring.totals import psnr_text
from aecore.runs.store import Run, Store
from aecore.scheduling.entries import Entry, EpochRow
from aecore.scheduling.queue import Queue
from pages.app.pages import COMPARE, SYSTEM
from pages.components import amounts, entries, figures, look, png
from pages.components.explain import explain

EVERY = 1.0  # seconds between two looks
SHOWN_ROWS = 6  # epochs in the strip of pictures
SCALE = 2
_KEY = "watched"  # in the session and in the address
POINTS = 300  # of the training curve: more than a screen can show
_ICONS = {
    "queued": ":material/schedule:",
    "running": ":material/model_training:",
    "paused": ":material/pause_circle:",
    "finished": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/cancel:",
    "interrupted": ":material/power_off:",
}


@st.fragment(run_every=EVERY)
def panel() -> None:
    """Every run of the queue, and the watched one in full."""
    try:
        queue = Queue()
        queue.reconcile()
        asked = queue.entries()
    except AecoreError as error:
        st.error(str(error), icon=":material/database_off:")
        return
    if not asked:
        st.info(
            "Nothing was launched yet. Choose a system on the left, shorten its recipe if you like, and launch it: "
            "its curve and its pictures appear here while it learns.",
            icon=":material/model_training:",
        )
        return
    watched = _watched(asked)
    _detail(queue, watched)
    st.subheader("Queue")
    for entry in asked:
        _line(queue, entry, entry.id == watched.id)


def watch(entry: Entry) -> None:
    """Have the panel show this one, and the page's address name it."""
    st.session_state[_KEY] = str(entry.id)


def _watched(asked: Sequence[Entry]) -> Entry:
    """The entry that was chosen or launched last, or that the link names; else the first of the list."""
    chosen: str | None = st.session_state.setdefault(_KEY, st.query_params.get(_KEY))
    if chosen is None:
        return asked[0]
    for entry in asked:
        if str(entry.id) == chosen:
            if st.query_params.get(_KEY) != chosen:
                st.query_params[_KEY] = chosen
            return entry
    st.caption(f":material/link_off: The queue's list has no run {chosen}. Shown is run {asked[0].id}.")
    return asked[0]


def _detail(queue: Queue, entry: Entry) -> None:
    epochs = queue.epochs(entry.id)
    st.subheader(f"{_ICONS[entry.state]} {look.label(entry.spec)}", anchor=False)
    st.caption(entries.in_short(entry.spec) + ("" if entry.place.is_here else f", {entry.place.text}"))
    share, text = _progress(entry)
    if entry.state in ("running", "queued", "paused"):
        st.progress(share, text)
    elif entry.state == "finished":
        _result(queue.store, entry)
    else:
        st.warning(entry.reason or f"{text.capitalize()}.", icon=_ICONS[entry.state])
    if entry.state in ("failed", "interrupted") and (log := queue.log(entry.id, 20)):
        with st.expander("Log", icon=":material/article:"):
            st.code(log, language=None)
    if not epochs and entry.state == "running" and not entry.loss:
        st.caption("Reading the pictures and building the model, which takes a few seconds.")
    if entry.loss is not None or epochs:
        _curves(queue, entry, epochs)
    if any(row.preview for row in epochs):
        _strip(entry, epochs)
        explain(
            "How to read the curve and the pictures",
            "Above: the loss as it falls, on the training pictures all along and on the validation pictures after each "
            "epoch. Below: the same test pictures after each epoch, beginning with what the model should give back. "
            "The run does not depend on this page: close it, and training continues.",
        )


def _result(store: Store, entry: Entry) -> None:
    run = _run(store, entry)
    if run is None:
        st.warning("Its run is no longer in the store.", icon=":material/folder_off:")
        return
    totals, label = run.totals, look.label(run.spec)
    noise = f" under {run.spec.recipe.noise} noise" if run.spec.recipe.noise else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        psnr = f"**{psnr_text(totals.psnr_pooled, 2)}**" + (" pooled" if totals.mse else "")
        st.markdown(
            f"{psnr}, SSIM {totals.ssim:.3f} on {totals.pictures:,} test "
            f"pictures{noise}, after {amounts.duration(run.seconds)}"
        )
        own = [run.name] if run.name in look.labels(store.listing().full).values() else []
        disabled = entries.LIGHT if run.is_light else ""
        COMPARE.link("Compare", models=list(dict.fromkeys([*own, label])), disabled=disabled)
        SYSTEM.link("Look closer", run=label)


def _run(store: Store, entry: Entry) -> Run | None:
    try:
        return store.finished(entry.spec, light=True)
    except AecoreError:
        return None


def _line(queue: Queue, entry: Entry, watched: bool) -> None:
    """A run in a line: what it is, where it stands, and what can be done about it."""
    _, text = _progress(entry)
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small", key=f"entry-{entry.id}"):
        st.markdown(
            f"{_ICONS[entry.state]} **{look.label(entry.spec)}** {entries.in_short(entry.spec)}  \n:gray[{text}]",
            width="stretch",
        )
        if not watched:
            _button("Watch", "visibility", entry, lambda: watch(entry))
        if entry.state in ("queued", "running") and entry.wish is None:
            _button("Pause", "pause", entry, lambda: queue.pause(entry.id))
        if entry.live and entry.wish is None:
            _button("Cancel", "close", entry, lambda: queue.cancel(entry.id))
        if entry.state in ("paused", "cancelled", "failed", "interrupted"):
            _button("Resume", "play_arrow", entry, lambda: queue.resume(entry.id))
        if not entry.live:
            _button("Remove", "delete", entry, lambda: _forget(queue, entry))


def _forget(queue: Queue, entry: Entry) -> None:
    queue.forget(entry.id)
    if st.session_state.get(_KEY) == str(entry.id):
        st.session_state[_KEY] = None
        st.query_params.pop(_KEY, None)


def _button(label: str, icon: str, entry: Entry, act: Callable[[], object]) -> None:
    def clicked() -> None:
        try:
            act()
        except AecoreError as error:
            st.toast(str(error), icon=":material/error:")

    st.button(label, icon=f":material/{icon}:", type="tertiary", key=f"{label} {entry.id}", on_click=clicked)


def _progress(entry: Entry) -> tuple[float, str]:
    """How far a run is, from 0 to 1, and in words."""
    epochs = entry.spec.recipe.epochs
    if entry.state == "queued":
        return entry.whole_epochs / epochs, entry.queued_text
    if entry.state == "finished":
        return 1.0, f"finished after {epochs} epoch{'s' * (epochs > 1)}"
    if entry.state != "running":
        where = f"after epoch {entry.whole_epochs}" if entry.whole_epochs else "in the first epoch"
        if entry.started is None:
            return 0.0, f"{entry.state} before it began"
        return entry.whole_epochs / epochs, f"{entry.state} {where} of {epochs}"
    if entry.wish:
        return entry.whole_epochs / epochs, "stopping"
    if entry.scored is not None:
        return 1.0, f"scoring the test pictures, {entry.scored:.0%}"
    if not entry.epoch or not entry.images_in_epoch:
        return entry.whole_epochs / epochs, "starting"
    done = (entry.epoch - 1 + entry.images / entry.images_in_epoch) / epochs
    speed = f", {entry.images_per_second:,.0f} images/s" if entry.images_per_second else ""
    left = f", {amounts.duration(entry.seconds_left)} left" if entry.seconds_left is not None else ""
    return min(done, 1.0), f"epoch {entry.epoch} of {epochs}{speed}{left}"


def _above_zero(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["loss"]]


def _curves(queue: Queue, entry: Entry, epochs: Sequence[EpochRow]) -> None:
    """The loss so far. A Vega-Lite chart is changed in place; a Plotly one would be made anew at every look."""
    points = queue.points(entry.id)
    points = points[:: len(points) // POINTS + 1]
    training: list[dict[str, Any]] = [{"epoch": at, "loss": loss, "pictures": "training"} for at, loss in points]
    validation: list[dict[str, Any]] = [
        {"epoch": row.epoch, "loss": row.validation_loss, "pictures": "validation"} for row in epochs
    ]
    terms = {f"{name}, training": name for row in epochs for name in row.terms}
    penalties: list[dict[str, Any]] = [
        {"epoch": row.epoch, "loss": row.terms[name], "pictures": title}
        for title, name in terms.items()
        for row in epochs
        if name in row.terms
    ]
    training, validation, penalties = map(_above_zero, (training, validation, penalties))
    losses = [row["loss"] for row in (*training, *validation, *penalties)]
    if not losses:
        st.caption(figures.NO_ZERO)
        return
    color = look.style(entry.spec).color
    # Set here: for a curve without points Vega would warn that it has no extent.
    domain = [min(losses) / 1.1, max(losses) * 1.1]
    chart = {
        "height": 300,
        "encoding": {
            "x": {
                "field": "epoch",
                "type": "quantitative",
                "title": "Epoch",
                "scale": {"domain": [0, entry.spec.recipe.epochs]},
                "axis": {"tickMinStep": 1, "format": "d"},
            },
            "y": {
                "field": "loss",
                "type": "quantitative",
                "title": f"Loss ({entry.spec.recipe.loss.upper()})",
                "scale": {"type": "log", "domain": domain, "nice": False},
                "axis": {
                    "format": ".1~g",
                    "values": [tick for tick in figures.TICKS if domain[0] <= tick <= domain[1]],
                },
            },
            "color": {
                "field": "pictures",
                "type": "nominal",
                "title": None,
                "legend": {"orient": "top", "offset": 4},
                "scale": {
                    "domain": ["training", "validation", *terms],
                    "range": [look.TRAINING, color, *[color for _ in terms]],
                },
            },
            "tooltip": [
                {"field": "pictures"},
                {"field": "epoch", "format": ".2f"},
                {"field": "loss", "format": ".3g"},
            ],
        },
        "layer": [
            {"data": {"values": training}, "mark": {"type": "line", "strokeWidth": 2}},
            {"data": {"values": validation}, "mark": {"type": "line", "strokeWidth": 2, "point": {"size": 50}}},
            {
                "data": {"values": penalties},
                "mark": {"type": "line", "strokeWidth": 1, "strokeDash": [2, 3], "point": {"size": 15}},
            },
        ],
    }
    st.vega_lite_chart(chart, key="live")


def _strip(entry: Entry, epochs: Sequence[EpochRow]) -> None:
    """The same pictures after one epoch and another, under what the model is given and should give back."""
    previews = [(row.epoch, row.preview) for row in epochs if row.preview]
    # The first and the last of them, and some between.
    places = np.unique(np.linspace(0, len(previews) - 1, min(SHOWN_ROWS, len(previews))).round().astype(int))
    side = entry.spec.architecture.input_shape[1]
    given = ["clean", "noisy"] if entry.spec.recipe.noise else ["clean"]
    rows = [(name, _row(previews[-1][1], place, side)) for place, name in enumerate(given)]
    rows += [(f"epoch {previews[place][0]}", _row(previews[place][1], len(given), side)) for place in places]
    lines = "".join(
        f'<span>{html.escape(name)}</span><img class="pixels" width="{width * SCALE}" height="{side * SCALE}" '
        f'alt="Test pictures, {html.escape(name)}" src="{address}">'
        for name, (width, address) in rows
    )
    st.html(
        '<div style="overflow-x:auto" tabindex="0"><div class="numbers" style="display:grid;row-gap:3px;'
        f'grid-template-columns:4.5rem max-content;align-items:center;font-size:.8rem">{lines}</div></div>'
    )


@st.cache_data(max_entries=512, show_spinner=False)
def _row(preview: bytes, row: int, side: int) -> tuple[int, str]:
    """One row of a preview: its width in pixels and its address."""
    pictures = Image.open(io.BytesIO(preview))
    return pictures.width, png.address(pictures.crop((0, row * side, pictures.width, (row + 1) * side)))
