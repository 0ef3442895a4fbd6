"""Links from a system to other pages: compare it, train it."""

from __future__ import annotations

from pages.app.pages import COMPARE, TRAIN
from pages.components import look
from pages.components.entries import LIGHT, Entry


def show(entry: Entry) -> None:
    """Compare the run in view, train a variant of it."""
    if entry.run:
        COMPARE.link("Compare", disabled=LIGHT if entry.run.is_light else "", models=look.label(entry.run.spec))
    TRAIN.link("Train a variant" if entry.run else "Train it", start=entry.label)
