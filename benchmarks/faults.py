"""Claim: whichever process is killed at whatever moment, no run is lost, doubled or half-written, and the bits agree.

    python -m benchmarks.faults

launches runs in a store of its own and kills the trainer, the supervisor or the dashboard at random moments, 300 times,
while a page is open. Then it counts what went wrong, and compares the weights with those of the same runs left
undisturbed. Then thirty processes submit one run at once, and a hundred runs wait in one queue. `--kills`, `--askers`
and `--queued` set the sizes; 0 leaves a part out. Linux only; takes more than half an hour.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event, Thread

from websockets.exceptions import WebSocketException

from aecore.data import datasets
from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.runs import execution
from aecore.runs.store import WEIGHTS, Store
from aecore.scheduling import supervision
from aecore.scheduling.entries import Entry
from aecore.scheduling.places import Place
from aecore.scheduling.queue import Queue
from aecore.training import machine
from benchmarks.session import Session
from tests.aecore.scheduling.queued import processes
from tests.browser import started

HERE = Place.here("cpu")
AHEAD = 2  # runs kept in the queue behind the one that is trained
EPOCHS, PICTURES = 100, 200
MOMENTS = 2.0  # seconds within which the moment of a kill is drawn
EARLY = 0.15  # share of kills that do not wait until training has continued
PAGE_INTERVAL = 1.0  # seconds between two looks of the open page
DEADLINE = 120.0
PROMPT = 5.0  # seconds within which training should continue
VICTIMS = ("trainer", "supervisor", "dashboard")
ODDS = (6, 4, 1)  # of the victims
ASK = (
    "import sys, json; from aecore.scheduling.queue import Queue; from aecore.models.recipe import RunSpec; "
    "from aecore.scheduling.places import Place; sys.stdin.readline(); "
    "print(Queue().submit(RunSpec.from_json(json.loads(sys.argv[1])), Place.here('cpu')).id)"
)


def main() -> None:
    """Run each part in a store of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=300, metavar="N")
    parser.add_argument("--askers", type=int, default=30, metavar="N")
    parser.add_argument("--queued", type=int, default=100, metavar="N")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the victims")
    options = parser.parse_args()
    for part, size in ((kills, options.kills), (askers, options.askers), (queued, options.queued)):
        if size:
            with TemporaryDirectory() as folder:
                part(Path(folder), size, Random(options.seed))


# ---- kills


@dataclass
class Counts:
    """What happened after the kills: who was killed, what went wrong, and seconds until runs continued or finished."""

    killed: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    continued: list[float] = field(default_factory=list)
    scored: list[float] = field(default_factory=list)


def kills(folder: Path, count: int, draw: Random) -> None:
    """Kill at random moments, wait until everything continues, and print what went wrong."""
    queue, specs, counts = Queue(Store(folder / "store")), list[RunSpec](), Counts()
    with Visited(folder, queue.store.root) as dashboard:
        while counts.killed.total() < count:
            while sum(entry.live for entry in queue.entries()) <= AHEAD:
                specs.append(spec_of(len(specs)))
                queue.submit(specs[-1], HERE)
            if not kill(queue, dashboard, counts, draw):
                counts.missed += 1
                continue
            inspect(queue, counts.wrong)
            if counts.killed.total() % 20 == 0:
                counts.wrong["damaged databases"] += not is_whole(queue.database.path)
                print(f"  {counts.killed.total()} kills, {len(specs)} runs", file=sys.stderr, flush=True)
        until(lambda: all(entry.state == "finished" for entry in queue.entries()), DEADLINE * (AHEAD + 2))
    until(lambda: not supervision.held(queue.store.root))
    time.sleep(1)
    inspect_ended(queue, specs, counts.wrong)
    undisturbed = Queue(Store(folder / "undisturbed"))
    for spec in specs:
        undisturbed.submit(spec, HERE)
    until(lambda: all(entry.state == "finished" for entry in undisturbed.entries()), DEADLINE * len(specs))
    counts.wrong["runs with other bits"] += sum(digest(queue, spec) != digest(undisturbed, spec) for spec in specs)
    print_counts(counts, len(specs))


def kill(queue: Queue, dashboard: Visited, counts: Counts, draw: Random) -> bool:
    """Kill one victim at a random moment, and wait until its work continues. False if there was nothing to kill."""
    early = draw.random() < EARLY
    if not early:
        until(lambda: training(queue))
    time.sleep(draw.uniform(0, MOMENTS))
    victim = draw.choices(VICTIMS, ODDS)[0]
    run, moment = training(queue), time.time()
    if victim == "dashboard":
        dashboard.kill()
    elif not killed_all(processes(queue, {"trainer": "attempt", "supervisor": "work"}[victim])):
        return False  # between two runs, or while one is being started
    counts.killed[victim] += 1
    if victim == "dashboard":
        dashboard.open()
    elif run and len(queue.epochs(run.id)) == EPOCHS:
        # No step is left to see that it continues: it is scored once more.
        until(partial(is_over, queue, run.id))
        counts.scored.append(time.time() - moment)
    elif not early:
        until(partial(training, queue, since=moment))
        counts.continued.append(time.time() - moment)
    return True


def inspect(queue: Queue, wrong: Counter[str]) -> None:
    """Count the faults that can be seen while runs are trained."""
    wrong["more than one trainer at once"] += len(processes(queue, "attempt")) > 1
    wrong["damaged files"] += len(queue.store.listing().damaged)
    for entry in queue.entries():
        if entry.state == "failed":
            wrong["given up after three starts, and resumed by hand"] += 1
            queue.resume(entry.id)


def inspect_ended(queue: Queue, specs: list[RunSpec], wrong: Counter[str]) -> None:
    """Count the faults that can be seen once all runs are finished and the supervisor has ended."""
    wrong["processes left over"] += len(processes(queue, "attempt")) + len(processes(queue, "work"))
    wrong["damaged databases"] += not is_whole(queue.database.path)
    entries = Counter(entry.spec.key for entry in queue.entries())
    wrong["lost runs"] += sum(spec.key not in entries for spec in specs)
    wrong["doubled runs"] += sum(number > 1 for number in entries.values())
    wrong["curves with a gap"] += sum(
        [row.epoch for row in queue.epochs(entry.id)] != list(range(1, EPOCHS + 1)) for entry in queue.entries()
    )
    wrong["files half-written"] += len([*queue.store.root.rglob("*.part"), *queue.store.root.rglob("*.damaged")])


def print_counts(counts: Counts, runs: int) -> None:
    """Print the kills, the faults and the waiting times."""
    victims = ", ".join(f"{number} {victim}" for victim, number in counts.killed.items())
    print(f"{counts.killed.total()} kills ({victims}) of {runs} runs, {counts.missed} moments with nothing to kill:")
    print("  " + "\n  ".join(f"{fault}: {number}" for fault, number in counts.wrong.items()))
    print(f"  training continued after the kill of a trainer or a supervisor: {spread(counts.continued)}; ", end="")
    print(f"{sum(seconds > PROMPT for seconds in counts.continued)} took more than {PROMPT:.0f} s")
    if counts.scored:
        print(f"  killed after the last epoch: finished after {spread(counts.scored)}")


def spread(seconds: list[float]) -> str:
    """Median and maximum."""
    return f"median {median(seconds):.1f} s, at most {max(seconds):.1f} s, {len(seconds)} times"


class Visited:
    """A dashboard whose page Train is open; use it as a context manager."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._log, self._environment = folder / "log", {"AECORE_CHECKPOINTS": str(root)}
        self._stack = ExitStack()

    def __enter__(self) -> Visited:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open(self) -> None:
        """Start it, and visit the page."""
        self._served = self._stack.enter_context(started.dashboard(self._log, self._environment))
        session = self._stack.enter_context(Session(self._served.address, "train", ""))
        gone = Event()
        looker = Thread(target=self._look, args=(session, gone))
        looker.start()
        self._stack.callback(looker.join)
        self._stack.callback(gone.set)

    def kill(self) -> None:
        """kill -9; the page sees its connection end."""
        os.kill(self._served.pid, signal.SIGKILL)
        self._stack.close()

    def _look(self, session: Session, gone: Event) -> None:
        with suppress(WebSocketException, OSError):
            while not gone.wait(PAGE_INTERVAL):
                session.tick()


def spec_of(seed: int) -> RunSpec:
    """A run of some twenty seconds."""
    return execution.plan(zoo.find("shallow-maxpool"), dataset="sample", seed=seed, epochs=EPOCHS, images=PICTURES)


def is_over(queue: Queue, run: int) -> bool:
    """Whether nothing more will happen to the run."""
    return not queue.entry(run).live


def training(queue: Queue, since: float = 0.0) -> Entry | None:
    """The run that trains, if it was started after `since` and has reported its speed."""
    for entry in queue.entries():
        if entry.state == "running" and entry.images_per_second and (entry.started or 0) > since:
            return entry
    return None


def killed_all(numbers: list[int]) -> int:
    """kill -9 of each; returns how many were still alive."""
    dead = 0
    for number in numbers:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
            dead += 1
    return dead


def is_whole(database: Path) -> bool:
    """Whether SQLite finds nothing wrong with it."""
    with closing(sqlite3.connect(database)) as db:
        return db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def digest(queue: Queue, spec: RunSpec) -> str:
    """The SHA-256 of the weights of a finished run."""
    run = queue.store.finished(spec)
    assert run is not None
    return hashlib.sha256(run.read(WEIGHTS)).hexdigest()


# ---- many at once


def askers(folder: Path, count: int, draw: Random) -> None:
    """`count` processes submit one run at the same moment."""
    queue, spec = Queue(Store(folder)), spec_of(draw.randrange(1000))
    environment = os.environ | {"AECORE_CHECKPOINTS": str(folder)}
    command = [sys.executable, "-c", ASK, json.dumps(spec.to_json())]
    asking = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    time.sleep(10)  # until all of them have imported what they need
    for process in asking:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = {process.communicate()[0] for process in asking}
    until(lambda: queue.entries()[0].state == "finished")
    trained = queue.log(queue.entries()[0].id, 10_000).count("Epoch 1 of")
    print(
        f"{count} processes that submit one run at once: {len(answers)} answer, {len(queue.entries())} entry, ", end=""
    )
    print(f"{len(queue.store.listing().runs)} run, trained {trained} time")


def queued(folder: Path, count: int, draw: Random) -> None:
    """`count` runs wait in one queue."""
    queue, recipe = Queue(Store(folder)), Recipe(epochs=1, images=100)
    architecture = Architecture.parse("conv4 | conv3:k1:sigmoid")
    fingerprint = datasets.load("sample").fingerprint
    seeds = draw.sample(range(10_000), count)
    begun = time.monotonic()
    runs = [queue.submit(RunSpec(architecture, recipe, "sample", fingerprint, seed), HERE).id for seed in seeds]
    until(lambda: not any(entry.live for entry in queue.entries()), DEADLINE * count)
    ends = {entry.id: (entry.state, entry.started or 0.0) for entry in queue.entries()}
    finished = sum(state == "finished" for state, _ in ends.values())
    in_order = all(ends[one][1] <= ends[next_][1] for one, next_ in pairwise(runs))
    print(f"{count} runs queued: {finished} finished, {'in order' if in_order else 'OUT OF ORDER'}, ", end="")
    print(f"{(time.monotonic() - begun) / count:.1f} s each, {machine.side_by_side(count)} at once")


def until(met: Callable[[], object], seconds: float = DEADLINE) -> None:
    """Wait until the condition is met; `TimeoutError` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not met after {seconds:.0f} s")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
