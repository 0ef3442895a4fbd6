"""A sweep asks for runs as there is room, and tells what becomes of each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.runs.store import Store
from aecore.scheduling import queue as queue_module
from aecore.scheduling import supervision, sweeps
from aecore.scheduling.dispatch import Dispatch
from aecore.scheduling.queue import Queue
from aecore.scheduling.sweeps import Delayed, Ended, Standing, sweep
from tests.aecore.scheduling.queued import HERE

TINY = Architecture.parse("conv2:k1 | conv3:k1:sigmoid")


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """An empty queue whose supervisor is the test, and where nobody waits between two looks."""
    monkeypatch.setattr(sweeps, "QUEUE_INTERVAL", 0)
    with supervision.hold(tmp_path) as holds:
        assert holds
        yield Queue(Store(tmp_path))


def specs(count: int) -> list[RunSpec]:
    return [RunSpec(TINY, Recipe(epochs=4), "sample", "0" * 64, seed) for seed in range(count)]


def test_runs_are_asked_for_as_there_is_room_and_end_one_by_one(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "QUEUED_AT_MOST", 2)
    events = sweep(queue, specs(3), HERE)
    assert next(events) == Standing(running=0, ended=0, of=3)
    first, second = Dispatch(queue).waiting()
    assert [first.spec.seed, second.spec.seed] == [0, 1], "the third has no room"
    fence = Dispatch(queue).start(first.id)
    assert fence is not None
    assert next(events) == Standing(running=1, ended=0, of=3)
    assert [entry.spec.seed for entry in Dispatch(queue).waiting()] == [1, 2]
    Dispatch(queue).end(first.id, fence, "failed", "The disk is full.")
    queue.cancel(second.id)
    assert [next(events), next(events)] == [Ended(queue.entry(first.id)), Ended(queue.entry(second.id))]
    assert next(events) == Standing(running=0, ended=2, of=3)
    [third] = Dispatch(queue).waiting()
    queue.cancel(third.id)
    assert list(events) == [Ended(queue.entry(third.id)), Standing(running=0, ended=3, of=3)]


def test_a_spec_that_is_given_twice_is_one_run(queue: Queue) -> None:
    [spec] = specs(1)
    events = sweep(queue, [spec, spec], HERE)
    assert next(events) == Standing(running=0, ended=0, of=1)
    queue.cancel(Dispatch(queue).waiting()[0].id)
    assert [type(event) for event in events] == [Ended, Standing]


def test_why_runs_are_delayed_is_told_when_it_changes(queue: Queue) -> None:
    events = sweep(queue, specs(1), HERE)
    next(events)
    [entry] = Dispatch(queue).waiting()
    for reason in ("The cluster is full.", "The cluster is gone."):
        Dispatch(queue).delay(entry.id, reason)
        assert next(events) == Delayed(reason)
        assert [type(next(events)) for _ in range(3)] == [Standing] * 3
