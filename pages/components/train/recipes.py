"""The recipe form: what to start from, what to change of it, and on what to run it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from aecore import AecoreError
from aecore.data import index_lists
from aecore.data.noise import KINDS, Noise
from aecore.models import zoo
from aecore.models.recipe import LOSSES, Initialisation, Loss, Recipe, RunSpec, Schedule
from aecore.models.zoo import Start
from aecore.runs.store import Run
from aecore.scheduling.places import LOCAL, Place, accelerator
from pages.components import look
from pages.components.pickers import NOISES

PAGE = "train"
# None is a choice of another page too: what a key holds would follow a person there.
CHOICES = (
    "start",
    "epochs",
    "images",
    "batch",
    "rate",
    "schedule",
    "loss",
    "added",
    "strength",
    "below",
    "seeds",
    "on",
    "device",
    "weights",
)
MOST_SEEDS = 20
FIRST = "shallow-strided"  # good after a minute, and on the embedded sample too
NO_NOISE = "None"
_LOSSES: dict[str, Loss] = {"MSE": "mse", "Cross-entropy": "bce", "MAE": "mae"}
_SCHEDULES: dict[str, Schedule | None] = {"Constant": None, "Cosine": "cosine"}
_WEIGHTS: dict[str, Initialisation] = {"keras": "keras", "torch": "torch", "PCA": "pca"}


@dataclass(frozen=True)
class Plan:
    """What would be launched: one spec per seed, and where they would be trained."""

    specs: tuple[RunSpec, ...]
    place: Place


def starts(runs: Sequence[Run]) -> dict[str, Start]:
    """What one may start from, by the label that people know: every system, then every other run."""
    own_runs = {look.label(run.spec): zoo.from_run(run.spec) for run in runs if not zoo.is_own(run.spec)}
    return {**zoo.SYSTEMS, **own_runs}


def form(starts: dict[str, Start]) -> Plan | None:
    """The choices as a plan; None where they cannot be followed, which is then said."""
    start = st.selectbox(
        "Start from",
        list(starts),
        list(starts).index(FIRST),
        key="start",
        bind="query-params",
        on_change=partial(_take_over, starts),
        help="A system, or a run of your own. What you leave unchanged below is as in its recipe.",
    )
    system = starts[start]
    st.caption(f"{system.architecture}".replace("|", "→"))
    left, right = st.columns(2)
    with left:
        dataset, shape_fits = _dataset(system)
    with right:
        place = _place()
    given = _defaults(system)
    left, middle, right = st.columns(3)
    epochs = left.number_input(
        "Epochs",
        1,
        10_000,
        int(given["epochs"]),
        key="epochs",
        bind="query-params",
        help="How often every training picture is shown.",
    )
    images = middle.number_input(
        "Pictures",
        0,
        10_000_000,
        int(given["images"]),
        1000,
        key="images",
        bind="query-params",
        help="Only the first so many training pictures; 0 takes all of them.",
    )
    seeds = right.text_input(
        "Seeds",
        "0",
        key="seeds",
        bind="query-params",
        help="One run a seed, which decides initial weights, order and noise: 0, or 0-4 for five.",
    )
    noise = _noise(given)
    with st.expander("Batch size, learning rate, loss, initial weights", icon=":material/tune:"):
        left, right = st.columns(2)
        batch = left.number_input(
            "Batch size",
            1,
            65_536,
            int(given["batch"]),
            10,
            key="batch",
            bind="query-params",
            help="Pictures a step of the optimiser.",
        )
        rate = right.number_input(
            "Learning rate",
            0.0,
            10.0,
            float(given["rate"]),
            1e-4,
            format="%.5f",
            key="rate",
            bind="query-params",
            help="The step size of Adam.",
        )
        loss = left.selectbox(
            "Loss",
            list(_LOSSES),
            list(_LOSSES).index(str(given["loss"])),
            key="loss",
            bind="query-params",
            help="What training makes small: "
            + ", ".join(f"{title} ({LOSSES[each]})" for title, each in _LOSSES.items()),
        )
        schedule = right.selectbox(
            "Schedule",
            list(_SCHEDULES),
            list(_SCHEDULES).index(str(given["schedule"])),
            key="schedule",
            bind="query-params",
            help="The learning rate stays, or rises for a twentieth of the steps and then falls "
            "to nothing along half a cosine.",
        )
        weights = left.selectbox(
            "Initial weights",
            list(_WEIGHTS),
            list(_WEIGHTS).index(str(given["weights"])),
            key="weights",
            bind="query-params",
            help="Glorot-uniform with zero biases, as in Keras; torch's own; or, for two linear "
            "dense layers around the code, the principal components of the training pictures.",
        )
    if not shape_fits:
        return None
    try:
        recipe = Recipe(
            int(epochs),
            int(batch),
            float(rate),
            _LOSSES[loss],
            noise,
            int(images) or None,
            _WEIGHTS[weights],
            _SCHEDULES[schedule],
        )
        system.architecture.check_memory()
        from pages.components import cached

        chosen = index_lists.parse(seeds, below=10_000, most=MOST_SEEDS, what="seed")
        specs = tuple(
            RunSpec(system.architecture, recipe, dataset, cached.dataset(dataset).fingerprint, seed, system.name)
            for seed in chosen
        )
    except AecoreError as error:
        st.error(str(error), icon=":material/edit_off:")
        return None
    return Plan(specs, place)


def _noise(given: Mapping[str, str | int | float]) -> Noise | None:
    """What is added to the pictures that the model is shown."""
    left, right = st.columns(2)
    kinds = [NO_NOISE, *NOISES]
    kind = left.selectbox(
        "Noise",
        kinds,
        kinds.index(str(given["added"])),
        key="added",
        bind="query-params",
        help="Added to the pictures that the model is shown, anew each epoch; the clean ones are what it should give.",
    )
    if kind == NO_NOISE:
        return None
    rule = KINDS[NOISES[kind]]
    if not rule.lowest <= st.session_state.get("strength", rule.lowest) <= rule.highest:
        st.session_state["strength"] = rule.highest
    level = right.slider(
        rule.unit.capitalize(),
        rule.lowest,
        rule.highest,
        float(given["strength"] or 0.3),
        0.01,
        key="strength",
        bind="query-params",
    )
    every = right.checkbox(
        "Every level up to it",
        bool(given["below"]),
        key="below",
        bind="query-params",
        help="Each picture gets a level of its own, and the model is never told which.",
    )
    return Noise(NOISES[kind], level, rule.lowest if every and level > rule.lowest else None)


def _defaults(system: Start) -> dict[str, str | int | float]:
    """What the form holds for a system's own recipe."""
    recipe = system.recipe
    return {
        "epochs": recipe.epochs,
        "images": recipe.images or 0,
        "batch": recipe.batch_size,
        "rate": recipe.learning_rate,
        "loss": next(title for title, loss in _LOSSES.items() if loss == recipe.loss),
        "added": KINDS[recipe.noise.kind].title if recipe.noise else NO_NOISE,
        "strength": recipe.noise.level if recipe.noise else 0.0,
        "below": recipe.noise is not None and recipe.noise.low is not None,
        "schedule": next(title for title, schedule in _SCHEDULES.items() if schedule == recipe.schedule),
        "weights": next(title for title, weights in _WEIGHTS.items() if weights == recipe.initialisation),
    }


def _take_over(starts: dict[str, Start]) -> None:
    """Another start: its recipe replaces what the form held."""
    for key, value in _defaults(starts[st.session_state["start"]]).items():
        if key != "strength" or value:
            st.session_state[key] = value


def _dataset(system: Start) -> tuple[str, bool]:
    """The name of the data set to train on; False, and a sentence, where none here has the right shape."""
    from aecore.data import catalog, datasets
    from aecore.data.catalog import SAMPLE, SOURCES

    shape = system.architecture.input_shape
    titles = {source.title: name for name, source in SOURCES.items() if catalog.available(name)}
    titles |= {"Embedded sample": SAMPLE}
    fitting = {title: name for title, name in titles.items() if datasets.load(name).shape == shape}
    if not fitting:
        st.info(
            f"{SOURCES[system.dataset].title} is not here: `python -m aecore data fetch {system.dataset}`",
            icon=":material/photo_library:",
        )
        return system.dataset, False
    names = list(fitting.values())
    if st.session_state.get("on") not in (None, *fitting):
        st.session_state["on"] = next(iter(fitting))  # pictures of another shape
    title = st.selectbox(
        "Train on",
        list(fitting),
        names.index(system.dataset) if system.dataset in names else 0,
        key="on",
        bind="query-params",
    )
    if fitting[title] == SAMPLE:
        st.caption("A few photographs in small crops: for a first try, not for figures to quote.")
    return fitting[title], True


def _place() -> Place:
    """A device of this machine, or what a task may take of the cluster that is set up."""
    try:
        places = Place.choices()
    except AecoreError as error:
        st.warning(f"{error} Until then runs are trained on this machine.", icon=":material/cloud_off:")
        places = Place.choices(LOCAL)
    titles = {_title(place): place for place in places}
    chosen: str = st.selectbox("Device", list(titles), key="device", bind="query-params")
    return titles[chosen]


def _title(place: Place) -> str:
    if not place.is_here:
        return place.text
    return f"CPU, {os.cpu_count()} cores" if place.device == "cpu" else f"{accelerator(place.device)} ({place.device})"
