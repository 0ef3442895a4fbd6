"""An attempt: which of a run's events are reported, and what it does to its process."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from aecore.files import allocator
from aecore.runs.events import Scored
from aecore.scheduling import attempts
from aecore.scheduling.attempts import Attempt, make_in_own_process, thinned
from aecore.scheduling.queue import Queue
from aecore.training.events import Epoch, EpochEnded, Progress, State
from tests.aecore.scheduling import queued
from tests.aecore.scheduling.idle import CPU, start

STEPS = [Progress(1, images, 40, loss, 100.0, 1.0) for images, loss in ((10, 0.9), (20, 0.7), (30, 0.5), (40, 0.3))]
ENDED = EpochEnded(Epoch(1, 0.6, 0.5, 0.4, 100.0, 1.0), State(1, {}, {}))
SCORED = [Scored(2, 6), Scored(4, 6), Scored(6, 6)]


def test_no_more_than_one_report_every_so_often_whose_loss_is_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [*STEPS, ENDED, *SCORED]
    monkeypatch.setattr(attempts, "REPORT_INTERVAL", 0.0)
    assert list(thinned(events)) == events
    monkeypatch.setattr(attempts, "REPORT_INTERVAL", float("inf"))
    assert list(thinned(events)) == [
        replace(STEPS[0], loss=0.9),  # the first is due at once
        replace(STEPS[3], loss=pytest.approx((0.7 + 0.5 + 0.3) / 3)),
        ENDED,
        SCORED[2],
    ]


def test_only_a_process_of_its_own_is_told_to_keep_the_memory_that_it_frees(
    idle: Queue, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = list[str]()
    monkeypatch.setattr(allocator, "keep_freed_memory", lambda: calls.append("kept"))
    first, second = (idle.submit(queued.spec_of(pictures, seed, epochs=1), CPU).id for seed in range(2))
    assert Attempt(idle, first, start(idle, first), io.StringIO()).make()
    assert calls == []
    assert make_in_own_process(idle, second, start(idle, second))
    assert calls == ["kept"]
    assert [entry.state for entry in idle.entries()] == ["finished", "finished"]
