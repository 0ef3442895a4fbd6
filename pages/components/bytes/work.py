"""Every setting of every coder on the shown pictures, in the background; what is done is drawn at once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from aecore.data.splits import to_float
from aecore.files import folders
from aecore.files.figures import PublishedError
from aecore.measuring import budgets
from aecore.measuring.budgets import Outcomes
from aecore.models.packer import Packer
from aecore.runs.store import WEIGHTS, Store
from aecore.studies import packing, rates
from aecore.studies.contestants import Contestant
from aecore.studies.rates import PUBLISHED, Rates
from pages.components import cached, jobs

# A coder's settings are divided among as many jobs, each with settings from few bytes to many. So the first that is
# done has a picture for every budget, and the others bring nearer ones.
PARTS = 8


@dataclass(frozen=True)
class Packed:
    """What is known of a coder: the `outcomes` of the settings that are done, with their `words`, and if all are."""

    contestant: Contestant
    outcomes: Outcomes | None
    words: tuple[str, ...]
    is_whole: bool


def published() -> Rates | None:
    """The published curves, whose settings are used; raises `PublishedError` where they cannot be read."""
    return rates.curves(PUBLISHED[0], folders.checkpoints())


def packed(
    chosen: Sequence[Contestant], dataset_name: str, pictures: tuple[int, ...]
) -> tuple[list[Packed], jobs.Jobs]:
    """What each of the `chosen` makes of the pictures, as far as it is done, and the jobs that are not.

    Shows an error for each coder that fails, and leaves it out.
    """
    begun = {
        contestant.key: [_begun(contestant, dataset_name, pictures, part) for part in range(PARTS)]
        for contestant in sorted(chosen, key=lambda one: (one.effort, one.run is not None))
    }
    done = jobs.ready("streams", begun)
    left = jobs.without_failed(chosen, begun, done)
    late = {
        f"{contestant.key} {part}": [job]
        for contestant in left
        for part, job in enumerate(begun[contestant.key])
        if not job.done() or jobs.given_up(job)
    }
    return [_together(contestant, begun[contestant.key], contestant.key in done) for contestant in left], late


def names(chosen: Sequence[Contestant]) -> tuple[tuple[str, ...], float]:
    """What decides the outcomes of the `chosen` on the same pictures."""
    return tuple(contestant.key + _weights(contestant) for contestant in chosen), _stamp()


def _begun(contestant: Contestant, dataset_name: str, pictures: tuple[int, ...], part: int) -> Future[Measured]:
    lane = jobs.lane_of_streams(contestant)
    return jobs.begun(lane, _measured, contestant, _weights(contestant), _stamp(), dataset_name, pictures, part)


Measured = tuple[Outcomes, tuple[str, ...]] | None  # None of a part without a setting


def _together(contestant: Contestant, parts: Sequence[Future[Measured]], is_whole: bool) -> Packed:
    known = [part.result() for part in parts if part.done() and not jobs.given_up(part) and part.exception() is None]
    measured = [part for part in known if part]
    outcomes = budgets.joined([part for part, _ in measured]) if measured else None
    return Packed(contestant, outcomes, tuple(word for _, words in measured for word in words), is_whole)


def _measured(
    contestant: Contestant, weights: str, stamp: float, dataset_name: str, pictures: tuple[int, ...], part: int
) -> Measured:
    packer = _packer(contestant, contestant.key, weights, stamp, dataset_name)
    settings = range(part, len(packer.settings), PARTS)
    if not settings:
        return None
    clean = to_float(cached.dataset(dataset_name).test.pixels[list(pictures)])
    return budgets.measure(packer, clean, settings), tuple(packer.settings[setting] for setting in settings)


def _stamp() -> float:
    """When the rates were published, whose settings are used; 0 where they are not."""
    with suppress(OSError):
        return rates.path_of(PUBLISHED[0], folders.checkpoints()).stat().st_mtime
    return 0.0


def _weights(contestant: Contestant) -> str:
    return contestant.run.digest(WEIGHTS) if contestant.run else ""


# Few: the tables of PCA take 72 MB, and its axes 38.
@st.cache_resource(max_entries=12, show_spinner=False)
def _packer(_contestant: Contestant, key: str, weights: str, stamp: float, dataset_name: str) -> Packer:
    try:
        known = published()
    except PublishedError:
        known = None  # the page has said so
    return packing.find(_contestant, cached.dataset(dataset_name), known, Store())
