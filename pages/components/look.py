"""What a model looks like everywhere: its colour, dash and label; and the few style rules that Streamlit lacks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import streamlit as st

from aecore import zoo
from aecore.store import Run

# Okabe & Ito 2008, "Color Universal Design": told apart by most colour-blind people. Its black and its yellow vanish on
# a dark or a white page: a grey and a darker yellow stand in for them.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#7F7F7F", "#B8A800")
DASHES = ("solid", "dash", "dot", "dashdot")

STYLE = """
<style>
  [data-testid="stMainBlockContainer"] { padding-top: 4rem; padding-bottom: 3rem; }
  [data-testid="stSidebarUserContent"] { padding-top: 0; }
  [data-testid="stMetricLabel"] p { font-size: 0.8rem; }
  [data-testid="stMetricValue"], [data-testid="stDataFrame"], .numbers { font-variant-numeric: tabular-nums; }
  .pixels, [data-testid="stImage"] img { image-rendering: pixelated; max-width: none; border-radius: 0; }
</style>
"""


@dataclass(frozen=True)
class Style:
    """How a model is drawn on every page."""

    color: str
    dash: str


def apply() -> None:
    """Put the style rules on the page."""
    st.html(STYLE)


def style(run: Run) -> Style:
    """A system's colour and dash come from its place in the zoo, another run's from its key: always the same."""
    names = list(zoo.SYSTEMS)
    if zoo.is_own(run.spec):
        index = names.index(run.name)
        return Style(PALETTE[index % len(PALETTE)], DASHES[index // len(PALETTE)])
    number = int(run.key[:8], 16)
    return Style(PALETTE[number % len(PALETTE)], DASHES[2 + number // len(PALETTE) % 2])


def labels(runs: Iterable[Run]) -> dict[str, str]:
    """A label for each run's key: the system's name, and for a variant of it what tells it apart."""
    return {run.key: run.name if zoo.is_own(run.spec) else f"{run.name} {run.key[:6]}" for run in runs}
