"""Where only an excerpt of a data set is here: what that means, and a button that fetches all of it."""

from __future__ import annotations

import streamlit as st

from aecore import AecoreError
from aecore.data import catalog, fetching
from aecore.data.catalog import SOURCES

_EVERY = 1.0  # seconds between two looks at a download


def offer(name: str, why: str) -> None:
    """Say `why` the data set `name` of `SOURCES` is wanted whole, with a button to fetch it; nothing where it is."""
    if name not in SOURCES or catalog.available(name):
        return
    with st.container(gap="xsmall"):
        st.caption(f":material/photo_library: {why}")
        # A fragment's interval is fixed when it is made: only one that has something to watch looks again.
        running = fetching.progress(name).is_running
        st.fragment(_button_or_progress, run_every=_EVERY if running else None)(name, running)


def _button_or_progress(name: str, was_running: bool) -> None:
    now = fetching.progress(name)
    if now.is_running != was_running:
        st.rerun()
    source = SOURCES[name]
    if now.is_running:
        share = f"{now.share:.0%} of {source.megabytes:,} MB" if now.share < 1 else "Checking the files"
        st.progress(now.share, f"Fetching {source.title}: {share}")
        return
    if st.button(
        f"Fetch {source.title}, {source.megabytes:,} MB",
        icon=":material/download:",
        key=f"fetch {name}",
        help="Downloads all pictures in the background. You can go on working; the pages show them when they are here.",
    ):
        try:
            fetching.start(name)
        except AecoreError as error:
            st.error(str(error), icon=":material/error:")
            return
        st.rerun()
    if now.failure:
        st.warning(now.failure, icon=":material/cloud_off:")
