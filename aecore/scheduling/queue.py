"""The queue for its users: submit a run, look at it, stop it, resume it.

`dispatch.Dispatch` is the supervisor's side, which alone starts runs; `reports.Report` is the side of a run's own
process. All three share one database (`database`), which guarantees that a spec has one live entry.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TextIO

from aecore.models.recipe import RunSpec
from aecore.runs.store import Run, Store, StoreError
from aecore.scheduling import supervision
from aecore.scheduling.database import LIVE, NEXT_TURN, Database, select_entries
from aecore.scheduling.entries import Entry, EpochRow, FullError, GoneError, QueueError
from aecore.scheduling.places import Place

QUEUED_AT_MOST = 100
LOG_BYTES = 65_536


class Queue:
    """The requested runs of one store."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or Store()
        self.database = Database(self.store.root)

    # ---- changing the queue

    def submit(self, spec: RunSpec, place: Place | None = None, light: bool = False) -> Entry:
        """Ask for a run of `spec` at `place` (None: the fastest device of this machine), without weights if `light`.

        Returns the live entry of the same spec if there is one, and a finished entry if the store holds the run. A
        light run that is training starts again after its last whole epoch where one with weights is wanted.
        Raises `FullError` where too many runs wait, and an `AecoreError` where the place has no such device.
        """
        place = place.checked() if place else Place.here()
        text = json.dumps(vars(place))
        stored, now = self._in_store(spec, light), time.time()
        with self.database.writing(create=True) as db:
            run = _finished(db, spec, text, stored, now) if stored else _queued(db, spec, text, light, now)
        self.reconcile(patient=False)
        return self.entry(run)

    def cancel(self, run: int) -> Entry:
        """Stop a run for good: at once where it waits, otherwise at its next step. An ended run stays as it is.

        Its whole epochs are kept, so `resume` can still continue it.
        """
        return self._stop(run, "cancelled")

    def pause(self, run: int) -> Entry:
        """Stop a run until `resume`: at once where it waits, else at its next step. An ended run stays as it is."""
        return self._stop(run, "paused")

    def resume(self, run: int) -> Entry:
        """Queue a paused, cancelled, failed or interrupted run again, to continue after its last whole epoch.

        Returns the live entry of its spec if there is one by now. A run in another state stays as it is.
        """
        with self.database.writing() as db:
            row = db.execute("SELECT key, state FROM runs WHERE id = ?", (run,)).fetchone()
            if row and row["state"] in ("paused", "cancelled", "failed", "interrupted"):
                live = _live(db, row["key"])
                if live not in (None, run):
                    run = live
                else:
                    db.execute(
                        f"UPDATE runs SET state = 'queued', turn = {NEXT_TURN}, attempt = 0, futile = 0, wish = NULL, "
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
        with self.database.writing() as db:
            db.execute(f"DELETE FROM runs WHERE id = ? AND state NOT IN {LIVE}", (run,))
            for table in ("epochs", "points"):
                db.execute(f"DELETE FROM {table} WHERE run NOT IN (SELECT id FROM runs)")
        self.log_path(run).unlink(missing_ok=True)

    # ---- reading the queue

    def entries(self, ended: int = 200) -> list[Entry]:
        """All live entries (running ones, then the queue in its order, then paused ones), and the newest `ended`."""
        with self.database.reading() as db:
            order = "CASE state WHEN 'running' THEN 0 WHEN 'queued' THEN 1 ELSE 2 END, turn"
            live = select_entries(db, f"WHERE state IN {LIVE} ORDER BY {order}")
            return live + select_entries(db, f"WHERE state NOT IN {LIVE} ORDER BY turn DESC, id DESC LIMIT ?", (ended,))

    def entry(self, run: int) -> Entry:
        """The entry with this id; `GoneError` if there is none, or no database any more."""
        with self.database.reading() as db:
            matches = select_entries(db, "WHERE id = ?", (run,))
        if not matches:
            self.database.require()
            raise GoneError(f"There is no run {run} in the queue of {self.store.root}: it may have been removed.")
        return matches[0]

    def find(self, name: str) -> Entry:
        """The entry with this id, or the newest one whose spec's key begins with `name` (at least 4 digits)."""
        if name.isdecimal():
            with suppress(GoneError):
                return self.entry(int(name))
        entries = self.entries()
        matches = [entry for entry in entries if len(name) >= 4 and entry.spec.key.startswith(name)]
        if not matches:
            numbers = ", ".join(str(number) for number in sorted(entry.id for entry in entries)) or "none"
            raise QueueError(f"There is no run {name} in the queue of {self.store.root}. Its runs: {numbers}.")
        return max(matches, key=lambda entry: entry.id)

    def epochs(self, run: int) -> list[EpochRow]:
        """The loss curve, with the previews that are kept."""
        with self.database.reading() as db:
            rows = db.execute(
                "SELECT epoch, train_loss, validation_loss, validation_mse, images_per_second, seconds, terms, preview "
                "FROM epochs WHERE run = ? ORDER BY epoch",
                (run,),
            ).fetchall()
        return [EpochRow(**dict(row) | {"terms": json.loads(row["terms"] or "{}")}) for row in rows]

    def points(self, run: int) -> list[tuple[float, float]]:
        """The training loss within epochs: (epochs passed, mean loss since the point before)."""
        with self.database.reading() as db:
            rows = db.execute("SELECT at, loss FROM points WHERE run = ? ORDER BY at", (run,)).fetchall()
        return [(row["at"], row["loss"]) for row in rows]

    # ---- logs

    def log(self, run: int, lines: int = 200) -> str:
        """The last lines that the run's processes wrote."""
        try:
            with self.log_path(run).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_BYTES))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def log_path(self, run: int) -> Path:
        """The file that the run's processes write to."""
        return supervision.log_folder(self.store.root) / f"{run}.log"

    def open_log(self, entry: Entry) -> TextIO:
        """The same file, open for appending; emptied if the run was never started before."""
        path = self.log_path(entry.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w" if entry.started is None else "a", encoding="utf-8")

    # ---- the supervisor

    def is_waiting(self) -> bool:
        """Whether a run is queued or running, so that a supervisor is needed."""
        with self.database.reading() as db:
            return bool(db.execute("SELECT 1 FROM runs WHERE state IN ('queued', 'running') LIMIT 1").fetchone())

    def reconcile(self, *, patient: bool = True) -> None:
        """Start a supervisor where one is needed and none is alive. Cheap enough to call every second.

        If `patient`, wait a few seconds before replacing a supervisor that ended badly.
        """
        if self.is_waiting() and not supervision.held(self.store.root):
            supervision.start(self.store.root, patient=patient)

    def _in_store(self, spec: RunSpec, light: bool) -> Run | None:
        try:
            return self.store.finished(spec, light)
        except StoreError:
            return None  # damaged, so it is made again

    def _stop(self, run: int, state: Literal["paused", "cancelled"]) -> Entry:
        waits = "('queued')" if state == "paused" else "('queued', 'paused')"
        with self.database.writing() as db:
            db.execute(
                f"UPDATE runs SET state = ?, ended = ?, reason = NULL WHERE id = ? AND state IN {waits}",
                (state, time.time(), run),
            )
            db.execute(
                "UPDATE runs SET wish = ? WHERE id = ? AND state = 'running' AND wish IS NOT 'cancelled'", (state, run)
            )
        self.reconcile()
        return self.entry(run)


def _queued(db: sqlite3.Connection, spec: RunSpec, place: str, light: bool, now: float) -> Any:
    """The id of the live entry of `spec`: a new one, unless there is one."""
    row = db.execute(
        "INSERT INTO runs (key, spec, place, light, state, threads, turn, submitted) "
        # Its unfinished epochs are continued as they were begun.
        "VALUES (?, ?, ?, ?, 'queued', (SELECT threads FROM runs WHERE key = ? ORDER BY id DESC LIMIT 1), "
        f"{NEXT_TURN}, ?) ON CONFLICT (key) WHERE state IN {LIVE} DO NOTHING "
        "RETURNING id",
        (spec.key, json.dumps(spec.to_json()), place, light, spec.key, now),
    ).fetchone()
    if row:
        _check_limit(db)
        return row["id"]
    if not light:
        db.execute(
            "UPDATE runs SET light = 0, wish = CASE state WHEN 'running' THEN coalesce(wish, 'queued') END "
            f"WHERE key = ? AND light = 1 AND state IN {LIVE}",
            (spec.key,),
        )
    return _live(db, spec.key)


def _finished(db: sqlite3.Connection, spec: RunSpec, place: str, stored: Run, now: float) -> Any:
    """The id of the entry of a run that is in the store, whether or not the queue made it."""
    served = "light = 1" if stored.is_light else "TRUE"
    db.execute(
        f"UPDATE runs SET state = 'finished', ended = ? WHERE key = ? AND state IN ('queued', 'paused') AND {served}",
        (now, spec.key),
    )
    row = db.execute(
        "SELECT id FROM runs WHERE key = ? AND state IN ('running', 'finished') ORDER BY id DESC", (spec.key,)
    ).fetchone()
    row = (
        row
        or db.execute(
            "INSERT INTO runs (key, spec, place, light, state, turn, submitted, ended) "
            f"VALUES (?, ?, ?, ?, 'finished', {NEXT_TURN}, ?, ?) RETURNING id",
            (spec.key, json.dumps(spec.to_json()), place, stored.is_light, now, now),
        ).fetchone()
    )
    return row["id"]


def _live(db: sqlite3.Connection, key: str) -> Any:
    row = db.execute(f"SELECT id FROM runs WHERE key = ? AND state IN {LIVE}", (key,)).fetchone()
    return row and row["id"]


def _check_limit(db: sqlite3.Connection) -> None:
    if db.execute("SELECT count(*) FROM runs WHERE state = 'queued'").fetchone()[0] > QUEUED_AT_MOST:
        raise FullError(f"{QUEUED_AT_MOST} runs are queued already: wait for some to finish, or cancel some.")
