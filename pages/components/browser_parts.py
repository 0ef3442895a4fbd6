"""Parts of a page that are written for the browser: files of one name beside a module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st


def part(name: str, folder: Path) -> Any:
    """The component made of `name`.html, `name`.css and `name`.js in a folder: call it to put it on the page."""
    html, css, js = ((folder / f"{name}.{kind}").read_text() for kind in ("html", "css", "js"))
    return st.components.v2.component(name, html=html, css=css, js=js)
