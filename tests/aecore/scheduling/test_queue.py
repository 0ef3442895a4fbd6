"""The queue: what was asked for is there once, in order, and only the newest attempt has a say in it."""

import json
import sqlite3
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from aecore.data import datasets
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.runs import execution
from aecore.runs.store import Store
from aecore.scheduling import supervision
from aecore.scheduling.entries import GoneError, QueueError, SupersededError
from aecore.scheduling.queue import ATTEMPTS, POINTS_AT_MOST, QUEUED_AT_MOST, Queue, device_name, keeps_preview
from aecore.training.events import Epoch, Progress, TrainingError

ROOT = Path(__file__).parents[3]
TINY = Architecture.parse("conv2:k1 | conv3:k1:sigmoid")
ASKERS = 12


def spec_of(seed: int = 0, **recipe: Any) -> RunSpec:
    return RunSpec(TINY, Recipe(**({"epochs": 4} | recipe)), "sample", "0" * 64, seed)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    """An empty queue whose supervisor is the test: none other starts while it holds the lock."""
    with supervision.hold(tmp_path) as holds:
        assert holds
        yield Queue(Store(tmp_path))


def submit(queue: Queue, seed: int = 0, **recipe: Any) -> int:
    return queue.submit(spec_of(seed, **recipe), "cpu").id


def start(queue: Queue, run: int) -> int:
    fence = queue.start(run)
    assert fence is not None
    return fence


def states(queue: Queue) -> list[tuple[int, str, int | None]]:
    return [(entry.id, entry.state, entry.position) for entry in queue.entries()]


def progress(epoch: int, images: int = 100, loss: float = 0.5) -> Progress:
    return Progress(epoch, images, 100, loss, 1000.0, 3.0)


def history(epochs: int) -> tuple[Epoch, ...]:
    return tuple(Epoch(epoch, 1 / epoch, 2 / epoch, 3 / epoch, 1000.0, float(epoch)) for epoch in range(1, epochs + 1))


def report_epoch(queue: Queue, run: int, fence: int, epoch: int, epochs: int = 4) -> None:
    queue.report_epoch(run, fence, epochs, progress(epoch), history(epoch), b"after %d" % epoch)


# ---- asking


def test_what_was_asked_for_comes_back(queue: Queue) -> None:
    spec = spec_of(seed=3, images=50)
    entry = queue.submit(spec, "cpu")
    assert entry == queue.entry(entry.id) == queue.entries()[0]
    assert (entry.spec, entry.spec.name, entry.device, entry.state, entry.position) == (
        spec,
        "custom",
        "cpu",
        "queued",
        1,
    )
    assert (entry.epoch, entry.images, entry.whole_epochs, entry.attempt, entry.reason) == (0, 0, 0, 0, None)
    assert entry.live


@pytest.mark.parametrize("act", ["none", "start", "pause"])
def test_the_same_spec_is_the_same_entry_while_it_is_live(act: str, queue: Queue) -> None:
    run = submit(queue)
    if act != "none":
        getattr(queue, act)(run)
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
        "spec = RunSpec.from_json(json.loads(sys.argv[1])); "
        "queue = Queue(Store(Path(sys.argv[2]))); print('ready', flush=True); input(); "
        "print(queue.submit(spec, 'cpu').id)"
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
        paused = queue.pause(queue.submit(spec, "cpu").id)
        assert paused.state == "paused"
        list(execution.execute(spec, store=queue.store, device=torch.device("cpu")))
        assert queue.submit(spec, "cpu").state == "finished"
        assert [entry.state for entry in queue.entries()] == ["finished"]
        queue.forget(paused.id)
        assert queue.entries() == []
        first = queue.submit(spec, "cpu")
        assert first.state == "finished"
        assert queue.submit(spec, "cpu") == first
    assert queue.store.finished(spec) is not None
    listing = queue.store.listing()
    assert ([run.key for run in listing.runs], listing.unfinished, listing.damaged) == ([spec.key], [], [])


def test_a_device_that_is_not_here_is_told_at_once(queue: Queue) -> None:
    with pytest.raises(TrainingError, match=r"There is no device 'cuda:77' on this machine; here: .*cpu\."):
        queue.submit(spec_of(), "cuda:77")
    assert queue.entries() == []
    assert queue.submit(spec_of()).device == device_name(None)


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


# ---- the order, and changing one's mind


def test_first_come_first_served_and_live_ones_first(queue: Queue) -> None:
    a, b, c, d = (submit(queue, seed) for seed in range(4))
    assert [entry.id for entry in queue.waiting()] == [a, b, c, d]
    start(queue, a)
    queue.pause(b)
    queue.cancel(c)
    e = submit(queue, 4)
    assert states(queue) == [
        (a, "running", None), (d, "queued", 1), (e, "queued", 2), (b, "paused", None), (c, "cancelled", None)
    ]  # fmt: skip
    queue.resume(b)
    queue.resume(c)
    assert [entry.id for entry in queue.waiting()] == [d, e, b, c], "resumed ones queue up behind the others"
    assert [entry.position for entry in queue.waiting()] == [1, 2, 3, 4]


def test_what_waits_is_stopped_at_once_and_what_runs_is_asked_to(queue: Queue) -> None:
    run = submit(queue)
    assert queue.pause(run).state == "paused"
    assert queue.start(run) is None, "what is paused is not started"
    assert queue.cancel(run).state == "cancelled"
    assert queue.pause(run).state == "cancelled", "an ended run stays as it is"
    fence = start(queue, queue.resume(run).id)
    assert not queue.is_stopped(run, fence)
    assert (queue.pause(run).state, queue.entry(run).wish) == ("running", "paused")
    assert queue.is_stopped(run, fence)
    assert queue.resume(run).wish == "paused", "it must have stopped before it goes on"
    assert queue.cancel(run).wish == "cancelled"
    assert queue.pause(run).wish == "cancelled", "whoever cancels means it"
    queue.stopped(run, fence)
    entry = queue.entry(run)
    assert (entry.state, entry.wish, entry.reason) == ("cancelled", None, None)
    assert entry.ended is not None


def test_a_process_stopped_by_nobody_here_is_interrupted(queue: Queue) -> None:
    run = submit(queue)
    queue.stopped(run, start(queue, run))
    entry = queue.entry(run)
    assert (entry.state, entry.reason) == ("interrupted", "Its process was told to stop from outside.")
    assert queue.resume(run).state == "queued"


def test_an_entry_is_forgotten_with_its_curve_and_log_but_only_when_it_has_ended(queue: Queue) -> None:
    run, other = submit(queue), submit(queue, 1)
    fence = start(queue, run)
    for each, its in ((run, fence), (other, start(queue, other))):
        report_epoch(queue, each, its, 1)
    log = queue.log_path(run)
    log.parent.mkdir(exist_ok=True)
    log.write_text("what was said\n")
    with pytest.raises(QueueError, match=f"Run {run} has not ended: cancel it"):
        queue.forget(run)
    queue.end(run, fence, "failed", "because")
    queue.forget(run)
    assert not log.exists()
    assert (queue.epochs(run), queue.points(run), queue.log(run)) == ([], [], "")
    assert len(queue.epochs(other)) == 1
    with pytest.raises(QueueError, match=f"There is no run {run} in the queue"):
        queue.entry(run)
    assert submit(queue) > other, "no id is given twice"


# ---- what a run's process reports


def test_the_curve_and_where_it_stands(queue: Queue) -> None:
    run = submit(queue)
    fence = start(queue, run)
    queue.report(run, fence, 4, progress(1, 30, 0.7))
    entry = queue.entry(run)
    assert (entry.epoch, entry.images, entry.images_in_epoch, entry.loss) == (1, 30, 100, 0.7)
    assert (entry.images_per_second, entry.seconds_left, entry.whole_epochs, entry.attempt) == (1000.0, 3.0, 0, 1)
    for epoch in (1, 2):
        report_epoch(queue, run, fence, epoch)
    assert queue.entry(run).whole_epochs == 2
    assert [(row.epoch, row.train_loss, row.validation_loss, row.preview) for row in queue.epochs(run)] == [
        (1, 1.0, 2.0, b"after 1"), (2, 0.5, 1.0, b"after 2")
    ]  # fmt: skip
    assert [row.epoch for row in queue.epochs(run, after=1)] == [2]
    assert queue.points(run) == [(0.3, 0.7), (1.0, 0.5), (2.0, 0.5)]
    queue.report_scored(run, fence, 0.25)
    assert (queue.entry(run).scored, queue.entry(run).seconds_left) == (0.25, None)
    queue.end(run, fence, "finished")
    assert queue.entry(run).state == "finished"


def test_an_attempt_that_was_superseded_has_no_say(queue: Queue) -> None:
    run = submit(queue)
    old = start(queue, run)
    queue.lost(run, old, "It was killed.")
    new = start(queue, run)
    assert new != old
    assert queue.is_stopped(run, old)
    assert not queue.is_stopped(run, new)
    before = queue.entry(run)
    with pytest.raises(SupersededError):
        queue.report(run, old, 4, progress(1))
    with pytest.raises(SupersededError):
        report_epoch(queue, run, old, 1)
    queue.end(run, old, "failed", "says the old one")
    queue.lost(run, old, "says the old one")
    assert queue.entry(run) == before
    assert (queue.epochs(run), queue.points(run)) == ([], [])
    queue.end(run, new, "finished")
    queue.end(run, new, "failed", "only the first word counts")
    assert queue.entry(run).state == "finished"


def test_what_a_lost_attempt_had_not_finished_is_replaced(queue: Queue) -> None:
    run = submit(queue)
    fence = start(queue, run)
    for epoch in (1, 2, 3):
        report_epoch(queue, run, fence, epoch)
    queue.lost(run, fence, "It was killed.")
    fence = start(queue, run)
    queue.report(run, fence, 4, progress(2, 40))
    assert [row.epoch for row in queue.epochs(run)] == [1]
    assert [at for at, _ in queue.points(run)] == [1.0, 1.4]


def test_epochs_trained_by_another_entry_of_the_spec_are_in_the_curve(queue: Queue) -> None:
    first = submit(queue)
    fence = start(queue, first)
    for epoch in (1, 2):
        report_epoch(queue, first, fence, epoch)
    queue.cancel(first)
    queue.stopped(first, fence)
    again = submit(queue)
    report_epoch(queue, again, start(queue, again), 3)
    assert [(row.epoch, row.preview) for row in queue.epochs(again)] == [(1, None), (2, None), (3, b"after 3")]


def test_long_runs_keep_few_points_and_few_previews(queue: Queue) -> None:
    for epochs in (1, 2, 8, 9, 39, 40, 41, 62, 63, 100, 999, 10_000):
        kept = {epoch for epoch in range(1, epochs + 1) if keeps_preview(epoch, epochs)} | {epochs}
        assert len(kept) <= 40
        assert set(range(1, min(epochs, 8) + 1)) <= kept
    run, epochs = submit(queue, epochs=300), 300
    fence = start(queue, run)
    for epoch in range(1, epochs + 1):
        report_epoch(queue, run, fence, epoch, epochs)
        for images in (20, 50, 90):
            queue.report(run, fence, epochs, progress(min(epoch + 1, epochs), images))
        if epoch in (12, 155):
            assert [row.epoch for row in queue.epochs(run)] == list(range(1, epoch + 1))
            assert queue.epochs(run)[-1].preview == b"after %d" % epoch, "the last one is always there"
            assert [row.epoch for row in queue.epochs(run) if row.preview][:9] == [*range(1, 9), 10]
    points = queue.points(run)
    assert 290 <= len(points) <= POINTS_AT_MOST
    assert points == sorted(points)
    assert 30 <= sum(row.preview is not None for row in queue.epochs(run)) <= 40


def test_the_log_is_its_last_lines(queue: Queue) -> None:
    run = submit(queue)
    assert queue.log(run) == ""
    path = queue.log_path(run)
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"line {number} é\n" for number in range(50_000)))
    assert queue.log(run, 3) == "line 49997 é\nline 49998 é\nline 49999 é"


# ---- when the supervisor dies


def test_orphans_go_on_in_their_old_place_and_fail_after_the_last_attempt(queue: Queue) -> None:
    run, other = submit(queue), submit(queue, 1)
    for number in range(1, ATTEMPTS + 1):
        assert [entry.id for entry in queue.waiting()] == [run, other]
        start(queue, run)
        assert queue.entry(run).attempt == number
        queue.recover()
    entry = queue.entry(run)
    assert entry.state == "failed"
    assert entry.reason == (
        "The process that supervised it was killed. It was started 3 times and got no epoch further."
    )
    queue.resume(run)
    start(queue, run)
    assert queue.entry(run).attempt == 1, "whoever asks again is given all attempts again"


@pytest.mark.parametrize(("wish", "state"), [("cancel", "cancelled"), ("pause", "paused")])
def test_orphans_that_were_to_be_stopped_are(wish: str, state: str, queue: Queue) -> None:
    run = submit(queue)
    start(queue, run)
    getattr(queue, wish)(run)
    queue.recover()
    assert queue.entry(run).state == state


def test_only_one_supervises_and_asking_disturbs_nobody(tmp_path: Path) -> None:
    assert not supervision.held(tmp_path)
    with supervision.hold(tmp_path) as first:
        assert first
        assert supervision.held(tmp_path)
        with supervision.hold(tmp_path) as second:
            assert not second
    assert not supervision.held(tmp_path)
    asking = threading.Event()
    askers = [threading.Thread(target=_ask_until, args=(asking, tmp_path)) for _ in range(4)]
    for asker in askers:
        asker.start()
    for _ in range(20):
        with supervision.hold(tmp_path) as holds:
            assert holds
    asking.set()
    for asker in askers:
        asker.join()


def _ask_until(over: threading.Event, root: Path) -> None:
    while not over.wait(0.001):
        supervision.held(root)


# ---- the database


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    queue = Queue(Store(tmp_path / "absent"))
    queue.reconcile()
    assert (queue.entries(), queue.epochs(1), queue.points(1), queue.log(1)) == ([], [], [], "")
    assert queue.speed(spec_of(), "cpu", "x") is None
    assert not (tmp_path / "absent").exists()


def test_a_queue_that_cannot_be_read_is_told_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    path.write_bytes(b"no database, whatever its name says\n" * 100)
    with pytest.raises(QueueError, match=r"queue\.sqlite cannot be used \(file is not a database\)"):
        Queue(Store(tmp_path)).entries()
    path.unlink()
    with supervision.hold(tmp_path):
        submit(Queue(Store(tmp_path)))
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(QueueError, match="written by another version of aecore; it is left alone"):
        Queue(Store(tmp_path)).entries()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(QueueError, match="AECORE_CHECKPOINTS"):
        submit(Queue(Store(tmp_path / "file")))


def test_many_threads_read_and_write_at_once(queue: Queue) -> None:
    failures = list[BaseException]()

    def use(seed: int) -> None:
        try:
            run = submit(queue, seed)
            fence = start(queue, run)
            for epoch in range(1, 5):
                report_epoch(queue, run, fence, epoch)
                queue.entries()
            queue.end(run, fence, "finished")
        except BaseException as error:
            failures.append(error)

    users = [threading.Thread(target=use, args=(seed,)) for seed in range(8)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert failures == []
    assert [entry.state for entry in queue.entries()] == ["finished"] * 8
    assert all(len(queue.epochs(entry.id)) == 4 for entry in queue.entries())


def test_a_run_may_die_again_and_again_as_long_as_it_gets_further(queue: Queue) -> None:
    run = submit(queue)
    for epoch in range(1, 4):
        for _ in range(ATTEMPTS - 1):
            queue.lost(run, start(queue, run), "It was killed.")
        fence = start(queue, run)
        report_epoch(queue, run, fence, epoch)
        queue.lost(run, fence, "It was killed.")
        assert queue.entry(run).state == "queued"
    assert queue.entry(run).attempt == 3 * ATTEMPTS


def test_an_entry_is_found_by_its_number_or_its_key(queue: Queue) -> None:
    first, other = submit(queue), submit(queue, 1)
    queue.cancel(first)
    again = submit(queue)
    assert queue.find(str(first)).id == first
    assert queue.find(spec_of(1).key[:4]).id == other
    assert queue.find(spec_of().key).id == again, "the newest of its key"
    for name in ("99", "zzzz", spec_of().key[:3] + "g"):
        with pytest.raises(QueueError, match=rf"There is no run {name} in the queue of .*\. Its runs: 1, 2, 3\."):
            queue.find(name)


def test_a_queue_that_was_removed_is_told_and_not_made_again_by_those_who_report(queue: Queue) -> None:
    run = submit(queue)
    fence = start(queue, run)
    queue.path.unlink()
    assert queue.is_stopped(run, fence), "whoever trains stops"
    for act in (
        lambda: queue.report(run, fence, 4, progress(1)),
        lambda: queue.end(run, fence, "finished"),
        lambda: queue.cancel(run),
        lambda: queue.start(run),
    ):
        with pytest.raises(GoneError, match=r"queue\.sqlite was removed, and with it the queue\."):
            act()
    assert not queue.path.exists()
    assert queue.entries() == []
    # The new queue counts from 1 again: what the old process says must not count there.
    assert submit(queue) == run
    start(queue, run)
    with pytest.raises(SupersededError):
        queue.report(run, fence, 4, progress(1))


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_refused_before_anything_is_written(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mount table is all that tells; a real one is asked everywhere else."""
    here, there = tmp_path / "here", tmp_path / "there"
    (there / "deeper").mkdir(parents=True)
    mounts = [("/", "ext4"), (str(there), kind), (str(there / "deeper"), "fuse.fuse-overlayfs")]
    table = [types.SimpleNamespace(mountpoint=place, fstype=name) for place, name in mounts]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: table)
    supervision.refuse_network.cache_clear()
    for act in (lambda queue: submit(queue), lambda queue: queue.entries(), lambda queue: queue.reconcile()):
        with pytest.raises(supervision.SupervisionError, match=rf"{there}/store: on its file system \({kind}\)"):
            act(Queue(Store(there / "store")))
    with pytest.raises(supervision.SupervisionError), supervision.hold(there / "store"):
        pass
    assert sorted(there.rglob("*")) == [there / "deeper"]
    for allowed in (here, there / "deeper"):
        with supervision.hold(allowed):
            assert submit(Queue(Store(allowed))) == 1
    supervision.refuse_network.cache_clear()
