"""Links from a system to other pages: compare it, train it."""

from __future__ import annotations

from pages.app.pages import COMPARE, TRAIN
from pages.components import links, look
from pages.components.entries import LIGHT, Entry
from pages.components.links import MOST_MODELS


def show(entry: Entry) -> None:
    """Compare the run in view, train a variant of it."""
    if entry.run:
        label = look.label(entry.run.spec)
        # Added to what is on Compare already, if that takes the same pictures; of a full choice the first makes room.
        shown = links.choice("compare", "data", None)
        others = links.choice("compare", "models", []) if look.dataset(entry.dataset) == shown else []
        others = [name for name in others if name != label]
        models = [*others, label][-MOST_MODELS:]
        COMPARE.link("Compare", disabled=LIGHT if entry.run.is_light else "", models=models)
    TRAIN.link("Train a variant" if entry.run else "Train it", start=entry.label)
