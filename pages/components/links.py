"""What a page's address asks for: noted where it cannot be had, and brought back when a person returns to the page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

_SHOWN = "page that is shown"

Asked = dict[str, list[str]]


def asked(page: str, keys: Sequence[str]) -> Asked:
    """What the link says about `keys`, the page's widgets; call it before they are drawn.

    Empty but for the first run after the page was opened. Who comes back to `page` by a link that names none of
    them, or by the browser's back button, finds the choices of before.
    """
    arrived = st.session_state.get(_SHOWN) != page
    st.session_state[_SHOWN] = page
    if not arrived:
        return {}
    link = {key: values for key in keys if (values := st.query_params.get_all(key))}
    before = st.session_state.get(_memory(page))
    if before and not link:
        st.session_state.update(before)
        # In a run that the back button began, Streamlit sets every widget to what the address says.
        st.rerun()
    return link


def keep(page: str, keys: Sequence[str]) -> None:
    """Remember the page's choices for the rest of the session; call it after its widgets are drawn."""
    st.session_state[_memory(page)] = {key: st.session_state[key] for key in keys if key in st.session_state}


def note(link: Asked) -> None:
    """Say what the link asked for and did not get; call it after the widgets are drawn."""
    lines = []
    for key, wanted in link.items():
        value = st.session_state.get(key)
        chosen = value if isinstance(value, list | tuple) else [value]
        unmet = [text for text in dict.fromkeys(wanted) if not any(_same(text, each) for each in chosen)]
        if unmet:
            instead = "nothing" if value in (None, []) else ", ".join(map(_text, chosen))
            lines.append(f"{key} = {', '.join(unmet)} (shown: {instead})")
    if lines:
        st.warning("The link asks for what cannot be had here: " + "; ".join(lines) + ".", icon=":material/link_off:")


def _memory(page: str) -> str:
    return f"choices on {page}"


def _same(text: str, value: object) -> bool:
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    if isinstance(value, int | float):
        try:
            return float(text) == value
        except ValueError:
            return False
    return text == value


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
