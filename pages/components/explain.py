"""A few plain words beside a figure: open at a person's first visit, folded away after it."""

from __future__ import annotations

import streamlit as st

_YEAR = 365 * 24 * 3600  # seconds


def explain(name: str, text: str) -> None:
    """Say what is to be seen, in Markdown. `name` tells this text from the others in the browser's memory."""
    cookie = f"seen-{name}"
    # Decided once a session: what a person has opened must not close itself at the next rerun.
    first = st.session_state.setdefault(f"explain-{name}", cookie not in st.context.cookies)
    with st.expander("What am I looking at?", icon=":material/help:", expanded=first), st.container(gap=None):
        st.markdown(text)
        if first:
            script = f"<script>document.cookie = '{cookie}=1; max-age={_YEAR}; path=/; SameSite=Lax'</script>"
            st.html(script, unsafe_allow_javascript=True)
