"""How legible the models of the gallery and the system page are, as far as that is published."""

from __future__ import annotations

from pathlib import Path

from aecore.files.figures import MissingError
from aecore.models import zoo
from aecore.studies import legibility
from aecore.studies.legibility import Legibility, Reading
from pages.components.entries import Entry


def published(dataset: str, root: Path) -> Legibility | None:
    """The readings of a data set, None where none are published; raises `PublishedError` for a damaged file."""
    try:
        return legibility.published(dataset, root)
    except MissingError:  # a store of one's own need not have them
        return None


def of(entry: Entry, legible: Legibility | None) -> Reading | None:
    """The reading of the run in view, None for a run that is not the system's own."""
    if legible is None or entry.run is None or not zoo.is_own(entry.run.spec):
        return None
    return legible.of(entry.run.name)


def percent(share: float) -> str:
    """A share with three digits, such as 58.1%."""
    return f"{share:.1%}"
