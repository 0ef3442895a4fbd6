"""What a model looks like everywhere: its colour, dash and label; and the few style rules that Streamlit lacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import streamlit as st

from aecore.models import zoo
from aecore.models.recipe import RunSpec
from aecore.reconstructors.denoisers import METHODS
from aecore.runs.store import Run

# Okabe & Ito 2008, "Color Universal Design": told apart by most colour-blind people. Its black and its yellow vanish on
# a dark or a white page: a grey and a darker yellow stand in for them.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#7F7F7F", "#B8A800")
DASHES = ("solid", "dash", "dot")  # of the zoo's systems
VARIANT = "dashdot"  # of a person's own runs
CLASSICAL = "longdash"  # what no model is drawn with
TRAINING = "#999999"  # the curve on the training pictures beside a model's own colour
MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "triangle-down", "star")

STYLE = """
<style>
  [data-testid="stMainBlockContainer"] { padding: 4rem 2rem 3rem; }
  [data-testid="stMainBlockContainer"] h1 { padding: 0 0 0.25rem; }
  [data-testid="stSidebarUserContent"] { padding-top: 0; }
  [data-testid="stMetricLabel"] p { font-size: 0.8rem; }
  [data-testid="stMetricValue"], [data-testid="stDataFrame"], .numbers { font-variant-numeric: tabular-nums; }
  @media (max-width: 640px) { [data-testid="stMainBlockContainer"] { padding: 4rem 1rem 3rem; } }
  .pixels, [data-testid="stImage"] img { image-rendering: pixelated; max-width: none; border-radius: 0; }
</style>
"""


@dataclass(frozen=True)
class Style:
    """How a model is drawn on every page."""

    color: str
    dash: str
    symbol: str


def apply() -> None:
    """Put the style rules on the page."""
    st.html(STYLE)


def style(run: Run | RunSpec) -> Style:
    """A system's look comes from its place in the zoo, another run's from its key: always the same."""
    spec = run if isinstance(run, RunSpec) else run.spec
    if zoo.is_own(spec):
        number = list(zoo.SYSTEMS).index(spec.name)
        dash = DASHES[number // len(PALETTE) % len(DASHES)]
    else:
        number = int(spec.key[:8], 16)
        dash = VARIANT
    # Eight colours and eight markers, shifted against each other at every round: two of one colour differ in both.
    return Style(PALETTE[number % len(PALETTE)], dash, MARKERS[(number + 3 * (number // len(PALETTE))) % len(MARKERS)])


def method_style(name: str) -> Style:
    """The look of a classical denoiser, by its place among them."""
    # In steps of three from a start that gives those chosen most other colours than the zoo's denoisers have.
    number = 3 * list(METHODS).index(name) + 6
    return Style(PALETTE[number % len(PALETTE)], CLASSICAL, MARKERS[(number + 4) % len(MARKERS)])


def labels(runs: Iterable[Run]) -> dict[str, str]:
    """A label for each run's key: the system's name, and for a variant of it what tells it apart."""
    return {run.key: label(run.spec) for run in runs}


def dataset(name: str) -> str:
    """What people call a data set; the sets' own module would bring torch with it."""
    return {"cifar10": "CIFAR-10", "mnist": "MNIST", "sample": "the embedded sample"}.get(name, name)


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: a, b and c."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def label(spec: RunSpec) -> str:
    """The system's name, and for a variant of it the first digits of its key."""
    return spec.name if zoo.is_own(spec) else f"{spec.name} {spec.key[:6]}"
