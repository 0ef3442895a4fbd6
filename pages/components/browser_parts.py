"""Parts of a page that are written for the browser: files of one name beside a module."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

# What makes a file a module: imports from a file beside it, and the word before a name that another file may import.
_IMPORT = re.compile(r"^import\b[^;]*?\bfrom\s*[\"']\./[^;]*;\n?", re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default\b)", re.MULTILINE)


def part(name: str, folder: Path, *before: str) -> Any:
    """The component made of `name`.html, `name`.css and `name`.js in a folder: call it to put it on the page.

    The scripts named `before` are put before its own, because a component's script cannot import others.
    """
    html, css, js = ((folder / f"{name}.{kind}").read_text() for kind in ("html", "css", "js"))
    first = [(folder / f"{other}.js").read_text() for other in before]
    return st.components.v2.component(name, html=html, css=css, js="\n".join([*first, js]))


def joined(*paths: Path) -> str:
    """Modules in JavaScript as one text, which runs where a module cannot be imported: in a worker or a saved page.

    A module comes after those that it imports from. All their names at the top share one scope, so they must differ.
    A default export stays.
    """
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", path.read_text())) for path in paths)


def newer(part: str, *content: Hashable) -> int:
    """A number that rises with every change of what a `part` shows, by which the browser knows what is newer.

    It begins at the time, in milliseconds: a page that is still open when the server starts again expects a larger one.
    """
    sent = f"{part} sent"
    before, number = st.session_state.get(sent, (None, 0))
    if (now := hash(content)) != before:
        number = max(number + 1, int(time.time() * 1000))
        st.session_state[sent] = now, number
    return int(number)


def packed(header: Mapping[str, Any], *content: bytes) -> bytes:
    """A JSON header with its length before it (4 bytes, little endian), and the content behind it."""
    text = json.dumps(header).encode()
    return b"".join((len(text).to_bytes(4, "little"), text, *content))
