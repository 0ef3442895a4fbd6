"""Runs of a queue, as the tests of the engines make and watch them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from aecore.models.recipe import RunSpec
from aecore.runs import execution
from aecore.runs.events import Finished
from aecore.runs.store import Store
from aecore.scheduling.entries import Entry
from aecore.scheduling.places import Place
from aecore.scheduling.queue import Queue
from aecore.training.events import EpochEnded, State
from tests.aecore.small_runs import result, spec_of

CPU = torch.device("cpu")
HERE = Place.here("cpu")
DEADLINE = 90.0  # seconds: against hanging only, for a machine that is busy with something else
LONG = 10_000  # epochs: more than any test waits for


def processes(queue: Queue, command: str = "") -> list[int]:
    """The processes that work for this queue, by their environment: they may be anybody's children."""
    root = f"AECORE_CHECKPOINTS={queue.store.root.resolve()}".encode()
    numbers = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line, variables = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if root in variables.split(b"\0") and b"aecore" in line.split(b"\0") and command.encode() in line.split(b"\0"):
            numbers.append(int(folder.name))
    return numbers


def until(met: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE
    while not (value := met()):
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.02)
    return value


def ended(queue: Queue, run: int) -> Entry:
    """The entry once it is no longer queued or running."""
    until(lambda: queue.entry(run).state not in ("queued", "running"))
    return queue.entry(run)


def trained(queue: Queue, run: int, epochs: int) -> None:
    """Wait for so many whole epochs more than now: only then is it certain that the run trains, resumed or not."""
    wanted = queue.entry(run).whole_epochs + epochs
    until(lambda: queue.entry(run).whole_epochs >= wanted or queue.entry(run).state == "failed")
    assert queue.entry(run).state == "running", queue.entry(run).reason


def uninterrupted(spec: RunSpec, root: Path) -> dict[str, Any]:
    *_, last = execution.execute(spec, store=Store(root), device=CPU)
    assert isinstance(last, Finished)
    return result(last.run)


def diverging(pictures: Path, store: Store) -> RunSpec:
    """A run whose state after epoch 1 is so large (yet finite) that the loss of epoch 2 overflows at its first step."""
    spec = spec_of(pictures, layers="conv4:linear | conv3:k1:linear")
    events = execution.execute(spec, store=store, device=CPU)
    state = next(event.state for event in events if isinstance(event, EpochEnded))
    events.close()  # type: ignore[attr-defined]
    large = {name: values * 1e18 for name, values in state.weights.items()}
    store.write_state(spec, State(1, large, state.optimiser, state.history))
    return spec
