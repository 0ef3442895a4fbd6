"""What is set against each other as denoisers: trained runs and classical methods alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from aecore.data.datasets import load
from aecore.data.noise import Noise
from aecore.models import zoo
from aecore.models.layers import shape_text
from aecore.reconstructors.denoisers import METHODS, Method
from aecore.runs.store import Run
from pages.components import look
from pages.components.look import Style

MOST = 8
KEY = "denoisers"
DEFAULT = ("denoise-030", "denoise-unet", "wiener", "bm3d")


@dataclass(frozen=True)
class Contender:
    """A denoiser that can be chosen: the run of a model, or a classical method.

    `key`, the run's or the method's name, is what is computed of it goes by; `label` is what people call it.
    """

    key: str
    label: str
    style: Style
    run: Run | None = None
    method: Method | None = None

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return self.method.title if self.method else self.label

    @property
    def is_slow(self) -> bool:
        """Whether it takes seconds for a few pictures."""
        return self.method is not None and self.method.slow

    @property
    def is_linear(self) -> bool:
        """Whether it has the same weights for every picture, after a fit."""
        return self.method is not None and self.method.linear

    @property
    def effort(self) -> int:
        """How long it may have to get ready, in order: whoever takes longer should not hold up another."""
        return self.is_linear + 2 * (self.method is not None and self.method.choice is not None)

    @property
    def trained_under(self) -> Noise | None:
        """The noise it was trained with; None for a classical method."""
        return self.run.spec.recipe.noise if self.run else None

    @property
    def published(self) -> str | None:
        """Its name among the published figures, which are of systems and methods and not of variants."""
        if self.run:
            return self.run.name if zoo.is_own(self.run.spec) else None
        return self.key

    @property
    def work(self) -> str:
        """What it is doing while one waits for it."""
        if self.is_linear:
            return f"{self.title} is at work, after a fit the first time"
        if self.method and self.method.choice:
            return f"{self.title} is at work, after it was tuned the first time under this noise"
        return f"{self.title} is at work"


def pick(runs: Sequence[Run], dataset_name: str) -> list[Contender]:
    """Up to eight denoisers of pictures of the data set's shape, in the order in which they were chosen."""
    shape = load(dataset_name).shape
    found = {
        contender.label: contender
        for contender in [*_trained(runs), *map(classical, METHODS)]
        if contender.run is None or contender.run.spec.architecture.input_shape == shape
    }
    default = [label for label in DEFAULT if label in found]
    # Models of another shape go when the data set changes; the page should not be left empty by it.
    if (before := st.session_state.get(KEY)) and not set(before) & set(found):
        st.session_state[KEY] = default
    chosen = st.multiselect(
        "Denoisers",
        list(found),
        default,
        key=KEY,
        bind="query-params",
        max_selections=MOST,
        placeholder="Type to search; up to eight",
        help=f"Models that were trained on noisy {shape_text(shape)} pictures, and classical methods:\n"
        + "\n".join(f"- {name}: {method.story}" for name, method in METHODS.items()),
    )
    return [found[label] for label in chosen]


def _trained(runs: Sequence[Run]) -> list[Contender]:
    """Every run that was trained with noise."""
    noisy = [run for run in runs if run.spec.recipe.noise]
    labels = look.labels(noisy)
    return [Contender(run.key, labels[run.key], look.style(run), run=run) for run in noisy]


def classical(name: str) -> Contender:
    """A method as a contender."""
    return Contender(name, name, look.method_style(name), method=METHODS[name])
