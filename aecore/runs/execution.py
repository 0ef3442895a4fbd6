"""Runs: the one place that connects data, training, scoring and the store."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from aecore import AecoreError
from aecore.data import catalog, datasets
from aecore.data.catalog import SOURCES
from aecore.data.noise import noisy
from aecore.data.splits import Dataset, to_float
from aecore.measuring.totals import Totals
from aecore.models import zoo
from aecore.models.architecture import ArchitectureError
from aecore.models.layers import shape_text
from aecore.models.recipe import RunSpec
from aecore.models.zoo import Start
from aecore.reconstructors.trained import Model, half_precision
from aecore.runs.events import Finished, Previewed, Restarted, Resumed, Scored
from aecore.runs.outcome import Trained
from aecore.runs.store import STATES, Run, Store, StoreError
from aecore.training.devices import environment, find_device
from aecore.training.events import EpochEnded, Event, State
from aecore.training.loop import train

if TYPE_CHECKING:
    import pandas as pd

PREVIEW_PICTURES = 8
SCORING_SEED = 0  # not the run's own seed: a picture gets the same noise in every run


class RunError(AecoreError):
    """A run that cannot be made; the text says what is missing."""


@dataclass(frozen=True)
class Order:
    """What to compute: train `spec` on `dataset`, continuing from `state` if there is one, and score it.

    With `half` the weights are rounded to float16 before they are scored.
    """

    spec: RunSpec
    dataset: Dataset
    state: State | None
    device: torch.device
    half: bool = False


Compute = Callable[[Order], Iterator[Event | Previewed | Scored | Trained]]


def plan(
    system: Start,
    *,
    dataset: str | Dataset | None = None,
    seed: int = 0,
    store: Store | None = None,
    **changes: Any,
) -> RunSpec:
    """The spec of a run of `system`, with `changes` to its recipe.

    `dataset` is a data set or its name. Without one it is the system's own. If that one is not here, and the run is not
    in the store either, embedded pictures of its shape take its place. On pictures of another shape than the system's
    its layers are those of `Architecture.at`; raises `RunError` where they do not fit.
    """
    recipe = replace(system.recipe, **changes)

    def spec_on(data: str | Dataset) -> RunSpec:
        loaded = datasets.load(data) if isinstance(data, str) else data
        fitted = _fitted(system, loaded)
        return RunSpec(fitted.architecture, recipe, loaded.name, loaded.fingerprint, seed, system.name)

    if dataset:
        return spec_on(dataset)
    stand_in, source = catalog.embedded(system.architecture.input_shape), SOURCES.get(system.dataset)
    if catalog.available(system.dataset) or not stand_in:
        return spec_on(system.dataset)
    # Without its files the fingerprint of a data set is known only where the catalog has it.
    own = spec_on(system.dataset) if source and source.digests else None
    return own if own and (store or Store()).finished(own, light=True) else spec_on(stand_in)


def _fitted(system: Start, dataset: Dataset) -> Start:
    try:
        return zoo.at_shape(system, dataset.shape)
    except ArchitectureError as error:
        raise RunError(
            f"{system.name} takes pictures of {shape_text(system.architecture.input_shape)}, and its layers do not fit "
            f"those of {dataset.title}, which are {shape_text(dataset.shape)}. {error}"
        ) from None


def execute(
    spec: RunSpec,
    *,
    store: Store | None = None,
    device: torch.device | None = None,
    half: bool = False,
    light: bool = False,
    compute: Compute | None = None,
) -> Iterator[Event | Resumed | Restarted | Previewed | Scored | Finished]:
    """Make the run of `spec`, yielding its events, or return it from the store; the last event is `Finished`.

    Two calls for one spec train once: the second waits for the first and returns its run. A run that was stopped
    continues after its last whole epoch. With `half` the weights are stored and scored in float16. A `light` run is
    stored without its weights; a full run in the store serves as well, but where a full one is wanted, a light one is
    trained again. `compute` replaces `computed`: it may add previews, or compute the order in another process.
    """
    store = store or Store()
    device, damage = device or find_device(), ""
    try:
        if run := store.finished(spec, light):
            if not run.is_light:  # beside a light run they may be those of a full one that is not finished
                store.drop_states(spec)  # left behind if the process was killed just as it finished
            yield Finished(run, cached=True)
            return
    except StoreError as error:
        damage = str(error)
    with store.lock(spec):
        # Raises again where what is wrong could not be set aside, or is another version's.
        if run := store.finished(spec, light):
            yield Finished(run, cached=True)
            return
        if damage:
            yield Restarted(damage)
        store.tidy(spec)
        dataset = _dataset(spec)
        state, damage = _last_state(spec, store)
        if state is not None:
            yield Resumed(state.epoch, damage)
        elif damage:
            yield Restarted(damage)
        order = Order(spec, dataset, state, device, half)
        yield from _stored((compute or computed)(order), order, store, light)


def rescored(run: Run, store: Store) -> Iterator[Scored | Finished]:
    """Score a finished run again, under the noise that pictures get now; the last event is `Finished`.

    Its weights and its curve stay as they are.
    """
    with store.lock(run.spec):
        dataset, model = _dataset(run.spec), run.model()
        scores = yield from _scores(model, dataset)
        yield Finished(store.rescore(run, scores, preview(model, dataset)), cached=False)


def _dataset(spec: RunSpec) -> Dataset:
    dataset = datasets.load(spec.dataset)
    if dataset.fingerprint != spec.fingerprint:
        raise RunError(
            f"{dataset.title} has changed since this run was planned: its fingerprint is "
            f"{dataset.fingerprint[:12]}, not {spec.fingerprint[:12]}. Plan the run again."
        )
    return dataset


def _stored(
    events: Iterator[Event | Previewed | Scored | Trained], order: Order, store: Store, light: bool
) -> Iterator[Event | Previewed | Scored | Finished]:
    """The events of carrying out `order`, each after what it brings is written to the store."""
    state = order.state
    for event in events:
        match event:
            case EpochEnded():
                state = event.state
                store.write_state(order.spec, state)
                yield event
            case Trained():
                assert state is not None, "a recipe has at least one epoch"
                yield Finished(store.finish(order.spec, state, event, light), cached=False)
            case _:
                yield event


def computed(order: Order, *, previews: bool = False) -> Iterator[Event | Previewed | Scored | Trained]:
    """Carry out `order` without touching the store; the last event is `Trained`.

    With `previews` each epoch is followed by a `Previewed`.
    """
    spec, dataset, state = order.spec, order.dataset, order.state
    for event in train(spec, dataset, order.device, state):
        yield event
        if isinstance(event, EpochEnded):
            state = event.state
            if previews:
                yield Previewed(event.row.epoch, preview(Model(spec, state.weights), dataset))

    assert state is not None, "a recipe has at least one epoch"
    weights = half_precision(state.weights) if order.half else state.weights
    model = Model(spec, weights)
    scores = yield from _scores(model, dataset)
    totals = Totals.of(scores)
    yield Trained(weights, scores, totals, preview(model, dataset), environment(spec, order.device))


def _scores(model: Model, dataset: Dataset) -> Generator[Scored, None, pd.DataFrame]:
    """Score the model on the test pictures under its recipe's noise; returns one row per picture."""
    # Imports pandas and the metrics, which training can start without.
    from aecore.measuring.scoring import joined, score

    tables = []
    for rows in score(model, dataset.test, model.spec.recipe.noise, SCORING_SEED):
        tables.append(rows)
        yield Scored(sum(map(len, tables)), len(dataset.test))
    return joined(tables)


def _last_state(spec: RunSpec, store: Store) -> tuple[State | None, str]:
    """The newest intact state of a run, and which newer ones are damaged."""
    damage = list[str]()
    for _ in STATES:
        try:
            return store.read_state(spec), " ".join(damage)
        except StoreError as error:
            damage.append(str(error))
    return None, " ".join(damage)


def preview(model: Model, dataset: Dataset) -> bytes:
    """A PNG with a row of test pictures, one of noisy pictures if the model denoises, and one of reconstructions."""
    clean = to_float(dataset.test.pixels[:PREVIEW_PICTURES])
    given = noisy(clean, model.spec.recipe.noise, SCORING_SEED, range(len(clean)))
    rows = [clean, model(given)] if model.spec.recipe.noise is None else [clean, given, model(given)]
    sheet = torch.cat([torch.cat(list(row.clamp(0, 1)), dim=2) for row in rows], dim=1)
    pixels = (sheet * 255).round().byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(file, "PNG", optimize=True)
    return file.getvalue()
