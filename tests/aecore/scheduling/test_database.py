"""The queue's database: shared by many, damaged, removed, or of an older version."""

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from aecore.runs.store import Store
from aecore.scheduling import database, supervision
from aecore.scheduling.database import VERSION
from aecore.scheduling.dispatch import Dispatch
from aecore.scheduling.entries import GoneError, QueueError, SupersededError
from aecore.scheduling.places import Place
from aecore.scheduling.queue import Queue
from aecore.scheduling.reports import Report
from tests.aecore.scheduling.idle import CPU, progress, report_epoch, spec_of, start, submit


@pytest.fixture
def queue(idle: Queue) -> Queue:
    return idle


def test_a_queue_that_another_program_holds_is_told_as_locked(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(queue)
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.1)
    with closing(sqlite3.connect(queue.database.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(QueueError, match=r"queue\.sqlite is locked: another program has held it for 0\.1 s\."):
            submit(queue, 1)
    submit(queue, 1)


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


# The tables of version 3 that have changed since; version 4 added `terms` to `epochs`.
OLD = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, spec TEXT NOT NULL, device TEXT NOT NULL, cluster TEXT,
    state TEXT NOT NULL, wish TEXT, turn INTEGER NOT NULL, fence INTEGER NOT NULL DEFAULT 0,
    attempt INTEGER NOT NULL DEFAULT 0, futile INTEGER NOT NULL DEFAULT 0, reason TEXT,
    submitted REAL NOT NULL, started REAL, ended REAL,
    epoch INTEGER NOT NULL DEFAULT 0, images INTEGER NOT NULL DEFAULT 0, images_in_epoch INTEGER,
    images_per_second REAL, seconds_left REAL, loss REAL, scored REAL
);
CREATE UNIQUE INDEX live ON runs (key) WHERE state IN ('queued', 'running', 'paused');
CREATE INDEX states ON runs (state, turn);
CREATE TABLE epochs (
    run INTEGER NOT NULL, epoch INTEGER NOT NULL,
    train_loss REAL, validation_loss REAL, validation_mse REAL, images_per_second REAL, seconds REAL,
    preview BLOB, PRIMARY KEY (run, epoch)
);
CREATE TABLE points (run INTEGER NOT NULL, place INTEGER NOT NULL, at REAL, loss REAL, PRIMARY KEY (run, place));
CREATE TABLE speeds (
    architecture TEXT, batch_size INTEGER, device TEXT, accelerator TEXT, images_per_second REAL,
    PRIMARY KEY (architecture, batch_size, device, accelerator)
);
INSERT INTO epochs VALUES (1, 1, 0.5, 0.4, 0.3, 100.0, 2.0, x'0102');
INSERT INTO speeds VALUES ('conv2:k1 | conv3:k1:sigmoid', 100, 'cpu', 'x', 55.0);
PRAGMA user_version = 3;
"""

FROM_4_TO_5 = """
ALTER TABLE runs RENAME COLUMN device TO place;
UPDATE runs SET place = '{"engine": "local", "address": null, "device": "cuda:1"}' WHERE cluster IS NULL;
UPDATE runs SET place = '{"engine": "ray", "address": "127.0.0.1:6379", "device": "cpu"}' WHERE cluster IS NOT NULL;
ALTER TABLE runs DROP COLUMN cluster;
ALTER TABLE runs ADD COLUMN light INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 5;
"""


def columns(path: Path) -> dict[str, set[tuple[str, str]]]:
    with sqlite3.connect(path) as db:
        tables = ("runs", "epochs", "points", "speeds")
        return {
            table: {(name, kind) for _, name, kind, *_ in db.execute(f"PRAGMA table_info({table})")} for table in tables
        }


@pytest.mark.parametrize("version", [3, 4, 5])
def test_a_queue_of_an_older_version_goes_on(version: int, queue: Queue, tmp_path: Path) -> None:
    path = queue.database.path
    with sqlite3.connect(path) as db:
        db.executescript(OLD)
        if version > 3:
            db.executescript("ALTER TABLE epochs ADD COLUMN terms TEXT; PRAGMA user_version = 4;")
        for seed, (device, cluster) in enumerate([("cuda:1", None), ("cpu", "127.0.0.1:6379")]):
            spec = spec_of(seed)
            db.execute(
                "INSERT INTO runs (key, spec, device, cluster, state, turn, submitted) "
                "VALUES (?, ?, ?, ?, 'queued', ?, 7)",
                (spec.key, json.dumps(spec.to_json()), device, cluster, seed + 1),
            )
        if version > 4:
            db.executescript(FROM_4_TO_5)
    failures = list[BaseException]()

    def look() -> None:
        try:
            queue.entries()
        except BaseException as error:
            failures.append(error)

    lookers = [threading.Thread(target=look) for _ in range(8)]  # one of them migrates, the others wait for it
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    assert failures == []
    here, there = queue.entries()
    assert (here.place, there.place) == (Place("local", None, "cuda:1"), Place("ray", "127.0.0.1:6379", "cpu"))
    assert (here.spec, here.light, here.submitted, there.spec) == (spec_of(0), False, 7.0, spec_of(1))
    assert [(row.epoch, row.preview, row.terms) for row in queue.epochs(here.id)] == [(1, b"\x01\x02", {})]
    fence = start(queue, here.id)
    report_epoch(queue, here.id, fence, 3)
    assert [(row.epoch, row.preview, row.terms) for row in queue.epochs(here.id)] == [
        (1, b"\x01\x02", {}),
        (2, None, {}),
        (3, b"after 3", {}),
    ]
    assert queue.submit(spec_of(1), CPU).id == there.id, "a spec still has one live entry"
    new = Queue(Store(tmp_path / "new"))
    with supervision.hold(new.store.root):
        submit(new)
    assert columns(path) == columns(new.database.path)
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_many_threads_read_and_write_at_once(queue: Queue) -> None:
    failures = list[BaseException]()

    def use(seed: int) -> None:
        try:
            run = submit(queue, seed)
            fence = start(queue, run)
            for epoch in range(1, 5):
                report_epoch(queue, run, fence, epoch)
                queue.entries()
            Report(queue, run, fence).end("finished")
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


def test_a_queue_that_was_removed_is_told_and_not_made_again_by_those_who_report(queue: Queue) -> None:
    run = submit(queue)
    fence = start(queue, run)
    queue.database.path.unlink()
    assert Report(queue, run, fence).is_stopped(), "whoever trains stops"
    for act in (
        lambda: Report(queue, run, fence).progress(progress(1)),
        lambda: Report(queue, run, fence).end("finished"),
        lambda: queue.cancel(run),
        lambda: Dispatch(queue).start(run, 1),
    ):
        with pytest.raises(GoneError, match=r"queue\.sqlite was removed, and with it the queue\."):
            act()
    assert not queue.database.path.exists()
    assert queue.entries() == []
    # The new queue counts from 1 again: what the old process says must not count there.
    assert submit(queue) == run
    start(queue, run)
    with pytest.raises(SupersededError):
        Report(queue, run, fence).progress(progress(1))
