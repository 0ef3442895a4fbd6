"""The button that puts a plan into the queue."""

from __future__ import annotations

import streamlit as st

from aecore import AecoreError
from aecore.models.recipe import RunSpec
from aecore.runs.store import Store, StoreError
from aecore.scheduling.queue import Queue
from pages.app.pages import COMPARE
from pages.components import look
from pages.components.train import live
from pages.components.train.recipes import Plan


def button(plan: Plan) -> None:
    """Launch every run of the plan; those that exist already are said to."""
    known = [spec for spec in plan.specs if _is_finished(spec)]
    runs = len(plan.specs)
    if st.button(
        "Launch" if runs == 1 else f"Launch {runs} runs", type="primary", icon=":material/play_arrow:", width="stretch"
    ):
        try:
            entries = [Queue().submit(spec, plan.place) for spec in plan.specs]
        except AecoreError as error:
            st.error(str(error), icon=":material/playlist_remove:")
            return
        live.watch(entries[0])
        st.toast(f"{runs} run{'s' * (runs > 1)} queued", icon=":material/playlist_add:")
    if known:
        text = "This run is in the store." if runs == 1 else f"{len(known)} of these runs are in the store."
        COMPARE.link(f"{text} Compare", models=[look.label(spec) for spec in known][:8])


def _is_finished(spec: RunSpec) -> bool:
    try:
        return Store().finished(spec) is not None
    except StoreError:
        return False
