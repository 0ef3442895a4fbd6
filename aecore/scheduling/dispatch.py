"""The supervisor's side of the queue: it starts runs and records how their attempts ended.

Only the process that holds the store's lock (`supervision.hold`) may use it.
"""

from __future__ import annotations

import secrets
import time

from aecore.scheduling.database import select_entries
from aecore.scheduling.entries import Entry, EntryState
from aecore.scheduling.queue import Queue
from aecore.scheduling.reports import Report

ATTEMPTS = 3  # how often a run whose process dies is started before it must complete another epoch


class Dispatch:
    """What the supervisor of `queue` does to it. An attempt is named by its run and its fence."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def waiting(self) -> list[Entry]:
        """The queued entries in their order."""
        with self.queue.database.reading() as db:
            return select_entries(db, "WHERE state = 'queued' ORDER BY turn")

    def recover(self) -> None:
        """Settle the runs whose processes died with the previous supervisor, as `lost`."""
        with self.queue.database.reading() as db:
            orphans = db.execute("SELECT id, fence FROM runs WHERE state = 'running'").fetchall()
        for row in orphans:
            self.lost(row["id"], row["fence"], "The process that supervised it was killed.")

    def delay(self, run: int, reason: str) -> None:
        """Record why a queued run is not started yet."""
        with self.queue.database.writing() as db:
            db.execute(
                "UPDATE runs SET reason = ? WHERE id = ? AND state = 'queued' AND reason IS NOT ?",
                (reason, run, reason),
            )

    def start(self, run: int, threads: int) -> int | None:
        """Mark a queued run as running. Returns the attempt's fence, or None if the run is not queued any more."""
        with self.queue.database.writing() as db:
            # Drawn at random: after the database was removed, a count would start again and match old processes.
            row = db.execute(
                "UPDATE runs SET state = 'running', wish = NULL, fence = ?, attempt = attempt + 1, "
                "futile = futile + 1, threads = ?, started = ?, ended = NULL, images_per_second = NULL, "
                "seconds_left = NULL, scored = NULL, reason = NULL WHERE id = ? AND state = 'queued' RETURNING fence",
                (secrets.randbits(62), threads, time.time(), run),
            ).fetchone()
        return row["fence"] if row else None

    def stopped(self, run: int, fence: int) -> None:
        """The attempt stopped on request: because of the entry's wish, or of a signal from outside."""
        wish = self.queue.entry(run).wish
        self.end(run, fence, wish or "interrupted", None if wish else "Its process was stopped from outside.")

    def lost(self, run: int, fence: int, reason: str) -> None:
        """The attempt died without a report: the run is queued again in its old place, or failed after too many."""
        entry = self.queue.entry(run)
        if entry.wish:
            self.end(run, fence, entry.wish)
        elif entry.futile >= ATTEMPTS:
            self.end(run, fence, "failed", f"{reason} It was started {ATTEMPTS} times and got no epoch further.")
        else:
            self.end(run, fence, "queued", reason)

    def end(self, run: int, fence: int, state: EntryState, reason: str | None = None) -> None:
        """As `Report.end`."""
        Report(self.queue, run, fence).end(state, reason)
