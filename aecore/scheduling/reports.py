"""The reports of a run's process to the queue.

An attempt is identified by its `fence`, a number drawn at its start. Reports of an attempt that is no longer the run's
current one do not count.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from aecore.scheduling.entries import EntryState, SupersededError
from aecore.scheduling.queue import Queue

if TYPE_CHECKING:
    from aecore.training.events import Epoch, Progress

POINTS_AT_MOST = 600  # of the loss within epochs, spread evenly over the run
FIRST_PREVIEWS, LATER_PREVIEWS = 8, 31  # with the last one, at most forty


class Report:
    """The reports of one attempt at a run of `queue`. Raises `SupersededError` where it is not the current one."""

    def __init__(self, queue: Queue, run: int, fence: int) -> None:
        self._queue, self._run, self._fence = queue, run, fence

    def is_stopped(self) -> bool:
        """Whether the attempt should stop."""
        with self._queue.database.reading() as db:
            row = db.execute(
                "SELECT 1 FROM runs WHERE id = ? AND fence = ? AND state = 'running' AND wish IS NULL",
                (self._run, self._fence),
            ).fetchone()
        return row is None

    def progress(self, progress: Progress) -> None:
        """Where training stands."""
        with self._standing(progress):
            pass

    def epoch(self, progress: Progress, history: tuple[Epoch, ...], preview: bytes) -> None:
        """Where training stands at the end of an epoch, the curve up to it and the preview after it."""
        run, last = self._run, history[-1].epoch
        with self._standing(progress) as db:
            stored = db.execute("SELECT coalesce(max(epoch), 0) AS epoch FROM epochs WHERE run = ?", (run,)).fetchone()
            # More than one row where the run continues after epochs that another entry of its spec has trained.
            db.executemany(
                "INSERT INTO epochs (run, epoch, train_loss, validation_loss, validation_mse, images_per_second, "
                "seconds, terms) VALUES (:run, :epoch, :train_loss, :validation_loss, :validation_mse, "
                ":images_per_second, :seconds, :terms)",
                [
                    asdict(row) | {"run": run, "terms": json.dumps(dict(row.terms))}
                    for row in history[stored["epoch"] :]
                ],
            )
            db.execute("UPDATE epochs SET preview = ? WHERE run = ? AND epoch = ?", (preview, run, last))
            db.execute("UPDATE runs SET futile = 0 WHERE id = ?", (run,))
            if not keeps_preview(last - 1, self._epochs):
                db.execute("UPDATE epochs SET preview = NULL WHERE run = ? AND epoch = ?", (run, last - 1))

    def scored(self, share: float) -> None:
        """Training is over, and this share of the test pictures is scored."""
        with self._current(scored=share, seconds_left=None):
            pass

    def end(self, state: EntryState, reason: str | None = None) -> None:
        """Record how the attempt ended. Only the first call of the current attempt counts.

        A run is queued again if it finished without its weights just after they were asked for.
        """
        with self._queue.database.writing() as db:
            if state == "finished" and self._wish(db) == "queued":
                state = "queued"
            ended = None if state == "queued" else time.time()
            db.execute(
                "UPDATE runs SET state = ?, reason = ?, ended = ?, wish = NULL, seconds_left = NULL "
                "WHERE id = ? AND fence = ? AND state = 'running'",
                (state, reason, ended, self._run, self._fence),
            )

    def _wish(self, db: sqlite3.Connection) -> Any:
        row = db.execute("SELECT wish FROM runs WHERE id = ? AND fence = ?", (self._run, self._fence)).fetchone()
        return row and row["wish"]

    @cached_property
    def _epochs(self) -> int:
        """The epochs of the whole run."""
        return self._queue.entry(self._run).spec.recipe.epochs

    @contextmanager
    def _current(self, **values: Any) -> Iterator[sqlite3.Connection]:
        """A transaction that sets these columns of the run, if this attempt is its current one."""
        with self._queue.database.writing() as db:
            changes = ", ".join(f"{name} = :{name}" for name in values)
            changed = db.execute(
                f"UPDATE runs SET {changes} WHERE id = :run AND fence = :fence AND state = 'running'",
                values | {"run": self._run, "fence": self._fence},
            )
            if not changed.rowcount:
                raise SupersededError(f"Run {self._run} is no longer this process's to report on.")
            yield db

    @contextmanager
    def _standing(self, progress: Progress) -> Iterator[sqlite3.Connection]:
        at = progress.epoch - 1 + progress.images / progress.images_in_epoch
        with self._current(
            epoch=progress.epoch,
            images=progress.images,
            images_in_epoch=progress.images_in_epoch,
            images_per_second=progress.images_per_second,
            seconds_left=progress.seconds_left,
            loss=progress.loss,
        ) as db:
            # Anything further ahead is from an attempt that was lost before it completed its epoch.
            db.execute("DELETE FROM epochs WHERE run = ? AND epoch >= ?", (self._run, progress.epoch))
            db.execute("DELETE FROM points WHERE run = ? AND at > ?", (self._run, at))
            place = min(int(at / self._epochs * POINTS_AT_MOST), POINTS_AT_MOST - 1)
            db.execute("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?)", (self._run, place, at, progress.loss))
            yield db


def keeps_preview(epoch: int, epochs: int) -> bool:
    """Whether the preview after `epoch` outlives the next one: the first few do, then some evenly spread."""
    return epoch <= FIRST_PREVIEWS or epoch % math.ceil(epochs / LATER_PREVIEWS) == 0
