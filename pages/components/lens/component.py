"""The lens in the browser: its scripts joined into one component per kind: sheets and photographs, live codes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from pages.components.browser_parts import joined

FOLDER = Path(__file__).parent
_WORKER = ("noise", "colours", "metrics", "worker")
SHEETS = ("metrics", "colours", "errors", "view", "painting", "lens", "engine", "live", "series", "sheet")
_COMPONENTS = {
    "lens": (*SHEETS, "panes", "component"),
    "code": ("metrics", "colours", "engine", "code"),
}


def scripts(*names: str) -> str:
    """The scripts `names`, a script after those that it imports from, as one text that includes their worker's."""
    return f"const WORKER_SOURCE = {json.dumps(_joined(_WORKER))};\n{_joined(names)}"


def _joined(names: Sequence[str]) -> str:
    return joined(*(FOLDER / f"{name}.js" for name in names))


COMPONENTS: dict[str, Any] = {
    name: st.components.v2.component(
        name,
        html=(FOLDER / f"{name}.html").read_text(),
        css=(FOLDER / f"{name}.css").read_text(),
        js=scripts(*names),
    )
    for name, names in _COMPONENTS.items()
}
# It draws nothing: see `series.hold`.
COMPONENTS["series"] = st.components.v2.component("series", js=_joined(("series", "holding")))
