"""The lens in the browser: its scripts joined into one component, which draws sheets and photographs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import streamlit as st

from pages.components.browser_parts import joined

FOLDER = Path(__file__).parent
_WORKER = ("noise", "colours", "metrics", "worker")
_PAGE = ("metrics", "colours", "errors", "view", "painting", "lens", "engine", "live", "sheet", "panes")


def scripts(*last: str) -> str:
    """What the browser runs on a page, with the text of its worker; `last` names the files that end it."""
    worker = joined(*_files(_WORKER))
    return f"const WORKER_SOURCE = {json.dumps(worker)};\n{joined(*_files((*_PAGE, *last)))}"


def _files(names: tuple[str, ...]) -> list[Path]:
    return [FOLDER / f"{name}.js" for name in names]


component = st.components.v2.component(
    "lens",
    html=(FOLDER / "lens.html").read_text(),
    css=(FOLDER / "lens.css").read_text(),
    js=scripts("component"),
)


def number(place: str, *content: Any) -> int:
    """A number that rises with every change of what is shown at a `place`, by which the browser knows what is newer.

    It begins at the time, in milliseconds: a page that is still open when the server starts again expects a larger one.
    """
    key = f"sent to {place}"
    before, sent = st.session_state.get(key, ((), 0))
    if content != before:
        sent = max(sent + 1, int(time.time() * 1000))
        st.session_state[key] = content, sent
    return int(sent)
