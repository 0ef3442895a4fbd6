"""Links from a system to other pages: compare it, train it."""

from __future__ import annotations

import streamlit as st

from pages.app import paths
from pages.components.entries import Entry


def show(entry: Entry) -> None:
    """Show the links of `entry`."""
    if entry.run:
        st.page_link(paths.COMPARE, label="Compare", icon=":material/compare:", query_params={"models": entry.label})
    label = "Train a variant" if entry.run else "Train it"
    st.page_link(paths.TRAIN, label=label, icon=":material/model_training:", query_params={"start": entry.label})
