"""What a person chooses. Every choice is in the page's address, so that a link brings back what was seen."""

from __future__ import annotations

import random
from collections.abc import Sequence

import streamlit as st

from aecore.layers import shape_text
from aecore.noise import KINDS, Noise
from aecore.store import Run
from pages.components import look

# Data sets bring torch with them, which takes seconds to import: the gallery, which needs none, must not wait for it.

MOST_MODELS = 8
DEFAULT_MODELS = ("dense", "shallow-maxpool", "deep-strided-4-bn", "denoise-030")


def families(names: Sequence[str]) -> list[str]:
    """The families to show; none chosen means all."""
    chosen = st.pills(
        "Family", names, selection_mode="multi", key="family", bind="query-params", label_visibility="collapsed"
    )
    return list(chosen) or list(names)


def linked_dataset(runs: Sequence[Run]) -> str:
    """The data set of the first model that the link names, or CIFAR-10."""
    labels = look.labels(runs)
    named = st.query_params.get_all("models")
    return next((run.spec.dataset for run in runs if labels[run.key] in named), "cifar10")


def dataset(runs: Sequence[Run], wanted: str) -> str:
    """The data set whose test pictures are looked at: at first `wanted`, or the embedded sample if it is not here."""
    from aecore import datasets
    from aecore.datasets import SAMPLE, SOURCES

    known = sorted({run.spec.dataset for run in runs} & set(SOURCES), key=list(SOURCES).index)
    options = [*(name for name in known if datasets.available(name)), SAMPLE]
    titles = {name: SOURCES[name].title for name in known} | {SAMPLE: "Embedded sample"}
    chosen: str = st.selectbox(
        "Pictures from",
        options,
        options.index(wanted) if wanted in options else len(options) - 1,
        format_func=titles.__getitem__,
        key="data",
        bind="query-params",
    )
    return chosen


def models(runs: Sequence[Run], dataset_name: str) -> list[Run]:
    """Up to eight runs whose pictures have the data set's shape."""
    from aecore import datasets

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
        placeholder="Choose up to eight",
        help=f"Trained models that take {shape_text(shape)} pictures.",
    )
    return [by_label[label] for label in chosen]


def pictures(of: int) -> tuple[int, ...]:
    """Indices of test pictures: so many, drawn with a seed."""
    count = st.slider("Number of pictures", 1, 24, 6, key="count", bind="query-params")
    seed = st.number_input(
        "Choice of pictures", 0, 9999, 0, key="draw", bind="query-params", help="The seed that they are drawn with."
    )
    return tuple(random.Random(int(seed)).sample(range(of), min(count, of)))


def noise() -> tuple[Noise, int]:
    """A kind of noise, its level in its own unit, and the seed of its draw."""
    kind = st.selectbox(
        "Noise", list(KINDS), format_func=lambda name: KINDS[name].title, key="noise", bind="query-params"
    )
    rule = KINDS[kind]
    level = st.slider(
        f"Level ({rule.unit})",
        0.0,
        rule.highest,
        0.0,
        rule.highest / 100,
        format="%.2f",
        key="level",
        bind="query-params",
        help="Added to the input before every model sees it; each model gets the same draw.",
    )
    seed = st.number_input(
        "Noise seed", 0, 9999, 0, key="seed", bind="query-params", help="The same seed gives the same noise again."
    )
    # A link may hold a level that the slider cannot reach.
    return Noise(kind, level if level >= rule.lowest else 0.0), int(seed)
