"""What is computed of a run's code in the background, and held for all sessions."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, cast

import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore.data import noise
from aecore.data.noise import noisy
from aecore.data.splits import to_float
from aecore.files.fits import load_or_make
from aecore.measuring import codes, zeroing
from aecore.measuring.code_colours import Palette
from aecore.measuring.units import Activity
from aecore.measuring.zeroing import Cost
from aecore.models.reconstructor import Coder
from aecore.runs.execution import SCORING_SEED
from aecore.runs.store import WEIGHTS
from aecore.studies.contestants import Contestant
from pages.components import cached, jobs
from pages.components.code.subject import Subject

ENCODED = 1000  # pictures in one job
_DECODED = 8000  # pictures in one job

Late = dict[str, Sequence[Future[Any]]]  # jobs that a part of the page waits for, by what they do
ENCODING, ZEROING, ZEROING_ONE = "encoding", "zeroing", "zeroing one unit"


def activity(subject: Subject) -> tuple[Activity | None, Late]:
    """What the units do over the test pictures, or the jobs that it waits for.

    Both are missing if a job has failed, which an error on the page explains.
    """
    parts = [
        jobs.begun("codes", _encode, subject.model, subject.dataset, start, stop) for start, stop in _parts(subject)
    ]
    is_done, late = _collected(ENCODING, subject, parts)
    return (_joined(subject, _content(subject.model, subject.dataset)) if is_done else None), late


def costs(subject: Subject) -> tuple[pd.DataFrame | None, Late]:
    """What zeroing each unit alone costs, one row per unit, or the jobs that it waits for, as above."""
    pictures = pictures_of_costs(subject)
    size = max(1, _DECODED // pictures)
    parts = [
        jobs.begun("zeroing", _zero, subject.model, subject.dataset, pictures, first, min(first + size, subject.units))
        for first in range(0, subject.units, size)
    ]
    is_done, late = _collected(ZEROING, subject, parts)
    return (zeroing.table([cost for part in parts for cost in part.result()]) if is_done else None), late


def cost_of(subject: Subject, unit: int) -> tuple[Cost | None, Late]:
    """What zeroing one unit costs on as many pictures as there are, up to 1,000, or the job that it waits for."""
    pictures = min(zeroing.MOST, subject.pictures)
    job = jobs.begun("codes", _zero_one, subject.model, subject.dataset, pictures, unit)
    is_done, late = _collected(ZEROING_ONE, subject, [job])
    return (job.result() if is_done else None), late


def _collected(what: str, subject: Subject, parts: Sequence[Future[Any]]) -> tuple[bool, Late]:
    """Whether all `parts` are done and none has failed, and the parts if they are waited for."""
    own = {subject.model.key: parts}
    done = jobs.ready(what, own)
    if not jobs.without_failed([subject.model], own, done):
        return False, {}
    return (True, {}) if done else (False, {what: parts})


def _parts(subject: Subject) -> list[tuple[int, int]]:
    """Where each part of the pictures begins and ends."""
    return [(start, min(start + ENCODED, subject.pictures)) for start in range(0, subject.pictures, ENCODED)]


def pictures_of_costs(subject: Subject) -> int:
    """On how many pictures the cost of every unit is measured."""
    return min(zeroing.pictures_for(subject.units), subject.pictures)


# ---- in the background


def _coder(contestant: Contestant, dataset_name: str) -> Coder:
    return cast(Coder, cached.reconstructor(contestant, dataset_name, None))


def _encode(contestant: Contestant, dataset_name: str, start: int, stop: int) -> None:
    _part(contestant, _content(contestant, dataset_name), dataset_name, start, stop)


def _zero(contestant: Contestant, dataset_name: str, pictures: int, first: int, stop: int) -> list[Cost]:
    """Kept on disk beside the runs, because it takes up to a minute for all units of a code."""
    assert contestant.run is not None, "only a trained run has a code"

    def make() -> dict[str, Tensor]:
        return zeroing.tensors(_costs(contestant, dataset_name, pictures, range(first, stop)))

    facts = {
        "version": [zeroing.VERSION, noise.VERSION],
        "content": _content(contestant, dataset_name),
        "noise": str(contestant.trained_under),
        "pictures": pictures,
        "units": [first, stop],
    }
    return zeroing.from_tensors(load_or_make(contestant.run.path.parent, "zeroing", facts, make))


def _zero_one(contestant: Contestant, dataset_name: str, pictures: int, unit: int) -> Cost:
    (cost,) = _costs(contestant, dataset_name, pictures, range(unit, unit + 1))
    return cost


def _costs(contestant: Contestant, dataset_name: str, pictures: int, chosen: range) -> list[Cost]:
    model, pixels = _coder(contestant, dataset_name), cached.dataset(dataset_name).test.pixels[:pictures]
    coded = torch.cat(list(codes.in_batches(model, pixels, contestant.trained_under, SCORING_SEED)))
    return zeroing.costs(model, coded, to_float(pixels), chosen)


def _content(contestant: Contestant, dataset_name: str) -> str:
    """What changes with the weights and the pictures: a key for caches."""
    assert contestant.run is not None, "only a trained run has a code"
    return f"{contestant.run.digest(WEIGHTS)} {cached.dataset(dataset_name).fingerprint}"


# Of two runs while they are encoded: 4 MB for each thousand pictures of a code of 1,024 units.
@st.cache_resource(max_entries=20, show_spinner=False)
def _part(_contestant: Contestant, content: str, dataset_name: str, start: int, stop: int) -> Activity:
    model, pixels = _coder(_contestant, dataset_name), cached.dataset(dataset_name).test.pixels[start:stop]
    return Activity.of(codes.in_batches(model, pixels, _contestant.trained_under, SCORING_SEED, start))


@st.cache_resource(max_entries=4, show_spinner="Encoding the test pictures")
def _joined(_subject: Subject, content: str) -> Activity:
    jobs.one_core()
    parts = _parts(_subject)
    return Activity.joined([_part(_subject.model, content, _subject.dataset, start, stop) for start, stop in parts])


# ---- the codes of a few pictures


def coded(subject: Subject, pictures: Sequence[int]) -> Tensor:
    """The codes of some test pictures, as the model sees them: float32 `[N, …]`."""
    return _coded(subject, _content(subject.model, subject.dataset), tuple(pictures))


@st.cache_resource(max_entries=64, show_spinner=False)
def _coded(_subject: Subject, content: str, pictures: tuple[int, ...]) -> Tensor:
    jobs.one_core()
    clean = to_float(cached.dataset(_subject.dataset).test.pixels[list(pictures)])
    return _coder(_subject.model, _subject.dataset).encode(noisy(clean, _subject.noise, SCORING_SEED, pictures))


def palette(subject: Subject, measured: Activity) -> Palette:
    """The colours of its code's channels, fitted to the test pictures."""
    return _palette(measured, _content(subject.model, subject.dataset))


@st.cache_resource(max_entries=64, show_spinner=False)
def _palette(_activity: Activity, content: str) -> Palette:
    return Palette.of(_activity)
