"""The runs that were asked for: what each is doing now, and one of them watched as it learns.

Everything is read from the queue's database, so every open page sees the same, whoever launched a run.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from aecore import AecoreError
from aecore.measuring.totals import psnr_text
from aecore.runs.store import Run, Store, StoreError
from aecore.scheduling.entries import Entry, EpochRow
from aecore.scheduling.queue import Queue
from pages.app.pages import COMPARE, SYSTEM
from pages.components import amounts, entries, figures, look, previews
from pages.components.explain import explain
from pages.components.train import curves, queue_list

EVERY = 1.0  # seconds between two looks
SHOWN_ROWS = 6  # epochs in the strip of pictures


@st.fragment(run_every=EVERY)
def panel(example: Run | None) -> None:
    """Every run of the queue, and the watched one in full; before anything was launched, an `example` of a run."""
    try:
        queue = Queue()
        queue.reconcile()
        asked = queue.entries()
    except AecoreError as error:
        st.error(str(error), icon=":material/database_off:")
        return
    if not asked:
        _example(example)
        return
    watched = _watched(asked)
    _detail(queue, watched, asked)
    st.subheader("Queue", anchor=False)
    queue_list.show(queue, asked, watched)


def _example(run: Run | None) -> None:
    """What a run looks like when it is finished."""
    st.info(
        "Nothing was launched yet. Choose a system on the left, change its recipe if you like, and launch it: its "
        "curve and its pictures appear here while it learns.",
        icon=":material/model_training:",
    )
    if run is None:
        return
    try:
        history = run.history()
    except StoreError:
        return  # the pages that show this run say that it is damaged
    label = look.label(run.spec)
    st.subheader(f"{queue_list.ICONS['finished']} {label}, already trained", anchor=False)
    st.caption(f"{entries.in_short(run.spec)}: an example of a finished run.")
    _totals(run, [label])
    figures.loss_curves([run], {run.key: history}, key="example")
    previews.show(run)


def _watched(asked: Sequence[Entry]) -> Entry:
    """The entry that was chosen or launched last, or that the link names; else the first of the list."""
    chosen: str | None = st.session_state.get(queue_list.WATCHED)
    if chosen is None:
        return asked[0]
    for entry in asked:
        if str(entry.id) == chosen:
            if st.query_params.get(queue_list.WATCHED) != chosen:
                st.query_params[queue_list.WATCHED] = chosen
            return entry
    st.caption(f":material/link_off: The queue's list has no run {chosen}. Shown is run {asked[0].id}.")
    return asked[0]


def _detail(queue: Queue, entry: Entry, asked: Sequence[Entry]) -> None:
    epochs = queue.epochs(entry.id)
    st.subheader(f"{queue_list.ICONS[entry.state]} {look.label(entry.spec)}", anchor=False)
    st.caption(entries.in_short(entry.spec) + ("" if entry.place.is_here else f", {entry.place.text}"))
    share, text = queue_list.progress(entry)
    if entry.state in ("running", "queued", "paused"):
        st.progress(share, text)
    elif entry.state == "finished":
        _result(queue.store, entry)
    else:
        st.warning(entry.reason or f"{text.capitalize()}.", icon=queue_list.ICONS[entry.state])
    if entry.state in ("failed", "interrupted") and (log := queue.log(entry.id, 20)):
        with st.expander("Log", icon=":material/article:"):
            st.code(log, language=None)
    if not epochs and entry.state == "running" and not entry.loss:
        st.caption("Reading the pictures and building the model, which takes a few seconds.")
    if entry.loss is not None or epochs:
        curves.show(queue, entry, epochs, asked)
    if any(row.preview for row in epochs):
        _strip(entry, epochs)
        averaged = " of the averaged weights" if entry.spec.recipe.average else ""
        explain(
            "How to read the curve and the pictures",
            f"Above: the training loss while it falls, and the validation loss{averaged} after each epoch. Below: the "
            "same test pictures after each epoch; the first row is the target. "
            "You can close this page; training continues.",
        )


def _result(store: Store, entry: Entry) -> None:
    run = _run(store, entry)
    if run is None:
        st.warning("Its run is no longer in the store.", icon=":material/folder_off:")
        return
    label = look.label(run.spec)
    own = [run.name] if run.name in look.labels(store.listing().full).values() else []
    _totals(run, list(dict.fromkeys([*own, label])))


def _totals(run: Run, compared: list[str]) -> None:
    """The scores of a finished run, and links to it: on Compare, beside the others of those `compared`."""
    totals = run.totals
    noise = f" under noise {look.noise(run.spec.recipe.noise)}" if run.spec.recipe.noise else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        psnr = f"**{psnr_text(totals.psnr_pooled, 2)}**" + (" pooled" if totals.mse else "")
        st.markdown(
            f"{psnr}, SSIM {totals.ssim:.3f} on {totals.pictures:,} test "
            f"pictures{noise}, after {amounts.duration(run.seconds)}"
        )
        COMPARE.link("Compare", models=compared, disabled=entries.LIGHT if run.is_light else "")
        SYSTEM.link("Open", run=look.label(run.spec))


def _run(store: Store, entry: Entry) -> Run | None:
    try:
        return store.finished(entry.spec, light=True)
    except AecoreError:
        return None


def _strip(entry: Entry, epochs: Sequence[EpochRow]) -> None:
    """The same pictures after one epoch and another, under what the model is given and should give back."""
    shown = [(row.epoch, row.preview) for row in epochs if row.preview]
    given = ["clean", "noisy"] if entry.spec.recipe.noise else ["clean"]
    rows = [(name, shown[-1][1], place) for place, name in enumerate(given)]
    rows += [(f"epoch {epoch}", preview, len(given)) for epoch, preview in previews.spread(shown, SHOWN_ROWS)]
    previews.rows(rows, entry.spec.architecture.input_shape[1])
