"""The queue: the runs that were asked for and what became of each, in one SQLite database beside the runs.

Any number of threads and processes may use it at once. Each call is a connection and a transaction of its own, and
what two of them want at once is decided by the database: one live entry a spec, by a unique index. Only the
supervisor (`aecore.engines`) starts runs; what a run's process reports counts only while its `fence` is the run's.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from filelock import FileLock

from aecore.models.recipe import RunSpec
from aecore.runs.store import Store, StoreError
from aecore.scheduling import supervision
from aecore.scheduling.cluster import SHARES
from aecore.scheduling.entries import Entry, EpochRow, FullError, GoneError, QueueError, State, SupersededError

if TYPE_CHECKING:
    from aecore.training.events import Epoch, Progress

VERSION = 4
BUSY = 30.0  # seconds to wait for another process's transaction, which takes milliseconds unless the disk is stuck
QUEUED_AT_MOST = 100
ATTEMPTS = 3  # how often a run whose process dies is started again without getting an epoch further
POINTS_AT_MOST = 600  # of the loss within epochs, spread evenly over the run
FIRST_PREVIEWS, LATER_PREVIEWS = 8, 31  # with the last one, at most forty
LOG_BYTES = 65_536
WATCH = 0.25  # seconds between two looks of a run's process, or of who waits for it, at what was wished
MEMORY_RAN_OUT = "Its process was killed because memory ran out: a smaller batch needs less."
_LIVE = "('queued', 'running', 'paused')"
_SCHEMA = f"""
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    spec TEXT NOT NULL,
    device TEXT NOT NULL,
    cluster TEXT,                       -- the address of a Ray cluster, unless it is trained on this machine
    state TEXT NOT NULL,
    wish TEXT,
    turn INTEGER NOT NULL,              -- the order of the queue, which no clock decides
    fence INTEGER NOT NULL DEFAULT 0,   -- another number for every start
    attempt INTEGER NOT NULL DEFAULT 0, -- starts since it was last asked for
    futile INTEGER NOT NULL DEFAULT 0,  -- of these, those since it got an epoch further
    reason TEXT,
    submitted REAL NOT NULL, started REAL, ended REAL,
    epoch INTEGER NOT NULL DEFAULT 0, images INTEGER NOT NULL DEFAULT 0, images_in_epoch INTEGER,
    images_per_second REAL, seconds_left REAL, loss REAL, scored REAL
);
CREATE UNIQUE INDEX live ON runs (key) WHERE state IN {_LIVE};
CREATE INDEX states ON runs (state, turn);
CREATE TABLE epochs (
    run INTEGER NOT NULL, epoch INTEGER NOT NULL,
    train_loss REAL, validation_loss REAL, validation_mse REAL, images_per_second REAL, seconds REAL,
    terms TEXT, preview BLOB, PRIMARY KEY (run, epoch)
);
CREATE TABLE points (run INTEGER NOT NULL, place INTEGER NOT NULL, at REAL, loss REAL, PRIMARY KEY (run, place));
CREATE TABLE speeds (
    architecture TEXT, batch_size INTEGER, device TEXT, accelerator TEXT, images_per_second REAL,
    PRIMARY KEY (architecture, batch_size, device, accelerator)
);
PRAGMA user_version = {VERSION};
"""
_ENTRIES = """
SELECT id, spec, device, cluster, state, wish, attempt, futile, reason, submitted, started, ended, epoch, images,
    images_in_epoch, images_per_second, seconds_left, loss, scored,
    (SELECT coalesce(max(epoch), 0) FROM epochs WHERE run = runs.id) AS whole_epochs,
    CASE state WHEN 'queued' THEN
        (SELECT count(*) FROM runs AS other WHERE other.state = 'queued' AND other.turn <= runs.turn)
    END AS position
FROM runs
"""
_NEXT_TURN = "(SELECT coalesce(max(turn), 0) + 1 FROM runs)"


class Queue:
    """The runs asked for in one store; `queue.sqlite` in its root."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or Store()
        self.path = self.store.root / "queue.sqlite"

    # ---- for those who ask

    def submit(self, spec: RunSpec, device: str | None = None, cluster: str | None = None) -> Entry:
        """Ask for a run of `spec` on `device` (None: the fastest), or on a CPU or GPU of the Ray `cluster` at that
        address (`cpu`, which is the default there, or `cuda`).

        While the same spec is queued, running or paused, it is that entry; where the store holds the finished run, a
        finished one. Raises `FullError` where too many runs wait, `TrainingError` where there is no
        such device here.
        """
        device = _share_name(device) if cluster else device_name(device)
        kept, now = self._is_in_store(spec), time.time()
        with self._writing(make=True) as db:
            if kept:
                row = self._kept(db, spec, device, now)
            else:
                row = db.execute(
                    f"INSERT INTO runs (key, spec, device, cluster, state, turn, submitted) VALUES (?, ?, ?, ?, "
                    f"'queued', {_NEXT_TURN}, ?) ON CONFLICT (key) WHERE state IN {_LIVE} DO NOTHING RETURNING id",
                    (spec.key, json.dumps(spec.to_json()), device, cluster, now),
                ).fetchone()
                if row:
                    _check_limit(db)
                else:
                    row = self._live(db, spec.key)
        self.reconcile(patient=False)
        return self.entry(row["id"])

    def entries(self, ended: int = 200) -> list[Entry]:
        """Every live entry (running ones, then the queue in its order, then paused ones), and the newest `ended`."""
        with self._reading() as db:
            live = db.execute(
                f"{_ENTRIES} WHERE state IN {_LIVE} ORDER BY CASE state WHEN 'running' THEN 0 WHEN 'queued' THEN 1 "
                "ELSE 2 END, turn"
            ).fetchall()
            rest = db.execute(
                f"{_ENTRIES} WHERE state NOT IN {_LIVE} ORDER BY turn DESC, id DESC LIMIT ?", (ended,)
            ).fetchall()
        return [_entry(row) for row in (*live, *rest)]

    def entry(self, run: int) -> Entry:
        """The entry of this id; `QueueError` if there is none."""
        with self._reading() as db:
            row = db.execute(f"{_ENTRIES} WHERE id = ?", (run,)).fetchone()
        if row is None:
            raise QueueError(f"There is no run {run} in the queue of {self.store.root}: it may have been removed.")
        return _entry(row)

    def find(self, name: str) -> Entry:
        """The entry of this number, or the newest whose spec's key begins so (at least 4 digits)."""
        entries = self.entries()
        found = [entry for entry in entries if name == str(entry.id)]
        if not found and len(name) >= 4:
            found = [entry for entry in entries if entry.spec.key.startswith(name)]
        if not found:
            numbers = ", ".join(str(number) for number in sorted(entry.id for entry in entries)) or "none"
            raise QueueError(f"There is no run {name} in the queue of {self.store.root}. Its runs: {numbers}.")
        return max(found, key=lambda entry: entry.id)

    def cancel(self, run: int) -> Entry:
        """Stop a run for good: at once where it waits, else at the next step. Its whole epochs are kept, so that
        `resume` may change one's mind. An ended run stays as it is."""
        return self._stop(run, "cancelled")

    def pause(self, run: int) -> Entry:
        """Stop a run until `resume`: at once where it waits, else at the next step. An ended run stays as it is."""
        return self._stop(run, "paused")

    def resume(self, run: int) -> Entry:
        """Queue a paused, cancelled, failed or interrupted run again, to go on after its last whole epoch.

        Where its spec was asked for again meanwhile, it is that entry. Others stay as they are.
        """
        with self._writing() as db:
            row = db.execute("SELECT key, state FROM runs WHERE id = ?", (run,)).fetchone()
            if row and row["state"] in ("paused", "cancelled", "failed", "interrupted"):
                live = self._live(db, row["key"])
                if live and live["id"] != run:
                    run = live["id"]
                else:
                    db.execute(
                        f"UPDATE runs SET state = 'queued', turn = {_NEXT_TURN}, attempt = 0, futile = 0, wish = NULL, "
                        "reason = NULL, ended = NULL WHERE id = ?",
                        (run,),
                    )
                    _check_limit(db)
        self.reconcile(patient=False)
        return self.entry(run)

    def forget(self, run: int) -> None:
        """Remove an ended entry with its curve and its log, never the run in the store."""
        if self.entry(run).live:
            raise QueueError(f"Run {run} has not ended: cancel it before it is removed.")
        with self._writing() as db:
            db.execute(f"DELETE FROM runs WHERE id = ? AND state NOT IN {_LIVE}", (run,))
            for table in ("epochs", "points"):
                db.execute(f"DELETE FROM {table} WHERE run NOT IN (SELECT id FROM runs)")
        self.log_path(run).unlink(missing_ok=True)

    def epochs(self, run: int, after: int = 0) -> list[EpochRow]:
        """The loss curve so far, from the epoch `after` on, with the previews that are kept."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT epoch, train_loss, validation_loss, validation_mse, images_per_second, seconds, terms, preview "
                "FROM epochs WHERE run = ? AND epoch > ? ORDER BY epoch",
                (run, after),
            ).fetchall()
        return [EpochRow(**dict(row) | {"terms": json.loads(row["terms"] or "{}")}) for row in rows]

    def points(self, run: int) -> list[tuple[float, float]]:
        """The training loss within epochs: (epochs passed, mean loss since the point before)."""
        with self._reading() as db:
            rows = db.execute("SELECT at, loss FROM points WHERE run = ? ORDER BY at", (run,)).fetchall()
        return [(row["at"], row["loss"]) for row in rows]

    def log(self, run: int, lines: int = 200) -> str:
        """The last lines of what the run's processes had to say."""
        try:
            with self.log_path(run).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_BYTES))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def log_path(self, run: int) -> Path:
        """The file that a run's processes write to."""
        return supervision.log_folder(self.store.root) / f"{run}.log"

    def open_log(self, entry: Entry) -> TextIO:
        """The same file, to be written at its end; a run that was never started before has an empty one."""
        path = self.log_path(entry.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w" if entry.started is None else "a", encoding="utf-8")

    def reconcile(self, *, patient: bool = True) -> None:
        """Have a supervisor start where work waits and none is alive; it takes up what the last one left. Cheap.

        Whoever asks again and again is `patient`: a supervisor that ends badly is then not started anew at once.
        """
        if self.is_waiting() and not supervision.held(self.store.root):
            supervision.start(self.store.root, patient=patient)

    # ---- for the supervisor, which alone may call these

    def is_waiting(self) -> bool:
        """Whether there is anything that a supervisor should see to."""
        with self._reading() as db:
            return bool(db.execute("SELECT 1 FROM runs WHERE state IN ('queued', 'running') LIMIT 1").fetchone())

    def waiting(self) -> list[Entry]:
        """The queued entries in their order."""
        with self._reading() as db:
            rows = db.execute(f"{_ENTRIES} WHERE state = 'queued' ORDER BY turn").fetchall()
        return [_entry(row) for row in rows]

    def recover(self) -> None:
        """See to the runs whose supervisor is gone, and so their processes: they go on, or fail if that was enough."""
        with self._reading() as db:
            orphans = db.execute("SELECT id, fence FROM runs WHERE state = 'running'").fetchall()
        for row in orphans:
            self.lost(row["id"], row["fence"], "The process that supervised it was killed.")

    def delay(self, run: int, reason: str) -> None:
        """Why a queued run is not started yet."""
        with self._writing() as db:
            db.execute(
                "UPDATE runs SET reason = ? WHERE id = ? AND state = 'queued' AND reason IS NOT ?",
                (reason, run, reason),
            )

    def start(self, run: int) -> int | None:
        """A queued run is running from now on: the fence of this attempt, or None if it is not queued any more."""
        with self._writing() as db:
            # Drawn, not counted: were the database removed and made anew, an old process could fit a new run.
            row = db.execute(
                "UPDATE runs SET state = 'running', wish = NULL, fence = ?, attempt = attempt + 1, "
                "futile = futile + 1, started = ?, ended = NULL, images_per_second = NULL, seconds_left = NULL, "
                "scored = NULL, reason = NULL WHERE id = ? AND state = 'queued' RETURNING fence",
                (secrets.randbits(62), time.time(), run),
            ).fetchone()
        return row["fence"] if row else None

    def stopped(self, run: int, fence: int) -> None:
        """The process ended as it was told to: by a wish, or else by a signal from outside."""
        wish = self.entry(run).wish
        self.end(run, fence, wish or "interrupted", None if wish else "Its process was told to stop from outside.")

    def lost(self, run: int, fence: int, reason: str) -> None:
        """The process died without a word: the run is queued again, in its old place, unless that was enough."""
        entry = self.entry(run)
        if entry.wish:
            self.end(run, fence, entry.wish)
        elif entry.futile >= ATTEMPTS:
            self.end(run, fence, "failed", f"{reason} It was started {ATTEMPTS} times and got no epoch further.")
        else:
            self.end(run, fence, "queued", reason)

    # ---- for a run's process; what comes from one that is not the newest does not count

    def is_stopped(self, run: int, fence: int) -> bool:
        """Whether the process with this fence should go on no further."""
        with self._reading() as db:
            row = db.execute(
                "SELECT 1 FROM runs WHERE id = ? AND fence = ? AND state = 'running' AND wish IS NULL", (run, fence)
            ).fetchone()
        return row is None

    def report(self, run: int, fence: int, epochs: int, progress: Progress) -> None:
        """Where training stands, of so many `epochs`."""
        with self._standing(run, fence, epochs, progress):
            pass

    def report_epoch(
        self, run: int, fence: int, epochs: int, progress: Progress, history: tuple[Epoch, ...], preview: bytes
    ) -> None:
        """The same at the end of an epoch, the curve up to it and the preview after it."""
        last = history[-1].epoch
        with self._standing(run, fence, epochs, progress) as db:
            known = db.execute("SELECT coalesce(max(epoch), 0) AS epoch FROM epochs WHERE run = ?", (run,)).fetchone()
            # More than one where the run goes on from epochs that another entry of its spec has trained.
            db.executemany(
                "INSERT INTO epochs VALUES (:run, :epoch, :train_loss, :validation_loss, :validation_mse, "
                ":images_per_second, :seconds, :terms, NULL)",
                [asdict(row) | {"run": run, "terms": json.dumps(dict(row.terms))} for row in history[known["epoch"] :]],
            )
            db.execute("UPDATE epochs SET preview = ? WHERE run = ? AND epoch = ?", (preview, run, last))
            db.execute("UPDATE runs SET futile = 0 WHERE id = ?", (run,))
            if not keeps_preview(last - 1, epochs):
                db.execute("UPDATE epochs SET preview = NULL WHERE run = ? AND epoch = ?", (run, last - 1))

    def report_scored(self, run: int, fence: int, share: float) -> None:
        """Training is over, and this share of the test pictures is scored."""
        with self._reporting(run, fence, scored=share, seconds_left=None):
            pass

    def end(self, run: int, fence: int, state: State, reason: str | None = None) -> None:
        """What became of the attempt; only the first word counts."""
        ended = None if state == "queued" else time.time()
        with self._writing() as db:
            db.execute(
                "UPDATE runs SET state = ?, reason = ?, ended = ?, wish = NULL, seconds_left = NULL "
                "WHERE id = ? AND fence = ? AND state = 'running'",
                (state, reason, ended, run, fence),
            )

    # ---- how fast this machine trains

    def record_speed(self, spec: RunSpec, device: str, accelerator: str, images_per_second: float) -> None:
        """Keep what was measured for this architecture and batch size on this device."""
        with self._writing(make=True) as db:
            db.execute(
                "INSERT OR REPLACE INTO speeds VALUES (?, ?, ?, ?, ?)",
                (str(spec.architecture), spec.recipe.batch_size, device, accelerator, images_per_second),
            )

    def speed(self, spec: RunSpec, device: str, accelerator: str) -> float | None:
        """Pictures a second, as last measured here, or None."""
        with self._reading() as db:
            row = db.execute(
                "SELECT images_per_second FROM speeds "
                "WHERE architecture = ? AND batch_size = ? AND device = ? AND accelerator = ?",
                (str(spec.architecture), spec.recipe.batch_size, device, accelerator),
            ).fetchone()
        return row["images_per_second"] if row else None

    # ---- the database

    def _is_in_store(self, spec: RunSpec) -> bool:
        try:
            return self.store.finished(spec) is not None
        except StoreError:
            return False  # damaged, so it is made again

    def _kept(self, db: sqlite3.Connection, spec: RunSpec, device: str, now: float) -> Any:
        """The entry of a run that is in the store, whoever made it."""
        db.execute(
            "UPDATE runs SET state = 'finished', ended = ? WHERE key = ? AND state IN ('queued', 'paused')",
            (now, spec.key),
        )
        known = db.execute(
            "SELECT id FROM runs WHERE key = ? AND state IN ('running', 'finished') ORDER BY id DESC", (spec.key,)
        ).fetchone()
        if known:
            return known
        return db.execute(
            "INSERT INTO runs (key, spec, device, state, turn, submitted, ended) "
            f"VALUES (?, ?, ?, 'finished', {_NEXT_TURN}, ?, ?) RETURNING id",
            (spec.key, json.dumps(spec.to_json()), device, now, now),
        ).fetchone()

    def _live(self, db: sqlite3.Connection, key: str) -> Any:
        return db.execute(f"SELECT id FROM runs WHERE key = ? AND state IN {_LIVE}", (key,)).fetchone()

    def _stop(self, run: int, state: Literal["paused", "cancelled"]) -> Entry:
        waits = "('queued')" if state == "paused" else "('queued', 'paused')"
        with self._writing() as db:
            db.execute(
                f"UPDATE runs SET state = ?, ended = ?, reason = NULL WHERE id = ? AND state IN {waits}",
                (state, time.time(), run),
            )
            db.execute(
                "UPDATE runs SET wish = ? WHERE id = ? AND state = 'running' AND wish IS NOT 'cancelled'", (state, run)
            )
        self.reconcile()
        return self.entry(run)

    @contextmanager
    def _reporting(self, run: int, fence: int, **values: Any) -> Iterator[sqlite3.Connection]:
        with self._writing() as db:
            changes = ", ".join(f"{name} = :{name}" for name in values)
            changed = db.execute(
                f"UPDATE runs SET {changes} WHERE id = :run AND fence = :fence AND state = 'running'",
                values | {"run": run, "fence": fence},
            )
            if not changed.rowcount:
                raise SupersededError(f"Run {run} is no longer this process's to report on.")
            yield db

    @contextmanager
    def _standing(self, run: int, fence: int, epochs: int, progress: Progress) -> Iterator[sqlite3.Connection]:
        at = progress.epoch - 1 + progress.images / progress.images_in_epoch
        with self._reporting(
            run,
            fence,
            epoch=progress.epoch,
            images=progress.images,
            images_in_epoch=progress.images_in_epoch,
            images_per_second=progress.images_per_second,
            seconds_left=progress.seconds_left,
            loss=progress.loss,
        ) as db:
            # What lies ahead is from an attempt that was lost before its epoch was whole.
            db.execute("DELETE FROM epochs WHERE run = ? AND epoch >= ?", (run, progress.epoch))
            db.execute("DELETE FROM points WHERE run = ? AND at > ?", (run, at))
            place = min(int(at / epochs * POINTS_AT_MOST), POINTS_AT_MOST - 1)
            db.execute("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?)", (run, place, at, progress.loss))
            yield db

    @contextmanager
    def _writing(self, *, make: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction that no other writer sees half of; with `make` in a new database where none is."""
        with self._told():
            if make:
                try:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise QueueError(
                        f"{self.path} cannot be made ({error.strerror}): set AECORE_CHECKPOINTS."
                    ) from None
            elif not self.path.exists():
                raise GoneError(
                    f"{self.path} was removed, and with it the queue. What its runs had trained is kept: "
                    "ask for them again, and they go on."
                )
            with closing(self._open()) as db:
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                except BaseException:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """What is committed; looking at a store without a queue makes none."""
        with self._told():
            if self.path.exists():
                opened = self._open()
            else:
                opened = _connect(":memory:")
                opened.executescript(_SCHEMA)
            with closing(opened) as db:
                yield db

    @contextmanager
    def _told(self) -> Iterator[None]:
        supervision.refuse_network(self.store.root)
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise  # no fault of the file
        except sqlite3.Error as error:
            raise QueueError(
                f"{self.path} cannot be used ({error}): see that its disk has room and its folder may be written, "
                "or set AECORE_CHECKPOINTS."
            ) from None

    def _open(self) -> sqlite3.Connection:
        db = _connect(str(self.path))
        try:
            version = _version(db)
            if version == 0:
                self._create(db)
            elif version == 3:
                db.executescript("BEGIN; ALTER TABLE epochs ADD COLUMN terms TEXT; PRAGMA user_version = 4; COMMIT;")
            elif version != VERSION:
                raise QueueError(f"{self.path} was written by another version of aecore; it is left alone.")
            db.execute("PRAGMA synchronous = FULL")
        except BaseException:
            db.close()
            raise
        return db

    def _create(self, db: sqlite3.Connection) -> None:
        folder = self.store.root / ".locks"
        folder.mkdir(exist_ok=True)
        with FileLock(folder / "queue.lock"):  # the change to WAL does not wait for others by itself
            if _version(db) == 0:
                db.execute("PRAGMA journal_mode = WAL")
                db.executescript(f"BEGIN; {_SCHEMA} COMMIT;")


def device_name(name: str | None) -> str:
    """The full name of a device, None being the fastest; `TrainingError` if this machine has none of this name."""
    if name == "cpu":
        return name  # is always there: whoever asks for it need not wait for torch
    from aecore.training.devices import find_device

    device = find_device(name)
    return f"cuda:{device.index or 0}" if device.type == "cuda" else str(device)


def _share_name(name: str | None) -> str:
    if name not in (None, *SHARES):
        raise QueueError(f"There is no device {name!r} on a cluster: ask for one of {', '.join(SHARES)}.")
    return name or "cpu"


def keeps_preview(epoch: int, epochs: int) -> bool:
    """Whether the preview after `epoch` outlives the next one: the first few do, then some evenly spread."""
    return epoch <= FIRST_PREVIEWS or epoch % math.ceil(epochs / LATER_PREVIEWS) == 0


def _connect(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY, isolation_level=None)
    db.row_factory = sqlite3.Row
    return db


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _check_limit(db: sqlite3.Connection) -> None:
    if db.execute("SELECT count(*) FROM runs WHERE state = 'queued'").fetchone()[0] > QUEUED_AT_MOST:
        raise FullError(f"{QUEUED_AT_MOST} runs are queued already: wait for some to finish, or cancel some.")


def _entry(row: sqlite3.Row) -> Entry:
    values = {each.name: row[each.name] for each in fields(Entry)}
    return Entry(**values | {"spec": _spec(row["spec"])})


@lru_cache(maxsize=1024)
def _spec(text: str) -> RunSpec:
    return RunSpec.from_json(json.loads(text))
