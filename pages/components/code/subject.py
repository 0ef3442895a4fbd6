"""Whose code the page is about, and the pictures that it is measured on; or why there is nothing to show."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from aecore import AecoreError
from aecore.data import catalog
from aecore.data.catalog import CROPS, EXCERPTS, SOURCES
from aecore.data.noise import Noise
from aecore.measuring import units
from aecore.models.layers import Shape
from aecore.runs.store import Run
from aecore.studies.contestants import Contestant, of_run
from pages.components import cached, look, whole
from pages.components.entries import LIGHT, Entry

MOST_NUMBERS = 10_240_000  # activations that are held of one run: of 1,024 units, those of 10,000 pictures


@dataclass(frozen=True)
class Subject:
    """A run with a code of `shape`, and the data set whose first test pictures, `pictures` of them, are encoded."""

    run: Run
    model: Contestant
    shape: Shape
    dataset: str
    pictures: int

    @property
    def noise(self) -> Noise | None:
        """The noise that its test pictures get, which is that of its training."""
        return self.run.spec.recipe.noise

    @property
    def units(self) -> int:
        """How many units its code has."""
        return units.count(self.shape)

    @property
    def is_flat(self) -> bool:
        """Whether a unit is a number and not a channel."""
        return len(self.shape) == 1

    @property
    def words(self) -> str:
        """Its pictures in a sentence."""
        excerpt = EXCERPTS.get(self.dataset)
        is_part = excerpt or self.pictures < len(cached.dataset(self.dataset).test)
        title = look.dataset_in_markdown(excerpt.whole if excerpt else self.dataset)
        noise = f" under the noise it was trained with, {look.noise(self.noise)}" if self.noise else ""
        return f"the {'first ' if is_part else ''}{self.pictures:,} test pictures of {title}{noise}"


def choose(entry: Entry) -> Subject | None:
    """The run in view with pictures for it; None, with a sentence on the page, where there is no code to look into."""
    run, code = entry.run, entry.architecture.code
    if code is None:
        st.info(
            f"{entry.label} has no code: a skip connection bypasses every layer, so there is no tensor through which "
            "all of the picture passes.",
            icon=":material/alt_route:",
        )
        return None
    if run is None:
        st.info(f"Not trained yet: `python -m aecore train {entry.label}`", icon=":material/hourglass_empty:")
        return None
    if run.is_light:
        st.info(f"{LIGHT} No picture can be encoded.", icon=":material/weight:")
        return None
    try:
        return _with_pictures(run, code.output_shape)
    except AecoreError as error:
        st.error(str(error), icon=":material/healing:")
        return None


def _with_pictures(run: Run, shape: Shape) -> Subject | None:
    """Raises `StoreError` for damaged weights, `DatasetError` for a damaged data set."""
    wanted, given = run.spec.dataset, run.spec.architecture.input_shape
    title = look.dataset_in_markdown(wanted)
    title = title[:1].upper() + title[1:]
    name = catalog.here(wanted) or catalog.embedded(given)
    if name is None or cached.dataset(name).shape != given:
        _say(wanted, f"{title} is not here, and no embedded pictures have its shape: there is nothing to encode.")
        return None
    data = cached.dataset(name)
    if name in CROPS and wanted != name:
        _say(wanted, f"{title} is not here: these pictures are from {look.dataset(name)}, on which it was not trained.")
    elif name not in EXCERPTS and data.fingerprint != run.spec.fingerprint:
        st.info(f"{title} has changed since this run was trained. These are its current pictures.")
    model = of_run(run)
    cached.check_model(model)
    pictures = min(len(data.test), max(1, MOST_NUMBERS // units.count(shape)))
    return Subject(run, model, shape, name, pictures)


def offer(subject: Subject) -> None:
    """A button that fetches all pictures, where only those are here that come with the program."""
    if subject.dataset in EXCERPTS:
        _say(subject.run.spec.dataset, f"All on this page is measured on {look.dataset(subject.dataset)}.")


def _say(wanted: str, text: str) -> None:
    if wanted in SOURCES:
        whole.offer(wanted, text)
    else:
        st.caption(text)
