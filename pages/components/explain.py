"""A short explanation below a figure: open at a person's first visit, folded afterwards."""

from __future__ import annotations

import streamlit as st

_YEAR = 365 * 24 * 3600  # seconds


def explain(name: str, text: str) -> None:
    """Show `text`, in Markdown. Its `name` marks it as seen in the browser's cookies."""
    cookie = f"seen-{name}"
    # Decided once per session: an explanation that is open must not close itself at the next rerun.
    first = st.session_state.setdefault(f"explain-{name}", cookie not in st.context.cookies)
    with st.expander("What am I looking at?", icon=":material/help:", expanded=first), st.container(gap=None):
        st.markdown(text)
        if first:
            script = f"<script>document.cookie = '{cookie}=1; max-age={_YEAR}; path=/; SameSite=Lax'</script>"
            st.html(script, unsafe_allow_javascript=True)
