"""Parts of a page that are written for the browser: files of one name beside a module."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import streamlit as st

# What makes a file a module: imports from a file beside it, and the word before a name that another file may import.
_IMPORT = re.compile(r"^import\b[^;]*?\bfrom\s*[\"']\./[^;]*;\n?", re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default\b)", re.MULTILINE)


def part(name: str, folder: Path) -> Any:
    """The component made of `name`.html, `name`.css and `name`.js in a folder: call it to put it on the page."""
    html, css, js = ((folder / f"{name}.{kind}").read_text() for kind in ("html", "css", "js"))
    return st.components.v2.component(name, html=html, css=css, js=js)


def joined(*paths: Path) -> str:
    """Modules in JavaScript as one text, which runs where a module cannot be imported: in a worker or a saved page.

    A module comes after those that it imports from. All their names at the top share one scope, so they must differ.
    A default export stays.
    """
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", path.read_text())) for path in paths)
