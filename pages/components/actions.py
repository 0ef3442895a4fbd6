"""What can be done with a system, as links to other pages."""

from __future__ import annotations

import streamlit as st

from pages.app import paths
from pages.components.entries import Entry


def show(entry: Entry) -> None:
    """Compare it, train a variant of it."""
    if entry.run:
        st.page_link(paths.COMPARE, label="Compare", icon=":material/compare:", query_params={"models": entry.label})
    what = "Train a variant" if entry.run else "Train it"
    st.page_link(paths.TRAIN, label=what, icon=":material/model_training:", query_params={"start": entry.label})
