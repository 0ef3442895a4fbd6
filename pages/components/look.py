"""The look of a model on every page: colour, dash, marker and label; and the style rules that Streamlit lacks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import streamlit as st

from aecore import printable
from aecore.data.catalog import CROPS, EXCERPTS, NAMES, SAMPLE, SOURCES, is_folder, without_path
from aecore.data.noise import KINDS, Noise
from aecore.models import zoo
from aecore.models.recipe import RunSpec
from aecore.runs.store import Run
from aecore.studies.contestants import CLASSICAL, CODECS, CONTROLS, FOREIGN, LINEAR, Contestant

GREY = "#7F7F7F"
# Okabe & Ito 2008, "Color Universal Design": most colour-blind people can distinguish these. Black would vanish on a
# dark page and the original yellow on a white one, so a grey and a darker yellow replace them.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", GREY, "#B8A800")
DASHES = ("solid", "dash", "dot")  # of the zoo's systems
VARIANT = "dashdot"  # of a person's own runs
# The dash of each family of baselines, which no model has, and where the family begins in the palette.
FAMILIES = {
    CLASSICAL: ("longdash", 6),
    LINEAR: ("longdashdot", 0),
    CODECS: ("2px,5px", 4),
    CONTROLS: ("1px,3px", 6),
    FOREIGN: ("6px,2px", 2),
}
TRAINING = "#999999"  # the curve on the training pictures beside a model's own colour
MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "triangle-down", "star")

STYLE = """
<style>
  [data-testid="stMainBlockContainer"] { padding: 4rem 2rem 3rem; }
  [data-testid="stMainBlockContainer"] h1 { padding: 0 0 0.25rem; }
  [data-testid="stSidebarUserContent"] { padding-top: 0; }
  [data-testid="stMetricLabel"] p { font-size: 0.8rem; }
  [data-testid="stMetricValue"], [data-testid="stDataFrame"], .numbers { font-variant-numeric: tabular-nums; }
  [data-testid="stSidebar"] :has(> [data-testid="stMultiSelectTagsContainer"]) { max-height: none; }
  [data-testid="stSidebar"] [data-tag] { background: none; color: inherit; border: 1px solid color-mix(in srgb,
    currentColor 25%, transparent); box-shadow: inset 6px 0 0 var(--mark); padding-left: 14px; }
  .st-key-families [data-testid="stWidgetLabel"] p { font-size: 0.8rem; }
  .st-key-families [role="toolbar"] { gap: 0.25rem; }
  .st-key-families button { height: 1.6rem; min-height: 0; padding: 0 0.5rem; }
  .st-key-families button p { font-size: 0.8rem; }
  /* The menu stays where it is, whether a page has a sidebar or not. */
  @media (min-width: 769px) {
    [data-testid="stHeader"] { position: fixed; inset: 0 0 auto; width: 100%; z-index: 999992; }
    [data-testid="stSidebar"] { top: 3.75rem; height: calc(100vh - 3.75rem); }
    [data-testid="stSidebarHeader"] { position: absolute; right: 0; height: 2.5rem; z-index: 1; }
    [data-testid="stSidebarUserContent"] { padding-top: 1rem; }
  }
  @media (max-width: 640px) { [data-testid="stMainBlockContainer"] { padding: 4rem 1rem 3rem; } }
  /* Streamlit's own grey is too pale to read: 3.9 to 1 on white. */
  .js-plotly-plot :is(.xaxislayer-above, .yaxislayer-above, .g-xtitle, .g-ytitle, .annotation, .legend) text {
    fill: currentColor !important; fill-opacity: 0.8; }
  .js-plotly-plot .annotation text { paint-order: stroke; stroke: Canvas; stroke-width: 4px; stroke-linejoin: round; }
  .pixels { display: block; image-rendering: pixelated; max-width: none; border-radius: 0; }
</style>
"""


@dataclass(frozen=True)
class Style:
    """How a model is drawn on every page."""

    color: str
    dash: str
    symbol: str


# What is chosen in a list of models is marked with its colour on the page, and none of it is hidden by scrolling.
_CHOSEN = "\n".join(
    f'  [data-testid="stSidebar"] [data-tag-index="{order}"] {{ --mark: {color}; }}'
    for order, color in enumerate(PALETTE)
)


def apply() -> None:
    """Put the style rules on the page."""
    st.html(STYLE.replace("</style>", f"{_CHOSEN}\n</style>"))


def style(model: Contestant | Run | RunSpec) -> Style:
    """The style of those chosen together follows from their order, so that all can be told apart.

    On its own, the style of a system follows from its place in the zoo, that of another run from its key, and that of a
    baseline from its family and its place there.
    """
    if isinstance(model, Contestant) and model.order is not None:
        return Style(
            PALETTE[model.order % len(PALETTE)], DASHES[model.order % len(DASHES)], MARKERS[model.order % len(MARKERS)]
        )
    if isinstance(model, Contestant) and model.run is None:
        dash, start = FAMILIES[model.family]
        # In steps of three, so that neighbours differ.
        number = 3 * model.place + start
        return Style(PALETTE[number % len(PALETTE)], dash, MARKERS[(number + 4) % len(MARKERS)])
    run = model.run if isinstance(model, Contestant) else model
    spec = run.spec if isinstance(run, Run) else run
    assert spec is not None
    own = zoo.is_own(spec)
    number = list(zoo.SYSTEMS).index(spec.name) if own else int(spec.key[:8], 16)
    dash = DASHES[number // len(PALETTE) % len(DASHES)] if own else VARIANT
    # Markers shift against the colours after every eight systems, so systems of one colour differ in marker and dash.
    return Style(PALETTE[number % len(PALETTE)], dash, MARKERS[(number + 3 * (number // len(PALETTE))) % len(MARKERS)])


def noise(noise: Noise) -> str:
    """A noise in a label: `σ 0.3`, `σ 0 to 1`, `σ 0.03 to 1 (log scale)`, `masking 0.25`."""
    levels = f"{noise.level:g}" if noise.low is None else f"{noise.low:g} to {noise.level:g}"
    levels += " (log scale)" * noise.logarithmic
    return f"σ {levels}" if noise.kind == "gaussian" else f"{KINDS[noise.kind].title.lower()} {levels}"


def family_color(family: str) -> str:
    """The colour of a family of systems, or of a person's own runs."""
    families = list(dict.fromkeys(system.family for system in zoo.SYSTEMS.values()))
    return PALETTE[families.index(family)] if family in families else GREY


def labels(runs: Iterable[Run]) -> dict[str, str]:
    """The label of each run, by key."""
    return {run.key: label(run.spec) for run in runs}


def label(spec: RunSpec) -> str:
    """The label of a run."""
    return zoo.label(spec)


def dataset(name: str) -> str:
    """The title of a data set, in a sentence."""
    if name in CROPS:
        return f"the {crops(name)[0].lower()}{crops(name)[1:]}"
    if name in EXCERPTS:
        return EXCERPTS[name].title
    if is_folder(name) and name == without_path(name):
        return "an unnamed folder"  # of a run that was imported
    return SOURCES[name].title if name in SOURCES else printable(name)


def crops(name: str) -> str:
    """The title of embedded pictures, among those of other data sets."""
    return "Embedded sample" if name == SAMPLE else CROPS[name].title


def dataset_in_markdown(name: str) -> str:
    """The same for Markdown, where a folder's name is to be read as it stands."""
    return dataset(name) if name in NAMES else in_markdown(dataset(name))


def in_markdown(text: str) -> str:
    """A text with names of files in it, which Markdown shows as it stands."""
    return re.sub(r"([\\`*_{}\[\]()#+.!|<>~$:-])", r"\\\1", text)


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: a, b and c."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
