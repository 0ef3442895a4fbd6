"""Rows, marks and drawings on the page: a component, since Streamlit takes SVG out of `st.html`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from pages.components.browser_parts import part

_component = part("board", Path(__file__).parent)


def show(content: str, *, key: str, opened: Callable[[str], None] | None = None) -> None:
    """Put HTML on the page, styled by `board.css`; a click on a row calls `opened` with the name of its claim."""

    def clicked() -> None:
        if opened and (name := st.session_state[key].get("opened")):
            opened(name)

    _component(key=key, data={"content": content}, on_opened_change=clicked)
