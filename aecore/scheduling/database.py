"""The queue's database: its schema, its connections and its transactions. `queue.sqlite` lies in the store's root.

Any number of threads and processes may use it at once: every transaction opens a connection of its own, and SQLite
decides which of two comes first.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from aecore.models.recipe import RunSpec
from aecore.scheduling import supervision
from aecore.scheduling.entries import Entry, GoneError, QueueError
from aecore.scheduling.places import Place
from aecore.training import machine

VERSION = 6
BUSY_TIMEOUT = 10.0  # seconds; another process's transaction takes milliseconds unless the disk is stuck
RETRY_DELAY = 1.0  # seconds before a failed write is tried again, where it must not be lost
LIVE = "('queued', 'running', 'paused')"
NEXT_TURN = "(SELECT coalesce(max(turn), 0) + 1 FROM runs)"
_SCHEMA = f"""
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    spec TEXT NOT NULL,                 -- JSON
    place TEXT NOT NULL,                -- JSON: engine, address, device
    light INTEGER NOT NULL DEFAULT 0,   -- 1: its weights are not asked for
    state TEXT NOT NULL,
    wish TEXT,
    turn INTEGER NOT NULL,              -- the order of the queue, which does not depend on a clock
    fence INTEGER NOT NULL DEFAULT 0,   -- a new random number for each start
    attempt INTEGER NOT NULL DEFAULT 0, -- starts since it was last asked for
    futile INTEGER NOT NULL DEFAULT 0,  -- of these, the ones since it last completed an epoch
    threads INTEGER,                    -- that it was started with, also under another id; NULL before
    reason TEXT,
    submitted REAL NOT NULL, started REAL, ended REAL,
    epoch INTEGER NOT NULL DEFAULT 0, images INTEGER NOT NULL DEFAULT 0, images_in_epoch INTEGER,
    images_per_second REAL, seconds_left REAL, loss REAL, scored REAL
);
CREATE UNIQUE INDEX live ON runs (key) WHERE state IN {LIVE};
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
# The statements that turn a database of each version into one of the next.
_MIGRATIONS = {
    3: ("ALTER TABLE epochs ADD COLUMN terms TEXT",),
    4: (
        "ALTER TABLE runs RENAME COLUMN device TO place",
        "UPDATE runs SET place = json_object('engine', CASE WHEN cluster IS NULL THEN 'local' ELSE 'ray' END, "
        "'address', cluster, 'device', place)",
        "ALTER TABLE runs DROP COLUMN cluster",
        "ALTER TABLE runs ADD COLUMN light INTEGER NOT NULL DEFAULT 0",
    ),
    5: (
        "ALTER TABLE runs ADD COLUMN threads INTEGER",
        f"UPDATE runs SET threads = {machine.run_threads()} WHERE started IS NOT NULL",
    ),
}
_ENTRIES = """
SELECT *,
    (SELECT coalesce(max(epoch), 0) FROM epochs WHERE run = runs.id) AS whole_epochs,
    CASE state WHEN 'queued' THEN
        (SELECT count(*) FROM runs AS other WHERE other.state = 'queued' AND other.turn <= runs.turn)
    END AS position
FROM runs
"""


class Database:
    """The database of the store at `root`. It holds no connection between transactions."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "queue.sqlite"

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one committed state, whatever others write meanwhile.

        Reading a store without a queue creates none.
        """
        with self._explained():
            if self.path.exists():
                connection = self._open()
            else:
                connection = _connect(":memory:")
                connection.executescript(_SCHEMA)
            with closing(connection) as db:
                # Otherwise a run that changes its state between two selections could be in both, or in none.
                db.execute("BEGIN")
                yield db

    @contextmanager
    def writing(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction, which other writers wait for; rolled back on an exception.

        Raises `GoneError` where there is no database, unless it may `create` one.
        """
        with self._explained():
            if create:
                self._make_folder()
            else:
                self.require()
            with closing(self._open()) as db, _transaction(db):
                yield db

    def require(self) -> None:
        """Raise `GoneError` where there is no database."""
        if not self.path.exists():
            raise GoneError(
                f"{self.path} was removed, and with it the queue. The trained epochs of its runs are kept: submit the "
                "runs again, and they continue."
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors into a `QueueError`, unless the statement is at fault rather than the file."""
        supervision.refuse_network(self.root)
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise QueueError(
                    f"{self.path} is locked: another program has held it for {BUSY_TIMEOUT:g} s. Close what reads or "
                    "copies it, and try again."
                ) from None
            raise QueueError(
                f"{self.path} cannot be used ({error}): see that its disk has room and its folder may be written, "
                "or set AECORE_CHECKPOINTS to another folder."
            ) from None

    def _make_folder(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise QueueError(
                f"{self.path} cannot be made ({error.strerror}): set AECORE_CHECKPOINTS to a writable folder."
            ) from None

    def _open(self) -> sqlite3.Connection:
        db = _connect(str(self.path))
        try:
            version = _version(db)
            if version == 0:
                self._create(db)
            elif version in _MIGRATIONS:
                _migrate(db)
            elif version != VERSION:
                raise QueueError(f"{self.path} was written by another version of aecore; it is left alone.")
            db.execute("PRAGMA synchronous = FULL")
        except BaseException:
            db.close()
            raise
        return db

    def _create(self, db: sqlite3.Connection) -> None:
        folder = self.root / ".locks"
        folder.mkdir(exist_ok=True)
        with FileLock(folder / "queue.lock"):  # SQLite does not wait for others when it changes to WAL
            if _version(db) == 0:
                db.execute("PRAGMA journal_mode = WAL")
                db.executescript(f"BEGIN; {_SCHEMA} COMMIT;")


def select_entries(db: sqlite3.Connection, clauses: str, parameters: Sequence[Any] = ()) -> list[Entry]:
    """The entries that the SQL `clauses` (WHERE, ORDER BY, LIMIT) select."""
    return [_entry(row) for row in db.execute(f"{_ENTRIES} {clauses}", parameters)]


def _entry(row: sqlite3.Row) -> Entry:
    values = {field.name: row[field.name] for field in fields(Entry)}
    decoded = {"spec": _spec(row["spec"]), "place": _place(row["place"]), "light": bool(row["light"])}
    return Entry(**values | decoded)


@lru_cache(maxsize=1024)
def _spec(text: str) -> RunSpec:
    return RunSpec.from_json(json.loads(text))


@lru_cache(maxsize=64)
def _place(text: str) -> Place:
    return Place(**json.loads(text))


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _migrate(db: sqlite3.Connection) -> None:
    with _transaction(db):
        for version in range(_version(db), VERSION):  # read again: another process may have migrated meanwhile
            for statement in _MIGRATIONS[version]:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")


def _connect(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
    db.row_factory = sqlite3.Row
    return db


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
