"""The supervisor: one process per store, which starts the attempt of every run and records how it ended.

    page, command line  ──  submit, cancel, …  ──►  queue.sqlite
                                                      ▲      ▲
    python -m aecore work     takes queued runs  ─────┘      │  reports, and looks whether it should stop
      ├─ python -m aecore attempt RUN FENCE  ────────────────┤   one process per run, on this machine (`LocalEngine`)
      └─ a thread that waits for a task  ────────────────────┘   on a node of a Ray cluster (`ray_engine`)

No process is identified by its number. The supervisor is alive while it holds the store's lock. A run's process is the
supervisor's child and dies when the pipe from its parent closes; if it reports too late, its fence is outdated.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Protocol

from aecore.files import background
from aecore.scheduling import places, supervision
from aecore.scheduling.database import RETRY_DELAY
from aecore.scheduling.dispatch import Dispatch
from aecore.scheduling.entries import Entry, GoneError, QueueError
from aecore.scheduling.places import Place, PlaceError
from aecore.scheduling.queue import Queue
from aecore.scheduling.reports import Report
from aecore.scheduling.supervision import STOPPED
from aecore.training import machine

ATTEMPTS_INTERVAL = 0.1  # seconds between two looks at the attempts
QUEUE_INTERVAL = 0.5  # seconds between two looks at the queue while no attempt ends
WISH_INTERVAL = 0.25  # seconds between two looks of a run's process at whether it should stop
GRACE = 0.5  # seconds that a run's process has to complete its step
LOG_LINES = 5
MEMORY_RAN_OUT = "Its process was killed because memory ran out: a smaller batch needs less."


class Running(Protocol):
    """An attempt that was started."""

    entry: Entry

    def has_ended(self) -> bool:
        """Whether `settle` would return at once."""

    def stop(self) -> None:
        """Ask it to end soon; whole epochs are kept."""

    def settle(self) -> None:
        """Wait for its end, and record how it ended if it did not do so itself."""


class Workers(Protocol):
    """What trains runs: a connected engine."""

    def threads(self, entry: Entry, running: Sequence[Entry], waiting: int) -> int:
        """How many threads a queued run may train with now, 0 if it must wait; `PlaceError` where none can train now.

        `running` are the runs that train at its place, and `waiting` counts those that are queued for it.
        """

    def start(self, dispatch: Dispatch, entry: Entry, fence: int) -> Running:
        """Begin an attempt; `OSError` where that fails."""


# ---- the supervisor


def supervise(queue: Queue) -> Generator[str]:
    """Work until nothing is queued or running, yielding a sentence per event; return at once if another process does.

    Must be iterated to its end or closed: then no process is left. Raises `PlaceError` where only runs are left whose
    place cannot be used now.
    """
    # Ask again after the lock was released: a `submit` just before that saw it held, and started no supervisor.
    while queue.is_waiting():
        with supervision.hold(queue.store.root) as holds:
            if not holds:
                yield "Another process supervises these runs."
                return
            yield from _work(Dispatch(queue))


def _work(dispatch: Dispatch) -> Generator[str]:
    running, connections = list[Running](), _Connections()
    message, recovered = "", False
    try:
        while True:
            try:
                if not recovered:
                    dispatch.recover()
                    recovered = True
                trouble = yield from _look(dispatch, connections, running)
            except GoneError:
                raise
            except QueueError as error:
                # Most likely a full disk. What happened to the runs is recorded as soon as there is room.
                if str(error) != message:
                    yield str(error)
                message = str(error)
                time.sleep(RETRY_DELAY)
                continue
            if not running:
                if trouble:
                    raise PlaceError(trouble)
                return
            _wait_for_an_end(running)
    finally:
        _stop_all(running)


def _wait_for_an_end(running: list[Running]) -> None:
    """Return when an attempt has ended, or when it is time to look at the queue again."""
    looked = time.monotonic()
    while time.monotonic() - looked < QUEUE_INTERVAL and not any(attempt.has_ended() for attempt in running):
        time.sleep(ATTEMPTS_INTERVAL)


def _stop_all(running: list[Running]) -> None:
    for attempt in running:
        attempt.stop()
    for attempt in running:
        with suppress(QueueError):
            attempt.settle()


def _look(dispatch: Dispatch, connections: _Connections, running: list[Running]) -> Generator[str, None, str]:
    """Settle the attempts that have ended, and start runs where there is room. Returns why others have to wait."""
    yield from _settle(dispatch, running)
    trouble, full = dict[Place, str](), set[Place]()
    waiting = dispatch.waiting()
    for position, entry in enumerate(waiting):
        place = entry.place
        if place in full:  # a run that needs more threads than are free is not overtaken
            continue
        try:
            if place in trouble:
                raise PlaceError(trouble[place])
            workers = connections.to(place, running)
            beside = [attempt.entry for attempt in running if attempt.entry.place == place]
            threads = workers.threads(entry, beside, sum(other.place == place for other in waiting[position:]))
        except PlaceError as error:
            trouble[place] = str(error)
            dispatch.delay(entry.id, str(error))
            continue
        if not threads:
            full.add(place)
        elif (fence := dispatch.start(entry.id, threads)) is not None:
            try:
                running.append(workers.start(dispatch, replace(entry, threads=threads), fence))
            except OSError as error:
                dispatch.end(entry.id, fence, "failed", f"Its process could not be started: {error.strerror}.")
            else:
                yield f"{entry.spec.name} (run {entry.id}) started on {entry.place.text}."
    return " ".join(dict.fromkeys(trouble.values()))


def _settle(dispatch: Dispatch, running: list[Running]) -> Generator[str]:
    """Record how finished attempts ended, and drop them."""
    for ended in [attempt for attempt in running if attempt.has_ended()]:
        try:
            ended.settle()
            entry = dispatch.queue.entry(ended.entry.id)
        except GoneError:
            dispatch.queue.database.require()
            entry = None  # the user has removed it since its process reported its end
        running.remove(ended)
        if entry:
            yield f"{entry.spec.name} (run {entry.id}): {entry.state}." + (f" {entry.reason}" if entry.reason else "")


class _Connections:
    """The workers of each engine, connected when the first run needs them and to one address at a time."""

    def __init__(self) -> None:
        self._current = dict[str, tuple[str | None, Workers]]()  # by engine
        self._failed = dict[tuple[str, str | None], tuple[float, str]]()  # when and why an address could not be used

    def to(self, place: Place, running: list[Running]) -> Workers:
        """The workers at this place; `PlaceError` where they cannot be used now."""
        address, workers = self._current.get(place.engine, (None, None))
        if workers is not None and address == place.address:
            return workers
        engine = places.find_engine(place.engine)
        if any(attempt.entry.place.engine == place.engine for attempt in running):
            raise PlaceError(f"It waits until the runs on another {engine.title} have ended.")
        failed, reason = self._failed.get((place.engine, place.address), (-inf, ""))
        if time.monotonic() - failed < supervision.BACK_OFF:
            raise PlaceError(reason)
        self._current.pop(place.engine, None)
        try:
            connected: Workers = engine.connect(place.address)
        except PlaceError as error:
            self._failed[place.engine, place.address] = time.monotonic(), str(error)
            raise
        self._current[place.engine] = place.address, connected
        return connected


# ---- this machine


def threads(entry: Entry, running: Sequence[Entry], waiting: int) -> int:
    """How many threads of this machine a queued run may train with now, as `Workers.threads`.

    A run that was started before gets as many as then: with another number it would go on to other weights.
    """
    if entry.place.device != "cpu":
        return 0 if running else 1
    cores, usual = machine.cores(), machine.run_threads()
    wanted = entry.threads or machine.run_threads(len(running) + waiting)
    free = cores - sum(other.threads or usual for other in running)
    return wanted if not running or (wanted <= free and len(running) < machine.runs_in_memory()) else 0


class LocalEngine:
    """This machine: each run trains in a process of its own. There is nothing to connect to, so it is its workers."""

    title = "machine"

    def address(self) -> None:
        """None: there is one such place."""

    def devices(self) -> list[str]:
        """The devices of this machine, the fastest first."""
        return places.device_names()

    def device(self, name: str | None) -> str:
        """The full name of a device of this machine."""
        return places.device_name(name)

    def connect(self, address: str | None) -> LocalEngine:
        """Itself."""
        return self

    def threads(self, entry: Entry, running: Sequence[Entry], waiting: int) -> int:
        """As `threads`."""
        return threads(entry, running, waiting)

    def start(self, dispatch: Dispatch, entry: Entry, fence: int) -> _Process:
        """Start `python -m aecore attempt`."""
        return _Process(dispatch, entry, fence)


class _Process:
    """An attempt in a process of its own."""

    def __init__(self, dispatch: Dispatch, entry: Entry, fence: int) -> None:
        self.entry, self._dispatch, self._fence = entry, dispatch, fence
        self._memory_kills = _memory_kills()
        variables = supervision.variables(dispatch.queue.store.root)
        if entry.place.device == "cpu":
            # With more threads than cores, runs side by side would spin while they wait for each other's cores.
            variables.setdefault("OMP_NUM_THREADS", str(entry.threads))
        with dispatch.queue.open_log(entry) as log:
            # Nothing is written to its standard input: the pipe closes when this process ends, however it ends.
            self._process = subprocess.Popen(
                background.command("attempt", entry.id, fence),
                cwd=background.ROOT,
                env=variables,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        self._process.terminate()

    def settle(self) -> None:
        run, dispatch, fence, status = self.entry.id, self._dispatch, self._fence, self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        if status == 0:
            dispatch.end(run, fence, "finished")
        elif status == STOPPED:
            dispatch.stopped(run, fence)
        elif status < 0:
            dispatch.lost(run, fence, _killed(-status, _memory_kills() > self._memory_kills))
        else:
            lines = dispatch.queue.log(run, LOG_LINES)
            dispatch.end(
                run, fence, "failed", f"Its process ended with status {status}; the last lines of its log:\n{lines}"
            )


def _memory_kills() -> int:
    """How many processes Linux has killed since the machine started because memory ran out; 0 elsewhere."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _killed(number: int, memory_ran_out: bool) -> str:
    if number == signal.SIGKILL and memory_ran_out:
        return MEMORY_RAN_OUT
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"Its process was killed by {name}."


# ---- a run's process


def attempt(queue: Queue, run: int, fence: int) -> None:
    """Make the run in this process, reporting to the queue, until it is finished, stopped or the supervisor is gone.

    Standard input must be a pipe from the supervisor. Ends the process, once that is reported, where the run cannot be
    made or should stop.
    """
    is_over = threading.Event()
    threading.Thread(target=_watch, args=(Report(queue, run, fence), is_over), daemon=True).start()
    try:
        # Imports torch, which takes seconds, in which the run can be stopped already.
        from aecore.scheduling.attempts import make_in_own_process

        if not make_in_own_process(queue, run, fence):
            sys.exit(1)
    except KeyboardInterrupt:
        print("Stopped. Whole epochs are kept.", flush=True)
        os._exit(STOPPED)  # unloading torch in good order would take longer than everything else
    finally:
        is_over.set()


def _watch(report: Report, is_over: threading.Event) -> None:
    """End this process when its supervisor is gone or the run should stop: at the next step, or within a long one.

    Either way whole epochs are kept, as they are under kill -9.
    """
    while not select.select([sys.stdin], [], [], WISH_INTERVAL)[0]:
        with suppress(QueueError):  # the disk may be stuck for a moment
            is_stopped = report.is_stopped()
            if is_over.is_set():  # the process ends by itself
                return
            if is_stopped:
                signal.raise_signal(signal.SIGTERM)  # the main thread sees it as KeyboardInterrupt
                time.sleep(GRACE)
                break
    os._exit(STOPPED)
