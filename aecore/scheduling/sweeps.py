"""Many runs through the queue: submits them as there is room, and waits for all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from aecore.models.recipe import RunSpec
from aecore.scheduling.entries import Entry, FullError
from aecore.scheduling.places import Place
from aecore.scheduling.queue import Queue

QUEUE_INTERVAL = 1.0  # seconds between two looks at the queue


@dataclass(frozen=True)
class Ended:
    """A run finished, failed or was stopped, as the state of its entry says."""

    entry: Entry


@dataclass(frozen=True)
class Delayed:
    """Why a queued run is not started yet; yielded when the reason changes."""

    reason: str


@dataclass(frozen=True)
class Standing:
    """How many runs are being trained now, and how many of all have ended."""

    running: int
    ended: int
    of: int


def sweep(
    queue: Queue, specs: Sequence[RunSpec], place: Place | None = None, *, light: bool = False
) -> Iterator[Ended | Delayed | Standing]:
    """Queue a run of each spec as there is room and wait until all have ended, yielding what happens.

    `place` and `light` are those of `Queue.submit`. A spec that is given twice is one run. Runs continue when the
    iteration stops.
    """
    waiting = list({spec.key: spec for spec in specs}.values())[::-1]
    count, live, delay = len(waiting), list[int](), ""
    while True:
        with suppress(FullError):
            while waiting:
                live.append(queue.submit(waiting[-1], place, light=light).id)
                waiting.pop()
        queue.reconcile()
        entries = [queue.entry(run) for run in live]
        unfinished = [entry for entry in entries if entry.state in ("queued", "running")]
        yield from (Ended(entry) for entry in entries if entry not in unfinished)
        live = [entry.id for entry in unfinished]
        reason = next((entry.reason for entry in unfinished if entry.state == "queued" and entry.reason), delay)
        if reason != delay:
            yield Delayed(reason)
        delay = reason
        yield Standing(sum(entry.state == "running" for entry in unfinished), count - len(waiting) - len(live), count)
        if not (waiting or live):
            return
        time.sleep(QUEUE_INTERVAL)
