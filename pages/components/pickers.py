"""What a person chooses. Every choice is in the page's address, so that a link brings back what was seen."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from aecore.data import index_lists
from aecore.data.noise import KINDS, Noise
from aecore.models import zoo
from aecore.models.layers import shape_text
from aecore.runs.store import Run
from pages.components import look

# Data sets bring torch with them, which takes seconds to import: the gallery, which needs none, must not wait for it.
if TYPE_CHECKING:
    import pandas as pd

    from aecore.data.splits import Split

MOST_MODELS = 8
MOST_PICTURES = 24
DEFAULT_MODELS = ("dense", "shallow-maxpool", "deep-strided-4-bn", "denoise-030")
OWN = "your own"  # the family of runs that are none of the zoo's
NOISES = {rule.title: name for name, rule in KINDS.items()}

Scores = Callable[[Run], "pd.DataFrame"]


def linked_dataset(runs: Sequence[Run]) -> str:
    """The data set of the first model that the link names, or CIFAR-10."""
    labels = look.labels(runs)
    named = st.query_params.get_all("models")
    return next((run.spec.dataset for run in runs if labels[run.key] in named), "cifar10")


# Here and below, `prefix` stands before a page's keys: what a key holds would follow a person to another page.
def dataset(runs: Sequence[Run], wanted: str, prefix: str = "") -> str:
    """The data set whose test pictures are looked at: at first `wanted`, or the embedded sample if it is not here."""
    from aecore.data import catalog
    from aecore.data.catalog import SAMPLE, SOURCES

    known = sorted({run.spec.dataset for run in runs} & set(SOURCES), key=list(SOURCES).index)
    here = [*(name for name in known if catalog.available(name)), SAMPLE]
    # Titles are what the address shows too.
    options = {"Embedded sample" if name == SAMPLE else SOURCES[name].title: name for name in here}
    chosen = st.selectbox(
        "Pictures from",
        list(options),
        here.index(wanted) if wanted in here else len(here) - 1,
        key=f"{prefix}data",
        bind="query-params",
    )
    return options[chosen]


def models(runs: Sequence[Run], dataset_name: str) -> list[Run]:
    """Up to eight runs whose pictures have the data set's shape: searched by name, or picked by family."""
    from aecore.data import datasets

    shape = datasets.load(dataset_name).shape
    fitting = [run for run in runs if run.spec.architecture.input_shape == shape]
    labels = look.labels(fitting)
    by_label = {labels[run.key]: run for run in fitting}
    default = [name for name in DEFAULT_MODELS if name in by_label] or list(by_label)[:4]
    # Models of another shape go when the data set changes; the page should not be left empty by it.
    if (before := st.session_state.get("models")) and not set(before) & set(by_label):
        st.session_state["models"] = default
    chosen = st.multiselect(
        "Models",
        list(by_label),
        default,
        key="models",
        bind="query-params",
        max_selections=MOST_MODELS,
        placeholder="Type to search; up to eight",
        help=f"Trained models that take {shape_text(shape)} pictures.",
    )
    _by_family(by_label, chosen)
    return [by_label[label] for label in chosen]


def _by_family(runs: dict[str, Run], chosen: Sequence[str]) -> None:
    """The same choice again, each family on its own line."""
    groups: dict[str, list[str]] = {}
    for label, run in runs.items():
        groups.setdefault(_family(run), []).append(label)
    keys = [f"models of {family}" for family in groups]

    def gather() -> None:
        picked = [label for key in keys for label in st.session_state[key]]
        # In the order in which they were chosen, so that columns keep their places.
        kept = [label for label in chosen if label in picked]
        st.session_state["models"] = (kept + [label for label in picked if label not in kept])[:MOST_MODELS]

    with st.popover("By family", icon=":material/category:", width="stretch"):
        st.caption(f"{len(chosen)} of at most {MOST_MODELS} chosen")
        for (family, labels), key in zip(groups.items(), keys, strict=True):
            st.session_state[key] = [label for label in labels if label in chosen]
            st.pills(family.capitalize(), labels, selection_mode="multi", key=key, on_change=gather)


def _family(run: Run) -> str:
    return zoo.SYSTEMS[run.name].family if zoo.is_own(run.spec) else OWN


def pictures(
    test: Split, classes: Sequence[str], runs: Sequence[Run], scores: Scores, prefix: str = "", count: int = 6
) -> tuple[int, ...]:
    """Indices of test pictures, at first `count` of them; raises `NumbersError` where the choice names none.

    `scores` gives a run's row for each test picture.
    """
    labels = {label: run for run, label in zip(runs, look.labels(runs).values(), strict=True)}
    ways = ["Random", "Class", "Numbers"] + ["Worst of a model"] * bool(runs) + ["Disagreement"] * (len(runs) > 1)
    if st.session_state.get(f"{prefix}pictures", ways[0]) not in ways:
        st.session_state[f"{prefix}pictures"] = ways[0]  # the models it spoke of are gone
    way = st.selectbox("Pictures", ways, key=f"{prefix}pictures", bind="query-params")
    if way == "Numbers":
        text = st.text_input(
            "Numbers",
            f"0-{count - 1}",
            key=f"{prefix}numbers",
            bind="query-params",
            help="Test pictures by number, such as 3, 17, 200-205",
        )
        return index_lists.parse(text, below=len(test), most=MOST_PICTURES, what="picture")
    if way == "Worst of a model":
        label = st.selectbox(
            "Model",
            list(labels),
            key=f"{prefix}worst",
            bind="query-params",
            help="Its largest errors over the test pictures, under the noise it was trained with.",
        )
        order = scores(labels[label])["mse"].sort_values(ascending=False, kind="stable")
        return tuple(scores(labels[label])["picture"][order.index[: _count(prefix, count)]])
    if way == "Disagreement":
        names = list(labels)
        one = st.selectbox("Between", names, key=f"{prefix}one", bind="query-params")
        others = [name for name in names if name != one]
        if st.session_state.get(f"{prefix}other") not in others:
            st.session_state.pop(f"{prefix}other", None)
        other = st.selectbox(
            "And",
            others,
            key=f"{prefix}other",
            bind="query-params",
            help="Where their errors over the test pictures lie furthest apart, each under the noise it was trained "
            "with.",
        )
        left, right = scores(labels[one]), scores(labels[other])
        apart = (left["mse"] - right["mse"]).abs().sort_values(ascending=False, kind="stable")
        return tuple(left["picture"][apart.index[: _count(prefix, count)]])
    among: Sequence[int] = range(len(test))
    if way == "Class":
        name = st.selectbox("Class", classes, key=f"{prefix}class", bind="query-params")
        among = (test.labels == list(classes).index(name)).nonzero()[:, 0].tolist()
    shown = _count(prefix, count)
    seed = st.number_input(
        "Draw",
        0,
        9999,
        0,
        key=f"{prefix}draw",
        bind="query-params",
        help="The seed that the pictures are drawn with.",
    )
    return tuple(random.Random(int(seed)).sample(among, min(shown, len(among))))


def _count(prefix: str, count: int) -> int:
    return int(st.slider("Number of pictures", 1, MOST_PICTURES, count, key=f"{prefix}count", bind="query-params"))


def noise_and_view(views: Sequence[str], prefix: str = "", first: float = 0.0) -> tuple[Noise, int, str]:
    """In one line: a kind of noise, its level in its own unit (at `first` to begin with), the seed of its draw; and
    what to see of it."""
    kinds, levels, seeds, shown = st.columns([1.5, 2.4, 0.9, 3.5], vertical_alignment="bottom", gap="medium")
    title = kinds.selectbox("Noise", list(NOISES), key=f"{prefix}noise", bind="query-params")
    rule = KINDS[NOISES[title]]
    if st.session_state.get(f"{prefix}level", first) > rule.highest:
        st.session_state[f"{prefix}level"] = rule.highest  # another kind went further
    level = levels.slider(
        rule.unit.capitalize(),
        0.0,
        rule.highest,
        first,
        0.01,
        format="%.2f",
        key=f"{prefix}level",
        bind="query-params",
        help="Level of the noise, which is added to the input before every model sees it; each gets the same draw.",
    )
    seed = seeds.number_input(
        "Seed", 0, 9999, 0, key=f"{prefix}seed", bind="query-params", help="The same seed gives the same noise again."
    )
    view = shown.segmented_control(
        "View", views, default=views[0], key=f"{prefix}view", bind="query-params", required=True
    )
    return _noise(title, level), int(seed), view


def chosen_noise() -> tuple[Noise, int]:
    """The noise that is chosen, for another part of the page."""
    state = st.session_state
    return _noise(state["noise"], state["level"]), int(state["seed"])


def _noise(title: str, level: float) -> Noise:
    kind = NOISES[title]
    # A link may hold a level that the slider cannot reach.
    return Noise(kind, level if level >= KINDS[kind].lowest else 0.0)
