"""Where runs execute: a supervisor process a store, which starts every run's attempt and says what became of it.

    page, command line  ──  submit, cancel, …  ──►  queue.sqlite
                                                      ▲      ▲
    python -m aecore work     takes what is queued  ──┘      │  reports; sees that it should stop
      ├─ python -m aecore attempt RUN FENCE  ────────────────┤   a process a run, on this machine
      └─ a thread that waits for a task  ────────────────────┘   on a node of a Ray cluster (`ray_engine`)

No process is known by its number. The supervisor is alive while it holds the store's lock; a run's process is the
supervisor's child, and dies when the pipe from its parent ends. One that is late reports under an old fence.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Protocol

from aecore.scheduling import cluster, supervision
from aecore.scheduling.cluster import ClusterError
from aecore.scheduling.entries import Entry, GoneError, QueueError
from aecore.scheduling.queue import MEMORY_RAN_OUT, WATCH, Queue

STOPPED = 130  # the exit status of a process that did as it was told
TICK = 0.1  # seconds between two looks at the attempts
LOOK = 0.5  # seconds between two looks at the queue while none of them ends
GRACE = 0.5  # seconds for the step at hand
STUCK = 1.0  # seconds before what could not be written down is tried again
LOG_LINES = 5


class Running(Protocol):
    """An attempt that was started."""

    entry: Entry

    def has_ended(self) -> bool:
        """Whether nothing of it is left but to `settle`."""

    def stop(self) -> None:
        """Have it end soon; what is kept stays whole."""

    def settle(self) -> None:
        """Wait for its end, and write down how it ended unless it did so itself."""


class Engine(Protocol):
    """Something that makes runs."""

    def slots(self, device: str) -> int:
        """How many runs may train on a device at once."""

    def start(self, queue: Queue, entry: Entry, fence: int) -> Running:
        """Begin an attempt; `OSError` where it cannot be."""


def slots(device: str) -> int:
    """How many runs may train on a device of this machine at once."""
    return max(1, (os.cpu_count() or 1) // 2) if device == "cpu" else 1


def threads() -> int:
    """Threads of a run on CPU: the cores, shared among as many runs as may train at once."""
    return max(1, (os.cpu_count() or 1) // slots("cpu"))


class _Engines:
    """This machine, and the Ray cluster that is in use, if any."""

    def __init__(self) -> None:
        self._local = _ThisMachine()
        self._cluster: tuple[str, Engine] | None = None
        self._failed: dict[str, tuple[float, str]] = {}  # when and why a cluster could not be used

    def of(self, entry: Entry, running: list[Running]) -> Engine:
        """Where this run belongs; `ClusterError` where that is not to be had at the moment."""
        address = entry.cluster
        if address is None:
            return self._local
        if self._cluster is None or self._cluster[0] != address:
            # Ray knows one cluster a process.
            if any(each.entry.cluster is not None for each in running):
                raise ClusterError("It waits until the runs on another Ray cluster have ended.")
            when, reason = self._failed.get(address, (-inf, ""))
            if time.monotonic() - when < supervision.BACK_OFF:
                raise ClusterError(reason)
            self._cluster = None
            try:
                self._cluster = address, self._connect(address)
            except ClusterError as error:
                self._failed[address] = time.monotonic(), str(error)
                raise
        return self._cluster[1]

    def _connect(self, address: str) -> Engine:
        cluster.check(address)
        from aecore.scheduling import ray_engine

        return ray_engine.Cluster(address)


def supervise(queue: Queue) -> Generator[str]:
    """Work until nothing is queued or running, yielding a sentence for whatever happens; at once where another does.

    Must be iterated to its end or closed: then no process is left. Raises `ClusterError` where runs are left that wait
    for a cluster which cannot be used now.
    """
    # Asked again once the lock is given back: whoever submitted just before saw it held, and started nobody.
    while queue.is_waiting():
        with supervision.hold(queue.store.root) as holds:
            if not holds:
                yield "Another process supervises these runs."
                return
            yield from _work(queue)


def _work(queue: Queue) -> Generator[str]:
    running, engines = list[Running](), _Engines()
    told, recovered = "", False
    try:
        while True:
            try:
                if not recovered:
                    queue.recover()
                    recovered = True
                trouble = yield from _look(queue, engines, running)
            except GoneError:
                raise
            except QueueError as error:
                # A full disk, most likely. What happens to the runs is written down as soon as there is room.
                if str(error) != told:
                    yield str(error)
                told = str(error)
                time.sleep(STUCK)
                continue
            if not running:
                if trouble:
                    raise ClusterError(trouble)
                return
            looked = time.monotonic()
            while time.monotonic() - looked < LOOK and not any(each.has_ended() for each in running):
                time.sleep(TICK)
    finally:
        for each in running:
            each.stop()
        for each in running:
            with suppress(QueueError):
                each.settle()


def _look(queue: Queue, engines: _Engines, running: list[Running]) -> Generator[str, None, str]:
    """Write down which attempts have ended, and start what there is room for; why something else has to wait."""
    for each in [each for each in running if each.has_ended()]:
        each.settle()
        running.remove(each)
        entry = queue.entry(each.entry.id)
        yield f"{entry.spec.name} (run {entry.id}): {entry.state}." + (f" {entry.reason}" if entry.reason else "")
    trouble = dict[str | None, str]()
    for entry in queue.waiting():
        try:
            if entry.cluster in trouble:
                raise ClusterError(trouble[entry.cluster])
            engine = engines.of(entry, running)
            room = engine.slots(entry.device)
        except ClusterError as error:
            trouble[entry.cluster] = str(error)
            queue.delay(entry.id, str(error))
            continue
        busy = sum((each.entry.cluster, each.entry.device) == (entry.cluster, entry.device) for each in running)
        if busy < room and (fence := queue.start(entry.id)) is not None:
            try:
                running.append(engine.start(queue, entry, fence))
            except OSError as error:
                queue.end(entry.id, fence, "failed", f"Its process could not be started: {error.strerror}.")
            else:
                yield f"{entry.spec.name} (run {entry.id}) started on {entry.place}."
    return " ".join(trouble.values())


class _ThisMachine:
    def slots(self, device: str) -> int:
        return slots(device)

    def start(self, queue: Queue, entry: Entry, fence: int) -> _Process:
        return _Process(queue, entry, fence)


class _Process:
    """An attempt in a process of its own."""

    def __init__(self, queue: Queue, entry: Entry, fence: int) -> None:
        self.entry, self._queue, self._fence = entry, queue, fence
        self._memory_kills = _memory_kills()
        variables = supervision.variables(queue.store.root)
        if entry.device == "cpu":
            # Threads of runs side by side would spin waiting for each other's cores.
            variables.setdefault("OMP_NUM_THREADS", str(threads()))
        with queue.open_log(entry) as log:
            # Its standard input says nothing: it ends when this process does, however that ends.
            self._process = subprocess.Popen(
                supervision.command("attempt", entry.id, fence),
                cwd=supervision.ROOT,
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
        run, queue, fence, status = self.entry.id, self._queue, self._fence, self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        if status == 0:
            queue.end(run, fence, "finished")
        elif status == STOPPED:
            queue.stopped(run, fence)
        elif status < 0:
            queue.lost(run, fence, _killed(-status, _memory_kills() > self._memory_kills))
        else:
            lines = queue.log(run, LOG_LINES)
            queue.end(
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


def attempt(queue: Queue, run: int, fence: int) -> None:
    """Make the run in this process, reporting to the queue, until it is made, stopped or the supervisor is gone.

    Standard input must be a pipe from the supervisor. Ends the process, having reported what was wrong, where the run
    cannot be made or is told to stop.
    """
    threading.Thread(target=_watch, args=(queue, run, fence), daemon=True).start()
    try:
        from aecore.scheduling.attempts import make_in_own_process

        if not make_in_own_process(queue, run, fence):
            sys.exit(1)
    except KeyboardInterrupt:
        print("Stopped. Whole epochs are kept.", flush=True)
        os._exit(STOPPED)  # to take torch down in good order would take longer than all the rest


def _watch(queue: Queue, run: int, fence: int) -> None:
    """End this process when its supervisor is gone or somebody wishes so: at the next step, or without it if that
    takes long. Either way what is kept stays whole, as it does under kill -9."""
    while not select.select([sys.stdin], [], [], WATCH)[0]:
        with suppress(QueueError):  # the disk may be stuck for a moment
            if queue.is_stopped(run, fence):
                signal.raise_signal(signal.SIGTERM)  # heard by the main thread, as KeyboardInterrupt
                time.sleep(GRACE)
                break
    os._exit(STOPPED)
