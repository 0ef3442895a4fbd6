"""Explanations below figures: folded, but for the first one that a person ever meets."""

from __future__ import annotations

import streamlit as st

COOKIE = "explained"
_YEAR = 365 * 24 * 3600  # seconds
_OPEN = "explanation that is open"


def explain(title: str, text: str) -> None:
    """Show `text`, in Markdown, under a `title` that unfolds it; a cookie of the browser remembers the first one."""
    # Decided once per session: an explanation that is open must not close itself at the next rerun.
    first = st.session_state.setdefault(_OPEN, "" if COOKIE in st.context.cookies else title) == title
    with st.expander(title, icon=":material/help:", expanded=first), st.container(gap=None):
        st.markdown(text)
        if first:
            script = f"<script>document.cookie = '{COOKIE}=1; max-age={_YEAR}; path=/; SameSite=Lax'</script>"
            st.html(script, unsafe_allow_javascript=True)
