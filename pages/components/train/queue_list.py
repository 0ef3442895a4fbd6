"""The list of runs that were asked for: one line per run, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from aecore import AecoreError
from aecore.scheduling.entries import Entry
from aecore.scheduling.queue import Queue
from pages.components import amounts, entries, look

WATCHED = "watched"  # in the session and in the address: the number of the run that is shown in full
ICONS = {
    "queued": ":material/schedule:",
    "running": ":material/model_training:",
    "paused": ":material/pause_circle:",
    "finished": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/cancel:",
    "interrupted": ":material/power_off:",
}
# The buttons are icons, whose names are read aloud and shown as tooltips.
_STYLE = """
<style>
  [class*="st-key-entry-"] { flex-wrap: nowrap !important; padding: 0.15rem 0.75rem !important; column-gap: 0.6rem; }
  [class*="st-key-entry-"] [data-testid="stMarkdown"] { min-width: 0; }
  [class*="st-key-entry-"] [data-testid="stMarkdown"] p {
    white-space: nowrap; overflow: hidden; text-overflow: ellipsis; font-size: 0.9rem; }
  [class*="st-key-entry-"] button [data-testid="stMarkdownContainer"] {
    position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
</style>
"""


def show(queue: Queue, asked: Sequence[Entry], watched: Entry) -> None:
    """The runs that are queued, running or stopped, and below them, folded, those that have finished."""
    st.html(_STYLE)
    finished = [entry for entry in asked if entry.state == "finished" and entry.id != watched.id]
    with st.container(gap="xsmall"):
        for entry in asked:
            if entry not in finished:
                _line(queue, entry, entry.id == watched.id)
        if finished:
            with st.expander(f"{len(finished)} finished", icon=ICONS["finished"]), st.container(gap="xsmall"):
                for entry in finished:
                    _line(queue, entry, watched=False)


def watch(entry: Entry) -> None:
    """Have the page show this run in full, and its address name it."""
    st.session_state[WATCHED] = str(entry.id)


def progress(entry: Entry) -> tuple[float, str]:
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


def _line(queue: Queue, entry: Entry, watched: bool) -> None:
    _, text = progress(entry)
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap=None, key=f"entry-{entry.id}"):
        st.markdown(
            f"{ICONS[entry.state]} **{look.label(entry.spec)}** {text}, :gray[{entries.in_short(entry.spec)}]",
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
    if st.session_state.get(WATCHED) == str(entry.id):
        st.session_state[WATCHED] = None
        st.query_params.pop(WATCHED, None)


def _button(label: str, icon: str, entry: Entry, act: Callable[[], object]) -> None:
    def clicked() -> None:
        try:
            act()
        except AecoreError as error:
            st.toast(str(error), icon=":material/error:")

    st.button(
        label, icon=f":material/{icon}:", type="tertiary", key=f"{label} {entry.id}", on_click=clicked, help=label
    )
