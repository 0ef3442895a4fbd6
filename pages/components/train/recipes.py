"""The recipe form: what to start from, what to change of it, and on what to run it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from aecore import AecoreError
from aecore.data import index_lists
from aecore.models import zoo
from aecore.models.recipe import Recipe, RunSpec
from aecore.models.zoo import System
from aecore.runs.groups import groups
from aecore.runs.store import Run
from aecore.scheduling import cluster
from pages.components import look
from pages.components.links import Page
from pages.components.train import settings

MOST_SEEDS = 20
FIRST = "shallow-strided"  # good after a minute, and on the embedded sample too


@dataclass(frozen=True)
class Plan:
    """What would be launched: one spec per seed, and the device to run them on, of this machine or a Ray cluster."""

    specs: tuple[RunSpec, ...]
    device: str
    cluster: str | None = None


def starts(runs: Sequence[Run]) -> dict[str, System]:
    """What one may start from, by the label that people know: every system, then the runs that are not a system's own,
    one of those that differ only in the seed."""
    firsts = [group.first.spec for group in groups(runs)]
    return dict(zoo.SYSTEMS) | {look.label(spec): zoo.from_run(spec) for spec in firsts if not zoo.is_own(spec)}


def form(page: Page, starts: dict[str, System]) -> Plan | None:
    """The choices as a plan; None where they cannot be followed, which is then said."""
    system = starts[_start(page, starts)]
    st.caption(f"{system.architecture}".replace("|", "→"))
    left, right = st.columns(2)
    with left:
        dataset, shape_fits = _dataset(page, system)
    with right:
        device = _device(page)
    chosen, seeds = settings.ask(page, system)
    if not shape_fits:
        return None
    try:
        return Plan(_specs(system, Recipe(**chosen), dataset, seeds), *device)
    except AecoreError as error:
        st.error(str(error), icon=":material/edit_off:")
        return None


def _specs(system: System, recipe: Recipe, dataset: str, seeds: str) -> tuple[RunSpec, ...]:
    """One run per seed of those that `seeds` lists."""
    from pages.components import cached  # torch, which the form does not wait for

    system.architecture.check_memory()
    chosen = index_lists.parse(seeds, below=10_000, most=MOST_SEEDS, what="seed")
    fingerprint = cached.dataset(dataset).fingerprint
    return tuple(RunSpec(system.architecture, recipe, dataset, fingerprint, seed, system.name) for seed in chosen)


def _start(page: Page, starts: dict[str, System]) -> str:
    key = page.key("start")
    return st.selectbox(
        "Start from",
        list(starts),
        list(starts).index(FIRST),
        key=key,
        bind="query-params",
        on_change=lambda: settings.take_over(page, starts[st.session_state[key]]),
        help="A system, or a run of your own. What you leave unchanged below is as in its recipe.",
    )


def _dataset(page: Page, system: System) -> tuple[str, bool]:
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
    if fitting[title] == SAMPLE:
        st.caption("A few photographs in small crops: for a first try, not for figures to quote.")
    return fitting[title], True


def _device(page: Page) -> tuple[str, str | None]:
    """Every device of this machine, by name, or what a task on the Ray cluster that is set up here may take."""
    from aecore.scheduling import costs
    from aecore.training.devices import devices

    try:
        address = cluster.chosen()
    except AecoreError as error:
        st.warning(f"{error} Until then runs are trained on this machine.", icon=":material/cloud_off:")
        address = None
    if address:
        titles = {f"{share} of the Ray cluster at {address}": name for name, share in cluster.SHARES.items()}
    else:
        titles = {_title(name, costs.accelerator(name)): name for name in devices()}
    chosen: str = st.selectbox("Device", list(titles), key=page.key("device"), bind="query-params")
    return titles[chosen], address


def _title(name: str, accelerator: str) -> str:
    return f"CPU, {os.cpu_count()} cores" if name == "cpu" else f"{accelerator} ({name})"
