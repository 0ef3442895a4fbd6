"""The widgets to choose with. Every choice is in the page's address, so that a link restores what was seen."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore import AecoreError
from aecore.data import catalog, datasets, index_lists
from aecore.data.catalog import CROPS, EXCERPTS, SAMPLE, SOURCES
from aecore.data.noise import BY_TITLE, KINDS, Noise
from aecore.data.splits import Dataset
from aecore.files import folders
from aecore.models.layers import Shape
from aecore.reconstructors import foreign
from aecore.reconstructors.codecs import FORMATS, USUAL_QUALITY
from aecore.runs.store import Run
from aecore.studies import by_name
from aecore.studies.contestants import Contestant, of_run
from pages.components import look, whole
from pages.components.links import MOST_MODELS, Page, forget_unless

MOST_PICTURES = 24
COUNT = 6  # pictures at first
_PCA = "PCA"
_USUAL_PCA = 64

Scores = Callable[[Run], pd.DataFrame]


def linked_dataset(runs: Sequence[Run]) -> str:
    """The data set of one of the models that the link names, or CIFAR-10.

    Where it is not here, or is somebody's folder, it is the embedded one whose pictures have the same shape. Of a model
    from elsewhere that does not take pictures like CIFAR-10's it is the first here that it takes.
    """
    labels = look.labels(runs)
    named = st.query_params.get_all("models")
    spec = next((run.spec for run in runs if labels[run.key] in named), None)
    if spec is None:
        taken = _only_for([model for model in _foreign() if model.label in named])
        return next(filter(catalog.here, taken), "cifar10")
    is_offered = spec.dataset in CROPS or (spec.dataset in SOURCES and catalog.here(spec.dataset))
    return spec.dataset if is_offered else catalog.embedded(spec.architecture.input_shape) or spec.dataset


def _foreign() -> tuple[foreign.Model, ...]:
    return foreign.listing(folders.checkpoints()).models


def _only_for(models: Sequence[foreign.Model]) -> list[str]:
    """The data sets that must be offered for models from elsewhere, those to download first.

    A model that takes the embedded sample, which is always offered, needs no others.
    """
    other = [model for model in models if not model.takes(CROPS[SAMPLE].shape)]
    return [name for name in (*SOURCES, *CROPS) if any(model.takes(catalog.shape_of(name)) for model in other)]


def dataset(page: Page, runs: Sequence[Run], wanted: str) -> str:
    """The data set whose test pictures are shown: at first `wanted`, or the embedded sample if that is not here.

    Embedded scenes are offered where a run takes pictures of their size, or a model from elsewhere takes no others.

    Of a data set that is not here whole it is the excerpt, under the same title, so that one link serves both.
    """
    trained_on, foreign_take = (run.spec.dataset for run in runs), _only_for(_foreign())
    known = sorted({*trained_on, *foreign_take, wanted} & set(SOURCES), key=list(SOURCES).index)
    # By title, as the address shows it.
    options = {SOURCES[name].title: shown for name in known if (shown := catalog.here(name))}
    # Where a run's own pictures are not here, or are somebody's folder, the embedded ones of their shape are.
    embedded = {SAMPLE, *foreign_take, *(run.spec.dataset for run in runs)}
    embedded |= {catalog.embedded(run.spec.architecture.input_shape) or SAMPLE for run in runs}
    options |= {look.crops(name): name for name in CROPS if name in embedded}
    names = list(options.values())
    chosen = st.selectbox(
        "Pictures from",
        list(options),
        names.index(shown) if (shown := catalog.here(wanted)) in names else names.index(SAMPLE),
        key=page.key("data"),
        bind="query-params",
    )
    if (name := options[chosen]) in EXCERPTS:
        excerpt = EXCERPTS[name]
        whole.offer(
            excerpt.whole,
            f"These are {excerpt.title}, which come with the dashboard. PCA, the Wiener filters and training need "
            "the training pictures too.",
        )
    return name


def shape_of(dataset_name: str) -> Shape:
    """The shape of a data set's pictures, without reading them."""
    return datasets.load(dataset_name).shape


def contestants(
    title: str, offered: Sequence[Contestant], shape: Shape, default: Sequence[str], key: str, more: DeltaGenerator
) -> list[Contestant]:
    """Up to eight of those `offered`, and of single seeds and other baselines that the link or the person named.

    They are in the order of choice. `default` are the labels of those chosen at first. The container `more` gets all
    that can be chosen, by family.
    """
    by_label = {contestant.label: contestant for contestant in offered if not contestant.missing}
    named = [*st.query_params.get_all(key), *(st.session_state.get(key) or ())]
    seeds = _single_seeds(offered)
    unfolded = st.session_state.get(f"{key} unfolded")
    by_label |= {name: seed for name, seed in seeds.items() if name not in by_label and (unfolded or name in named)}
    listed = {contestant.label for contestant in offered}
    by_label |= {name: by_name.baseline(name) for name in named if name not in listed and _is_baseline_for(name, shape)}
    default = [label for label in default if label in by_label] or list(by_label)[:4]
    # Models for another shape disappear when the data set changes; the page should not be empty then.
    if (before := st.session_state.get(key)) and not set(before) & set(by_label):
        st.session_state[key] = default
    chosen = st.multiselect(
        title,
        list(by_label),
        default,
        key=key,
        bind="query-params",
        max_selections=MOST_MODELS,
        placeholder="Type to search; up to eight",
        help="\n".join(
            [
                *(f"- **{label}**: {contestant.knowledge}" for label, contestant in by_label.items()),
                # Of runs without weights there may be hundreds.
                *(f"- {contestant.missing}" for contestant in offered if contestant.missing and not contestant.run),
            ]
        ),
    )
    full = " Take one out to add another." if len(chosen) == MOST_MODELS else ""
    st.caption(f"{len(chosen)} of at most {MOST_MODELS} chosen.{full}")
    _baseline(shape, chosen, key)
    with more:
        st.markdown(f"**{title} by family**")
        _by_family(by_label, chosen, key)
        if seeds:
            st.checkbox("List every seed", key=f"{key} unfolded", help="Otherwise one run stands for all seeds.")
    return [replace(by_label[label], order=order) for order, label in enumerate(chosen)]


def _single_seeds(offered: Sequence[Contestant]) -> dict[str, Contestant]:
    """The runs with weights of the groups among those `offered`, by label."""
    groups = [contestant.group for contestant in offered if contestant.group]
    singles = [of_run(run) for group in groups for run in group.with_weights]
    return {single.label: single for single in singles}


def _is_baseline_for(name: str, shape: Shape) -> bool:
    """Whether there is a baseline of this name for pictures of this shape."""
    try:
        by_name.check(name, shape)
    except AecoreError:
        return False
    return True


def _by_family(offered: dict[str, Contestant], chosen: Sequence[str], key: str) -> None:
    """The same choice as pills, one line per family."""
    groups: dict[str, list[str]] = {}
    for label, contestant in offered.items():
        groups.setdefault(contestant.family, []).append(label)
    pills = [f"{key} of {family}" for family in groups]

    def gather() -> None:
        picked = [label for pill in pills for label in st.session_state[pill]]
        # In the order in which they were chosen, so that columns keep their places.
        before = [label for label in chosen if label in picked]
        picked = before + [label for label in picked if label not in before]
        st.session_state[key] = picked[:MOST_MODELS]
        if left := picked[MOST_MODELS:]:
            st.toast(f"At most {MOST_MODELS}: {look.listed(left)} left out.", icon=":material/filter_8:")

    with st.container(key="families", gap="xsmall"):
        for (family, labels), pill in zip(groups.items(), pills, strict=True):
            st.session_state[pill] = [label for label in labels if label in chosen]
            title = family if family.isupper() else family.capitalize()
            st.pills(title, labels, selection_mode="multi", key=pill, on_change=gather)


def _baseline(shape: Shape, chosen: Sequence[str], key: str) -> None:
    """PCA at any number of components, an image codec at any quality."""
    kinds = {_PCA: ("pca", "Components", 1, shape[0] * shape[1] * shape[2], _USUAL_PCA)} | {
        rule.title: (kind, "Quality", rule.lowest, 100, USUAL_QUALITY) for kind, rule in FORMATS.items()
    }
    with st.popover("Add a baseline", icon=":material/add:", width="stretch"):
        kind, setting, low, high, usual = kinds[
            st.segmented_control("Kind", list(kinds), default=_PCA, key=f"{key} baseline", required=True)
        ]
        number = st.number_input(setting, low, high, usual, key=f"{key} number of {kind}")
        name = f"{kind}-{number}"

        def add() -> None:
            st.session_state[key] = [*chosen, name]

        full = len(chosen) >= MOST_MODELS
        st.button(
            f"Add {name}",
            icon=":material/add:",
            key=f"{key} add",
            on_click=add,
            disabled=full or name in chosen,
            help="Eight are chosen already: remove one first." if full else None,
        )


def pictures(page: Page, data: Dataset, runs: Sequence[Run], scores: Scores, count: int) -> tuple[int, ...]:
    """Indices of test pictures of `data`, at first `count` of them; raises `NumbersError` where the choice names none.

    `scores` gives the scores of a run, one row per test picture.
    """
    labels = {label: run for run, label in zip(runs, look.labels(runs).values(), strict=True)}
    ways = ["Random", "Class", "Numbers"] + ["Worst of a model"] * bool(runs) + ["Disagreement"] * (len(runs) > 1)
    if st.session_state.get(page.key("pictures"), ways[0]) not in ways:
        st.session_state[page.key("pictures")] = ways[0]  # it needs models that are not chosen any more
    line = st.container(horizontal=True, gap="small")
    way = line.selectbox("Pictures", ways, key=page.key("pictures"), bind="query-params")
    if way == "Numbers":
        text = st.text_input(
            "Numbers",
            f"0-{count - 1}",
            key=page.key("numbers"),
            bind="query-params",
            help="Test pictures by number, such as 3, 17, 200-205",
        )
        return index_lists.parse(text, below=len(data.test), most=MOST_PICTURES, what="picture")
    if way == "Worst of a model":
        key = page.key("worst")
        forget_unless(key, labels)  # its model may not be chosen any more
        label = st.selectbox(
            "Model",
            list(labels),
            key=key,
            bind="query-params",
            help="The test pictures with the largest errors of this model, under the noise it was trained with.",
        )
        order = scores(labels[label])["mse"].sort_values(ascending=False, kind="stable")
        return tuple(scores(labels[label])["picture"][order.index[: _count(page, count)]])
    if way == "Disagreement":
        names = list(labels)
        first, second = page.key("one"), page.key("other")
        forget_unless(first, names)
        one = st.selectbox("Between", names, key=first, bind="query-params")
        others = [name for name in names if name != one]
        forget_unless(second, others)
        other = st.selectbox(
            "And",
            others,
            key=second,
            bind="query-params",
            help="The test pictures on which the errors of the two models differ most, each under the noise it was "
            "trained with.",
        )
        left, right = scores(labels[one]), scores(labels[other])
        apart = (left["mse"] - right["mse"]).abs().sort_values(ascending=False, kind="stable")
        return tuple(left["picture"][apart.index[: _count(page, count)]])
    among: Sequence[int] = range(len(data.test))
    if way == "Class":
        name = st.selectbox("Class", data.classes, key=page.key("class"), bind="query-params")
        among = (data.test.labels == list(data.classes).index(name)).nonzero()[:, 0].tolist()
    shown = _count(page, count)
    seed = line.number_input(
        "Draw",
        0,
        9999,
        0,
        key=page.key("draw"),
        bind="query-params",
        help="Seed of the random choice: the same number gives the same pictures.",
        width=90,
    )
    return tuple(random.Random(int(seed)).sample(among, min(shown, len(among))))


def _count(page: Page, count: int) -> int:
    return int(st.slider("Number of pictures", 1, MOST_PICTURES, count, key=page.key("count"), bind="query-params"))


@dataclass(frozen=True)
class GivenNoise:
    """The noise that is chosen on a page: its kind, its level (0 is no noise), the seed, and the key of its slider."""

    kind: str
    level: float
    seed: int
    slider: str

    @property
    def noise(self) -> Noise | None:
        """The noise itself; None at level 0."""
        return Noise(self.kind, self.level) if self.level else None


def noise_and_view(page: Page, views: Sequence[str], first: float = 0.0) -> tuple[GivenNoise, str]:
    """A noise, its level in its own unit (at first `first`) and the seed of its draw in one line; the view below it."""
    line = st.container(horizontal=True, vertical_alignment="top", gap="small")
    title = line.selectbox("Noise", list(BY_TITLE), key=page.key("noise"), bind="query-params", width=150)
    rule = KINDS[BY_TITLE[title]]
    if st.session_state.get(page.key("level"), first) > rule.highest:
        st.session_state[page.key("level")] = rule.highest  # the range of another kind goes further
    level = line.slider(
        rule.unit.capitalize(),
        0.0,
        rule.highest,
        first,
        0.01,
        format="%.2f",
        key=page.key("level"),
        bind="query-params",
        help="Strength of the noise. It is added to the input; all models receive the same noisy pictures.",
        width="stretch",
    )
    seed = line.number_input(
        "Seed",
        0,
        9999,
        0,
        key=page.key("seed"),
        bind="query-params",
        help="Seed of the noise: the same number gives the same noise.",
        width=100,
    )
    view = st.segmented_control(
        "View",
        views,
        default=views[0],
        key=page.key("view"),
        bind="query-params",
        required=True,
        width="content",
        label_visibility="collapsed",
    )
    kind = BY_TITLE[title]
    # A link may hold a level that the slider cannot reach.
    given = GivenNoise(kind, level if level >= KINDS[kind].lowest else 0.0, int(seed), page.key("level"))
    return given, view
