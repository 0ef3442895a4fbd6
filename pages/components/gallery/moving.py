"""The first thing to see: a few pictures through a few telling models, while the noise on them rises and falls.

Every level is computed once and sent at once, so that the slider moves in the browser without asking the server. The
result is stored beside the runs, `.fits/moving-<key>.figure`, because torch takes seconds to import: a server that
starts again shows the pictures without it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from aecore.data import noise
from aecore.models import zoo
from aecore.runs.store import WEIGHTS, Run, Store
from pages.app.pages import COMPARE
from pages.components import look
from pages.components.browser_parts import part
from pages.components.gallery import figure_file

LEVELS = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5)
_RESTING = LEVELS.index(0.1)
_VERSION = 1  # of the stored figure: raise it where the same models give other content

_component = part("moving", Path(__file__).parent)


def show(runs: Sequence[Run]) -> None:
    """The pictures through each of the `runs`, and a slider for the noise."""
    header, sheet = _figure(tuple((run.key, run.digest(WEIGHTS)) for run in runs))
    labels = [look.label(run.spec) for run in runs]
    columns: list[tuple[str, str, str | None]] = [("original", "", None), ("noisy", "input of every model", None)]
    for label, run in zip(labels, runs, strict=True):
        columns.append((label, _size(run), look.family_color(zoo.SYSTEMS[run.name].family)))
    text = json.dumps({"columns": columns, "levels": LEVELS, "resting": _RESTING, **header}).encode()
    _component(key="moving", data=len(text).to_bytes(4, "little") + text + sheet)
    with st.container(key="moving-link", width="content"):
        COMPARE.link("Compare them on other pictures", models=labels, level=f"{LEVELS[_RESTING]:g}")


def _size(run: Run) -> str:
    size = run.spec.architecture.code_size
    return f"code of {size:,}" if size else "no code"


@st.cache_data(max_entries=4, show_spinner=False)
def _figure(models: tuple[tuple[str, str], ...]) -> tuple[dict[str, Any], bytes]:
    """What the header says of the pictures, and a PNG of all of them, for models by the keys and digests of their runs.

    They are the stored ones if there are any.
    """
    store = Store()
    facts = {"version": _VERSION, "noise": noise.VERSION, "levels": LEVELS, "models": models}
    path = figure_file.path(store.root, facts)
    if stored := figure_file.read(path):
        return stored
    from pages.components.gallery import moving_pictures

    header, sheet = moving_pictures.computed(store, [key for key, _ in models], LEVELS)
    figure_file.write(path, header, sheet)
    return header, sheet
