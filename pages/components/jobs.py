"""Work that takes seconds: computed in the background, shared by all sessions, and drawn as soon as it is done.

A page begins jobs, draws those that are ready, and looks again. A job that no page waits for any more is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any, Literal, get_args
from weakref import WeakKeyDictionary

import streamlit as st
import torch

from aecore import AecoreError
from aecore.studies.contestants import FOREIGN, Contestant
from aecore.training import machine
from pages.components import links

Lane = Literal[
    "quick",
    "fits",
    "slow",
    "slow draws",
    "models of others",
    "codes",
    "streams",
    "zeroing",
    "photographs",
    "slow photographs",
    "photographs of others",
]
Jobs = Mapping[str, Sequence[Future[Any]]]  # the jobs of each contestant, by its key

HELPERS = max(1, machine.cores() - 1)
FORGIVEN = 60  # seconds after which a failed job is tried again: the cause may be gone by then
_WANTED = 10  # seconds that a job waits for its turn after a page last asked for it
_MOMENT = 0.2  # seconds that a part of a page waits for its jobs before it is drawn without them
_EVERY = 0.5  # seconds between two looks
_BEGUN = "jobs begun"


def one_core() -> None:
    """Have torch compute on one core in this thread. The setting is per thread, and every script run has a new thread.

    A dozen pictures take milliseconds. On more cores torch's threads would wait for each other, for hundreds of
    milliseconds, whenever another session or a training run uses one of the cores.
    """
    torch.set_num_threads(1)


@dataclass
class _Lease:
    """Monotonic times at which a job was last requested and finished."""

    asked: float
    ended: float = inf


# One lane per cost class, so that slow jobs cannot delay quick ones. What a model of others costs is not known.
LANES: dict[Lane, ThreadPoolExecutor] = {lane: ThreadPoolExecutor(1, initializer=one_core) for lane in get_args(Lane)}
_leases: WeakKeyDictionary[Future[Any], _Lease] = WeakKeyDictionary()


def lane_of(contestant: Contestant, *, many_draws: bool = False) -> Lane:
    """The lane of a contestant's jobs."""
    if contestant.family == FOREIGN:
        return "models of others"
    if contestant.is_slow:
        return "slow draws" if many_draws else "slow"
    return "fits" if contestant.fits else "quick"


def lane_of_streams(contestant: Contestant) -> Lane:
    """The lane of the jobs that pack pictures into streams: those of a trained model begin with a fit of its tables."""
    return "streams" if contestant.run else lane_of(contestant)


def begun(lane: Lane, work: Callable[..., Any], contestant: Contestant, *facts: object) -> Future[Any]:
    """`work(contestant, *facts)` in the background, begun once for all sessions that request it.

    `facts` must be hashable. Together with the contestant's key they must determine the result.
    """
    job = _job(lane, work, contestant, work.__name__, contestant.key, *facts)
    still_wanted([job])
    if _is_over(job):
        _job.clear(lane, work, contestant, work.__name__, contestant.key, *facts)
        job = _job(lane, work, contestant, work.__name__, contestant.key, *facts)
    return job


@st.cache_resource(max_entries=2048, show_spinner=False)
def _job(
    _lane: Lane, _work: Callable[..., Any], _contestant: Contestant, work: str, key: str, *facts: object
) -> Future[Any]:
    lease = _Lease(monotonic())
    job = LANES[_lane].submit(_if_wanted, lease, _work, _contestant, *facts)
    _leases[job] = lease
    return job


def _if_wanted(lease: _Lease, work: Callable[..., Any], *facts: object) -> Any:
    if monotonic() - lease.asked > _WANTED:
        raise CancelledError
    try:
        return work(*facts)
    finally:
        lease.ended = monotonic()


def clear() -> None:
    """Forget every job: what they were computed from has changed."""
    _job.clear()


def still_wanted(jobs: Iterable[Future[Any]]) -> None:
    """Keep waiting jobs from being given up. A page that waits for them calls this every few seconds."""
    for job in jobs:
        if lease := _leases.get(job):
            lease.asked = monotonic()


def given_up(job: Future[Any]) -> bool:
    """Whether a job was cancelled by a page that moved on, or abandoned by one that was closed."""
    return job.done() and (job.cancelled() or isinstance(job.exception(), CancelledError))


def _is_over(job: Future[Any]) -> bool:
    """Whether a job must be begun again to give a result: it was given up, or failed long ago."""
    if not job.done():  # checked first: until it is done, another session may cancel it
        return False
    return given_up(job) or (bool(job.exception()) and monotonic() - _leases[job].ended >= FORGIVEN)


# ---- how a page waits


def ready(part: str, jobs: Jobs, chosen: Iterable[Contestant] = ()) -> set[str]:
    """The keys of `jobs` that are done, after a moment's wait, which the slow ones among the `chosen` do not get.

    Cancels the jobs that the same `part` of the page began before and no longer needs.
    """
    now = [job for own in jobs.values() for job in own]
    begun_before = st.session_state.setdefault(_BEGUN, {})
    for job in begun_before.get(part, ()):
        if job not in now:
            job.cancel()
    begun_before[part] = now
    slow = {contestant.key for contestant in chosen if contestant.is_slow}
    wait([job for key, own in jobs.items() if key not in slow for job in own], _MOMENT)
    return {key for key, own in jobs.items() if all(job.done() and not given_up(job) for job in own)}


def collect(
    part: str, begun: Mapping[str, Future[Any]], chosen: Iterable[Contestant]
) -> tuple[list[Contestant], dict[str, Any], Jobs]:
    """What has become of one job per contestant of a `part` of the page, `begun` by key.

    Returns those of the `chosen` whose job has not failed, the results by key, and the jobs that are not done. Shows an
    error for each job that failed.
    """
    own = {key: [job] for key, job in begun.items()}
    done = ready(part, own)
    left = without_failed(list(chosen), own, done)
    results = {contestant.key: begun[contestant.key].result() for contestant in left if contestant.key in done}
    return left, results, {key: jobs for key, jobs in own.items() if key not in done}


def watch(left: Jobs, message: str) -> None:
    """Say how many of the jobs are done, and draw the page again when another contestant is.

    In a fragment, call it first in a container that was made before the fragment's controls. When a control is used
    while its fragment is still drawn, Streamlit drops what the fragment drew and the browser does not have yet, but
    sends what the fragments in it drew. Unless their place is already there, the page breaks ("Bad delta path index").
    """
    # Even with no job left there must be a fragment: the browser may still request it.
    st.fragment(_look_again, run_every=_EVERY if left else None)(left, message)


def _look_again(left: Jobs, message: str) -> None:
    if any(all(job.done() for job in own) for own in left.values()):
        links.redraw()
    if left:
        jobs = [job for own in left.values() for job in own]
        still_wanted(jobs)
        st.caption(f":material/hourglass_top: {message}: {sum(job.done() for job in jobs)} of {len(jobs)}.")


def without_failed(chosen: Sequence[Contestant], jobs: Jobs, done: set[str]) -> list[Contestant]:
    """The contestants whose jobs have not failed. Shows an error for each of the others."""
    left = []
    for contestant in chosen:
        own = jobs.get(contestant.key, ()) if contestant.key in done else ()
        failure = next((job.exception() for job in own if job.exception()), None)
        if failure is None:
            left.append(contestant)
        elif isinstance(failure, AecoreError):
            st.error(str(failure), icon=":material/error:")
        else:
            raise failure
    return left
