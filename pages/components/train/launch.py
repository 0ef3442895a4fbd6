"""The button that puts a plan into the queue."""

from __future__ import annotations

import streamlit as st

from aecore import AecoreError
from aecore.models.recipe import RunSpec
from aecore.runs.store import Store, StoreError
from aecore.scheduling.entries import Entry
from aecore.scheduling.queue import Queue
from pages.app.pages import COMPARE
from pages.components import look
from pages.components.links import MOST_MODELS
from pages.components.train import queue_list
from pages.components.train.recipes import Plan


def button(plan: Plan) -> None:
    """A button that queues every run of the plan, and a link to those that are in the store already."""
    known = [spec for spec in plan.specs if _is_finished(spec)]
    runs = len(plan.specs)
    if st.button(
        "Launch" if runs == 1 else f"Launch {runs} runs", type="primary", icon=":material/play_arrow:", width="stretch"
    ):
        _launch(plan)
    if known:
        text = "This recipe is trained already." if runs == 1 else f"{len(known)} of these runs are trained already."
        COMPARE.link(f"{text} Compare", models=[look.label(spec) for spec in known][:MOST_MODELS])


def _launch(plan: Plan) -> None:
    """Submit the runs one by one: what is queued before an error stays queued."""
    entries = list[Entry]()
    try:
        for spec in plan.specs:
            entries.append(Queue().submit(spec, plan.place))
    except AecoreError as error:
        before = f"{len(entries)} of {len(plan.specs)} runs were queued. " if entries else ""
        st.error(f"{before}{error}", icon=":material/playlist_remove:")
    if entries:
        queue_list.watch(entries[0])
    if queued := sum(entry.live for entry in entries):
        st.toast(f"{queued} run{'s' * (queued > 1)} queued", icon=":material/playlist_add:")


def _is_finished(spec: RunSpec) -> bool:
    try:
        return Store().finished(spec) is not None
    except StoreError:
        return False
