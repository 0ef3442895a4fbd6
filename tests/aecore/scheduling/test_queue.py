"""The queue as those see it who ask: what was asked for is there once, and in order."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from aecore.data import datasets
from aecore.models.recipe import Recipe, RunSpec
from aecore.runs import execution
from aecore.runs.store import Store
from aecore.scheduling import queue as queue_module
from aecore.scheduling import supervision
from aecore.scheduling.dispatch import Dispatch
from aecore.scheduling.entries import Entry, QueueError
from aecore.scheduling.places import Place, device_name
from aecore.scheduling.queue import QUEUED_AT_MOST, Queue
from aecore.scheduling.reports import Report
from aecore.scheduling.speeds import Speeds
from aecore.training.events import TrainingError
from tests.aecore.finished import finish
from tests.aecore.scheduling.idle import CPU, ROOT, TINY, report_epoch, spec_of, start, submit

ASKERS = 12


@pytest.fixture
def queue(idle: Queue) -> Queue:
    return idle


def states(queue: Queue) -> list[tuple[int, str, int | None]]:
    return [(entry.id, entry.state, entry.position) for entry in queue.entries()]


def test_a_run_that_ends_while_the_queue_is_read_is_listed_once(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    run = submit(queue)
    fence = start(queue, run)
    select, ended = queue_module.select_entries, list[int]()

    def meanwhile(db: sqlite3.Connection, clauses: str, parameters: Sequence[Any] = ()) -> list[Entry]:
        rows = select(db, clauses, parameters)
        if not ended:
            ended.append(run)
            Report(queue, run, fence).end("failed", "The disk is full.")
        return rows

    monkeypatch.setattr(queue_module, "select_entries", meanwhile)
    assert states(queue) == [(run, "running", None)]
    assert states(queue) == [(run, "failed", None)]


# ---- asking


def test_what_was_asked_for_comes_back(queue: Queue) -> None:
    spec = spec_of(seed=3, images=50)
    entry = queue.submit(spec, CPU)
    assert entry == queue.entry(entry.id) == queue.entries()[0]
    assert (entry.spec, entry.spec.name, entry.place, entry.state, entry.position) == (
        spec,
        "custom",
        CPU,
        "queued",
        1,
    )
    assert (entry.epoch, entry.images, entry.whole_epochs, entry.attempt, entry.reason) == (0, 0, 0, 0, None)
    assert entry.live


@pytest.mark.parametrize("act", ["none", "start", "pause"])
def test_the_same_spec_is_the_same_entry_while_it_is_live(act: str, queue: Queue) -> None:
    run = submit(queue)
    if act != "none":
        Dispatch(queue).start(run, 1) if act == "start" else queue.pause(run)
    assert submit(queue) == run
    assert len(queue.entries()) == 1


def test_a_spec_may_be_asked_for_again_once_it_has_ended(queue: Queue) -> None:
    run = submit(queue)
    queue.cancel(run)
    again = submit(queue)
    assert states(queue) == [(again, "queued", 1), (run, "cancelled", None)]
    assert queue.resume(run).id == again, "the older entry is the newer one, not a second beside it"
    assert states(queue) == [(again, "queued", 1), (run, "cancelled", None)]


def test_many_processes_that_ask_for_a_spec_at_once_get_one_entry(tmp_path: Path) -> None:
    code = (
        "import json, sys; from pathlib import Path; from aecore.scheduling.queue import Queue; "
        "from aecore.models.recipe import RunSpec; from aecore.runs.store import Store; "
        "from aecore.scheduling.places import Place; "
        "spec = RunSpec.from_json(json.loads(sys.argv[1])); "
        "queue = Queue(Store(Path(sys.argv[2]))); print('ready', flush=True); input(); "
        "print(queue.submit(spec, Place.here('cpu')).id)"
    )
    command = [sys.executable, "-c", code, json.dumps(spec_of().to_json()), str(tmp_path)]
    with supervision.hold(tmp_path):
        askers = [
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(ASKERS)
        ]
        for asker in askers:
            assert asker.stdout is not None
            assert asker.stdout.readline() == "ready\n"
        for asker in askers:  # all are at the same line: the database itself is yet to be made
            assert asker.stdin is not None
            asker.stdin.write("\n")
            asker.stdin.flush()
        answers = {asker.communicate()[0].strip() for asker in askers}
    assert answers == {"1"}
    assert states(Queue(Store(tmp_path))) == [(1, "queued", 1)]


def test_a_run_in_the_store_is_finished_without_training(pictures: Path, tmp_path: Path) -> None:
    name = f"folder:{pictures}"
    spec = RunSpec(TINY, Recipe(epochs=1), name, datasets.load(name).fingerprint)
    queue = Queue(Store(tmp_path))
    with supervision.hold(tmp_path):
        paused = queue.pause(queue.submit(spec, CPU).id)
        assert paused.state == "paused"
        list(execution.execute(spec, store=queue.store, device=torch.device("cpu")))
        assert queue.submit(spec, CPU).state == "finished"
        assert [entry.state for entry in queue.entries()] == ["finished"]
        queue.forget(paused.id)
        assert queue.entries() == []
        first = queue.submit(spec, CPU)
        assert first.state == "finished"
        assert queue.submit(spec, CPU) == first
    assert queue.store.finished(spec) is not None
    listing = queue.store.listing()
    assert ([run.key for run in listing.runs], listing.unfinished, listing.damaged) == ([spec.key], [], [])


def test_a_device_that_is_not_here_is_told_at_once(queue: Queue) -> None:
    with pytest.raises(TrainingError, match=r"There is no device 'cuda:77' on this machine; here: .*cpu\."):
        queue.submit(spec_of(), Place("local", None, "cuda:77"))
    assert queue.entries() == []
    assert queue.submit(spec_of()).place == Place("local", None, device_name(None))


def test_too_many_queued_runs_are_refused_in_a_sentence(queue: Queue) -> None:
    first = submit(queue)
    for seed in range(1, QUEUED_AT_MOST):
        submit(queue, seed)
    with pytest.raises(QueueError, match=rf"{QUEUED_AT_MOST} runs are queued already: wait .* or cancel some\."):
        submit(queue, QUEUED_AT_MOST)
    assert submit(queue) == first, "what is queued already may be asked for again"
    start(queue, first)
    assert queue.entry(submit(queue, QUEUED_AT_MOST)).position == QUEUED_AT_MOST
    cancelled = queue.cancel(first + 1).id
    submit(queue, QUEUED_AT_MOST + 1)
    with pytest.raises(QueueError, match="queued already"):
        queue.resume(cancelled)
    assert queue.entry(cancelled).state == "cancelled"


def test_weights_are_kept_as_soon_as_one_who_asks_wants_them(queue: Queue) -> None:
    asked = queue.submit(spec_of(), CPU, light=True)
    assert asked.light
    assert queue.submit(spec_of(), CPU, light=True) == asked
    assert queue.submit(spec_of(), CPU) == queue.entry(asked.id)
    assert not queue.entry(asked.id).light
    assert not queue.submit(spec_of(), CPU, light=True).light


def test_a_light_run_that_is_training_starts_again_where_its_weights_are_wanted(queue: Queue) -> None:
    run = queue.submit(spec_of(), CPU, light=True).id
    fence = start(queue, run)
    assert queue.submit(spec_of(), CPU, light=True).wish is None
    entry = queue.submit(spec_of(), CPU)
    assert (entry.id, entry.state, entry.wish, entry.light) == (run, "running", "queued", False)
    Dispatch(queue).stopped(run, fence)
    entry = queue.entry(run)
    assert (entry.state, entry.wish, entry.reason, entry.ended) == ("queued", None, None, None)


def test_a_light_run_in_the_store_does_not_end_an_entry_that_waits_for_weights(queue: Queue) -> None:
    spec, weights = spec_of(), {"bias": torch.zeros(3)}
    finish(queue.store, spec, weights, light=True)
    wanted = queue.submit(spec, CPU)
    assert (wanted.state, wanted.light) == ("queued", False)
    light = queue.submit(spec, CPU, light=True)
    assert (light.state, light.light) == ("finished", True)
    assert queue.entry(wanted.id).state == "queued"
    finish(queue.store, spec, weights)
    assert queue.submit(spec, CPU).id == light.id, "one finished entry of a spec is enough"
    assert queue.entry(wanted.id).state == "finished"


# ---- the order, and changing one's mind


def test_first_come_first_served_and_live_ones_first(queue: Queue) -> None:
    a, b, c, d = (submit(queue, seed) for seed in range(4))
    assert [entry.id for entry in Dispatch(queue).waiting()] == [a, b, c, d]
    start(queue, a)
    queue.pause(b)
    queue.cancel(c)
    e = submit(queue, 4)
    assert states(queue) == [
        (a, "running", None),
        (d, "queued", 1),
        (e, "queued", 2),
        (b, "paused", None),
        (c, "cancelled", None),
    ]
    queue.resume(b)
    queue.resume(c)
    assert [entry.id for entry in Dispatch(queue).waiting()] == [d, e, b, c], "resumed ones queue up behind the others"
    assert [entry.position for entry in Dispatch(queue).waiting()] == [1, 2, 3, 4]


def test_what_waits_is_stopped_at_once_and_what_runs_is_asked_to(queue: Queue) -> None:
    run = submit(queue)
    assert queue.pause(run).state == "paused"
    assert Dispatch(queue).start(run, 1) is None, "what is paused is not started"
    assert queue.cancel(run).state == "cancelled"
    assert queue.pause(run).state == "cancelled", "an ended run stays as it is"
    fence = start(queue, queue.resume(run).id)
    assert not Report(queue, run, fence).is_stopped()
    assert (queue.pause(run).state, queue.entry(run).wish) == ("running", "paused")
    assert Report(queue, run, fence).is_stopped()
    assert queue.resume(run).wish == "paused", "it must have stopped before it goes on"
    assert queue.cancel(run).wish == "cancelled"
    assert queue.pause(run).wish == "cancelled", "whoever cancels means it"
    Dispatch(queue).stopped(run, fence)
    entry = queue.entry(run)
    assert (entry.state, entry.wish, entry.reason) == ("cancelled", None, None)
    assert entry.ended is not None


def test_an_entry_is_forgotten_with_its_curve_and_log_but_only_when_it_has_ended(queue: Queue) -> None:
    run, other = submit(queue), submit(queue, 1)
    fence = start(queue, run)
    report_epoch(queue, run, fence, 1)
    report_epoch(queue, other, start(queue, other), 1)
    log = queue.log_path(run)
    log.parent.mkdir(exist_ok=True)
    log.write_text("what was said\n")
    with pytest.raises(QueueError, match=f"Run {run} has not ended: cancel it"):
        queue.forget(run)
    Report(queue, run, fence).end("failed", "because")
    queue.forget(run)
    assert not log.exists()
    assert (queue.epochs(run), queue.points(run), queue.log(run)) == ([], [], "")
    assert len(queue.epochs(other)) == 1
    with pytest.raises(QueueError, match=f"There is no run {run} in the queue"):
        queue.entry(run)
    assert submit(queue) > other, "no id is given twice"


# ---- looking


def test_an_entry_is_found_by_its_number_or_its_key(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    first, other = submit(queue), submit(queue, 1)
    queue.cancel(first)
    again = submit(queue)
    assert queue.find(str(first)).id == first
    assert queue.find(spec_of(1).key[:4]).id == other
    assert queue.find(spec_of().key).id == again, "the newest of its key"
    newest = queue.entries
    monkeypatch.setattr(queue, "entries", lambda: newest(ended=0))
    assert queue.find(str(first)).id == first, "however many have ended since"
    monkeypatch.undo()
    for name in ("99", "zzzz", spec_of().key[:3] + "g"):
        with pytest.raises(QueueError, match=rf"There is no run {name} in the queue of .*\. Its runs: 1, 2, 3\."):
            queue.find(name)


def test_the_log_is_its_last_lines(queue: Queue) -> None:
    run = submit(queue)
    assert queue.log(run) == ""
    path = queue.log_path(run)
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"line {number} é\n" for number in range(50_000)))
    assert queue.log(run, 3) == "line 49997 é\nline 49998 é\nline 49999 é"


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    queue = Queue(Store(tmp_path / "absent"))
    queue.reconcile()
    assert (queue.entries(), queue.epochs(1), queue.points(1), queue.log(1)) == ([], [], [], "")
    assert Speeds(queue.database).find(spec_of(), "cpu") is None
    assert not (tmp_path / "absent").exists()
