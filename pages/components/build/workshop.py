"""The page's one fragment: the line, the list of its layers, and what follows from them, drawn anew at every change."""

from __future__ import annotations

import streamlit as st

from aecore.models import zoo
from aecore.models.zoo import SYSTEMS, Start
from aecore.runs.store import Store
from pages.app.pages import TRAIN
from pages.components.build import editor, learning, line, outcome, saving
from pages.components.explain import explain
from pages.components.links import Page

_EXPLANATION = """
**The line** is the whole truth: it is what the command line, the address of this page and the stored runs use.
`conv32:k5:s2:gelu` is a convolution with 32 channels, kernel 5, stride 2 and GELU; ReLU, kernel 3 and stride 1 go
without saying. Pictures of another shape come first: `1x28x28 | …`.

**The list** has a row per layer: the shape that it gives, its weights, its multiply-accumulates per picture, and how
many pixels of the picture one of its numbers can depend on. The code, the smallest tensor that everything passes
through, is tinted. Red are layers that cannot stand where they are, with what would be legal; blue is advice.

**Keys**: Tab goes through everything. On a handle, the arrows go to the next layer, Alt with an arrow moves it, Delete
removes it, Enter edits it. Enter in a layer adds one below it. Ctrl+Z undoes.
"""


@st.fragment
def show(page: Page) -> None:
    """Everything below the title."""
    diagnosis, sequence = line.read(page)
    start = zoo.of(diagnosis.architecture) if diagnosis.architecture else None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        line.start_from(page, Store().listing().runs)
        saving.popover(page, diagnosis.architecture)
        _train(start)
    outcome.diagram(diagnosis)
    left, right = st.columns([5, 4], gap="large")
    with left:
        editor.show(diagnosis, sequence, page.key(line.PARAMETER), lambda text, number: line.change(page, text, number))
    with right:
        outcome.figures(diagnosis, start)
        if start is None:
            outcome.problems(diagnosis)
        else:
            with st.container(horizontal=True, gap="small"):
                learning.button(start)
                outcome.measure(start)
        learning.panel(start)
    explain("How to read this page", _EXPLANATION)


def _train(start: Start | None) -> None:
    if start is None:
        TRAIN.link("Train", disabled="The line has problems: mend them first.")
    elif start.name in SYSTEMS or start.name in zoo.saved_systems():
        TRAIN.link(f"Train {start.name}", start=start.name)
    else:
        TRAIN.link("Train these layers", start=start.name, layers=str(start.architecture))
