"""Pictures from the clipboard, pasted anywhere on the page."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from aecore.data.photographs import MOST_BYTES

_KEY = "paste"
_HTML = "<span>or paste one: Ctrl V</span>"
_CSS = "span { font: 0.8rem var(--st-font); color: var(--st-text-color); opacity: 0.7; }"

_component = st.components.v2.component(
    "paste", html=_HTML, css=_CSS, js=Path(__file__).with_name("paste.js").read_text()
)


def listen(most: int, taken: Callable[[list[tuple[str, bytes]]], None]) -> None:
    """Call `taken` with the names and contents of at most so many pictures whenever some are pasted."""

    def changed() -> None:
        if value := st.session_state[_KEY].get("pasted"):
            taken([_file(entry) for entry in value[:most]])

    _component(key=_KEY, data={"most": most, "bytes": MOST_BYTES}, on_pasted_change=changed)


def _file(entry: Any) -> tuple[str, bytes]:
    try:
        if int(entry["size"]) > MOST_BYTES:
            return str(entry["name"]), bytes(MOST_BYTES + 1)  # as large as it takes to be refused for its size
        return str(entry["name"]), base64.b64decode(entry["content"], validate=True)
    except (TypeError, ValueError, KeyError, binascii.Error):
        return "pasted", b""
