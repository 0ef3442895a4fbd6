"""The recipe form: what to start from, what to change of it, and on what to run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from aecore import AecoreError
from aecore.data import catalog, datasets, index_lists
from aecore.data.catalog import CROPS, SAMPLE, SOURCES
from aecore.models import zoo
from aecore.models.abridged import abridged
from aecore.models.architecture import ArchitectureError
from aecore.models.diagnosis import diagnose
from aecore.models.layers import Shape, shape_text
from aecore.models.recipe import Recipe, RunSpec
from aecore.models.zoo import Start
from aecore.runs.groups import groups
from aecore.runs.store import Run
from aecore.scheduling.places import LOCAL, Place, accelerator
from aecore.training import machine
from pages.components import cached, look, whole
from pages.components.entries import is_for_claims
from pages.components.links import Asked, Page
from pages.components.train import bar, settings

MOST_SEEDS = 20
_LAYERS = "layers"
_EDIT = ":material/edit_off:"
FIRST = "shallow-strided"  # good after a minute, and on the embedded sample too


@dataclass(frozen=True)
class Plan:
    """What would be launched: one spec per seed, and where they would be trained."""

    specs: tuple[RunSpec, ...]
    place: Place


def take_layers(page: Page, link: Asked) -> None:
    """Take the layers that a link brings, as Build's does: one may start from them until another link brings others."""
    if wanted := link.get(_LAYERS):
        st.session_state[page.key(_LAYERS)] = wanted[0]


def starts(page: Page, runs: Sequence[Run]) -> dict[str, Start]:
    """What one may start from, by the label that people know: the layers that a link brought, saved architectures,
    every system, then the runs that are not a system's own, one of those that differ only in the seed, without the
    light runs of the claims."""
    firsts = [group.first.spec for group in groups(runs) if not is_for_claims(group)]
    own_runs = {look.label(spec): zoo.from_run(spec) for spec in firsts if not zoo.is_own(spec)}
    return {**_brought(page), **zoo.saved_systems(), **zoo.SYSTEMS, **own_runs}


def _brought(page: Page) -> dict[str, Start]:
    """The layers that a link brought as a start, under the name that their runs get; a warning where they are wrong."""
    layers = st.session_state.get(page.key(_LAYERS))
    if not layers:
        return {}
    diagnosis = diagnose(layers)
    if diagnosis.architecture is None:
        st.warning(f"The layers in the link cannot be trained. {diagnosis.problems[0].sentence}", icon=_EDIT)
        return {}
    start = zoo.of(diagnosis.architecture)
    return {start.name: start}


def example(page: Page, runs: Sequence[Run]) -> Run | None:
    """The run of what the form starts from, if there is one."""
    chosen = st.session_state.get(page.key("start"))
    return next((run for run in runs if look.label(run.spec) == chosen), None)


def form(page: Page, starts: dict[str, Start]) -> Plan | None:
    """The choices as a plan; None where they cannot be followed, which is then said."""
    system = starts[_start(page, starts)]
    st.caption(abridged(system.architecture).replace("|", "→"))
    left, right = st.columns(2)
    with left:
        dataset, shape_fits = _dataset(page, system)
    with right:
        place = _place(page)
    if dataset == SAMPLE or not shape_fits:
        _offer(system, shape_fits)
    if shape_fits and (shape := datasets.load(dataset).shape) != system.architecture.input_shape:
        system = zoo.at_shape(system, shape)
        code = system.architecture.code
        size = f", which here have a code of {shape_text(code.output_shape)}" if code else ""
        st.caption(f":material/aspect_ratio: Pictures of {shape_text(shape)} go through the same layers{size}.")
    try:
        chosen, seeds = settings.ask(page, system)
        if not shape_fits:
            return None
        return Plan(_specs(system, Recipe(**chosen), dataset, seeds), place)
    except AecoreError as error:
        with bar.place():
            st.error(str(error), icon=_EDIT)
        return None


def _specs(system: Start, recipe: Recipe, dataset: str, seeds: str) -> tuple[RunSpec, ...]:
    """One run per seed of those that `seeds` lists."""
    system.architecture.check_memory()
    chosen = index_lists.parse(seeds, below=10_000, most=MOST_SEEDS, what="seed")
    fingerprint = cached.dataset(dataset).fingerprint
    return tuple(RunSpec(system.architecture, recipe, dataset, fingerprint, seed, system.name) for seed in chosen)


def _start(page: Page, starts: dict[str, Start]) -> str:
    key = page.key("start")
    return st.selectbox(
        "Start from",
        list(starts),
        list(starts).index(FIRST),
        key=key,
        bind="query-params",
        on_change=lambda: settings.take_over(page, starts[st.session_state[key]]),
        help="A system, or a run of your own. Settings that you do not change keep its values.",
    )


def _dataset(page: Page, system: Start) -> tuple[str, bool]:
    """The name of the data set to train on; False, and a sentence, where the layers fit none that is here.

    Those with pictures of the system's own shape come first.
    """
    titles = {source.title: name for name, source in SOURCES.items() if catalog.available(name)}
    titles |= {look.crops(name): name for name in CROPS}
    shapes = {title: datasets.load(name).shape for title, name in titles.items()}
    own = {title: titles[title] for title, shape in shapes.items() if shape == system.architecture.input_shape}
    fitting = own | {title: titles[title] for title, shape in shapes.items() if _fits(system, shape)}
    if not fitting:
        st.selectbox("Train on", [], placeholder="Nothing here fits", disabled=True)
        return system.dataset, False
    names = list(fitting.values())
    key = page.key("on")
    if st.session_state.get(key) not in (None, *fitting):
        st.session_state[key] = next(iter(fitting))  # pictures of another shape
    title = st.selectbox(
        "Train on",
        list(fitting),
        names.index(system.dataset) if system.dataset in names else 0,
        key=key,
        bind="query-params",
    )
    return fitting[title], True


def _fits(system: Start, shape: Shape) -> bool:
    """Whether the system's layers take pictures of this shape."""
    try:
        zoo.at_shape(system, shape)
    except ArchitectureError:
        return False
    return True


def _offer(system: Start, shape_fits: bool) -> None:
    """What can be trained on without the system's own data set, and a button that fetches that one."""
    title = look.dataset(system.dataset)
    if shape_fits:
        why = f"The embedded sample is for a first try. Its PSNR cannot be compared with that of {title}."
    else:
        why = f"{title} is not here, and no other data set has pictures of its shape."
    whole.offer(system.dataset, why)


def _place(page: Page) -> Place:
    """A device of this machine, or what a task may take of the cluster that is set up."""
    try:
        places = Place.choices()
    except AecoreError as error:
        st.warning(f"{error} Until then runs are trained on this machine.", icon=":material/cloud_off:")
        places = Place.choices(LOCAL)
    titles = {_title(place): place for place in places}
    chosen: str = st.selectbox("Device", list(titles), key=page.key("device"), bind="query-params")
    return titles[chosen]


def _title(place: Place) -> str:
    if not place.is_here:
        return place.text
    if place.device == "cpu":
        return f"CPU, {machine.cores_text()}"
    return f"{accelerator(place.device)} ({place.device})"
