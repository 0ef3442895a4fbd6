"""An attempt at a run: it executes the run, reports to the queue and writes the run's log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from math import inf
from statistics import fmean
from typing import Any, TextIO

import torch

from aecore import AecoreError
from aecore.files import allocator
from aecore.runs import execution
from aecore.runs.events import Finished, Previewed, Restarted, Resumed, Scored
from aecore.runs.execution import Compute
from aecore.scheduling.database import RETRY_DELAY
from aecore.scheduling.entries import EntryState, GoneError, QueueError, SupersededError
from aecore.scheduling.queue import Queue
from aecore.scheduling.reports import Report
from aecore.scheduling.speeds import Speeds
from aecore.training import devices, machine
from aecore.training.events import Epoch, EpochEnded, Progress

WITH_PREVIEWS: Compute = partial(execution.computed, previews=True)
REPORT_INTERVAL = 0.5  # seconds
SHORTEST_MEASURED = 1.0  # seconds; the speed of a shorter epoch says more about its start than about training


class Attempt:
    """One start of a run of the queue; `log` is the run's log, open for writing."""

    def __init__(self, queue: Queue, run: int, fence: int, log: TextIO) -> None:
        self.entry = queue.entry(run)
        self._store, self._log = queue.store, log
        self._report, self._speeds = Report(queue, run, fence), Speeds(queue.database)
        # The end of an epoch is reported with its preview: these wait for it.
        self._progress: Progress | None = None
        self._history: tuple[Epoch, ...] = ()

    def make(self, compute: Compute | None = None) -> bool:
        """Execute the run, in this process unless `compute` does it elsewhere.

        False where the run cannot be made; the reason is reported then.
        """
        spec, name = self.entry.spec, self.entry.place.device
        try:
            device = torch.device(name) if compute else devices.find_device(name)
            events = execution.execute(
                spec,
                store=self._store,
                device=device,
                light=self.entry.light,
                compute=compute or WITH_PREVIEWS,
            )
            for event in thinned(events):
                self._record(event, is_here=compute is None)
        except (GoneError, SupersededError):
            raise
        except AecoreError as error:
            self.fail(str(error))
            return False
        return True

    def fail(self, reason: str) -> None:
        """Report that the run cannot be made."""
        self.say(reason)
        self._end("failed", reason)

    def say(self, sentence: str) -> None:
        """Write a line to the run's log."""
        with suppress(OSError):  # the disk may be full
            print(time.strftime("%Y-%m-%d %H:%M:%S"), sentence, file=self._log, flush=True)

    def is_stopped(self) -> bool:
        """Whether the attempt should stop."""
        try:
            return self._report.is_stopped()
        except QueueError:  # the disk may be stuck for a moment
            return False

    def _end(self, state: EntryState, reason: str | None = None) -> None:
        """Report how the attempt ended, again and again until that can be written."""
        message = ""
        while True:
            try:
                self._report.end(state, reason)
            except GoneError:
                raise
            except QueueError as error:
                if str(error) != message:
                    self.say(str(error))
                message = str(error)
                time.sleep(RETRY_DELAY)
            else:
                return

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """A report that cannot be written because the disk is full is logged: the next one makes up for it."""
        try:
            yield
        except (GoneError, SupersededError):
            raise
        except QueueError as error:
            self.say(str(error))

    def _record(self, event: Any, is_here: bool) -> None:
        """Report an event, and log it where it is an epoch's end or rarer."""
        match event:
            case Resumed(epoch, damage):
                self.say(f"{damage} Going on after epoch {epoch}.".strip())
            case Restarted(reason):
                self.say(f"{reason} Training starts again.")
            case Progress():
                self._progress = event
                if event.images < event.images_in_epoch:  # else it is reported with the epoch
                    with self._reporting():
                        self._report.progress(event)
            case EpochEnded(row, state):
                self._history = state.history
                self._record_epoch(row, is_here)
            case Previewed(_, png):
                with self._reporting():
                    self._report.epoch(self._last_progress(), self._history, png)
            case Scored(pictures, of):
                with self._reporting():
                    self._report.scored(pictures / of)
            case Finished(_, cached):
                self._end("finished")
                self.say("It was in the store." if cached else "Finished.")

    def _record_epoch(self, row: Epoch, is_here: bool) -> None:
        spec, rate = self.entry.spec, row.images_per_second
        self.say(
            f"Epoch {row.epoch} of {spec.recipe.epochs}: training loss {row.train_loss:.4g}, validation loss "
            f"{row.validation_loss:.4g}, {rate:,.0f} images/s."
        )
        # How fast another machine trains says nothing about this one.
        if is_here and self._last_progress().images_in_epoch >= SHORTEST_MEASURED * rate:
            device = self.entry.place.device
            # With one thread although it would have more alone: others train beside it.
            shares = device == "cpu" and torch.get_num_threads() < machine.run_threads()
            with self._reporting():
                self._speeds.record(spec, device, rate, runs=machine.cores() if shares else 1)

    def _last_progress(self) -> Progress:
        assert self._progress is not None, "an epoch has at least one step"
        return self._progress


def make_in_own_process(queue: Queue, run: int, fence: int) -> bool:
    """Make the attempt in this process, which does nothing else, and log to standard output. False where it failed."""
    attempt = Attempt(queue, run, fence, sys.stdout)
    if attempt.entry.place.device == "cpu":
        allocator.keep_freed_memory()
    return attempt.make()


def thinned(events: Iterable[Any]) -> Iterator[Any]:
    """A run's events without the `Progress` and `Scored` that follow another one too soon; the last of each stays.

    The loss of a `Progress` becomes the mean over those left out before it.
    """
    reported, losses = -inf, list[float]()
    for event in events:
        due = time.monotonic() - reported >= REPORT_INTERVAL
        match event:
            case Progress(images=images, images_in_epoch=of):
                losses.append(event.loss)
                if not due and images < of:
                    continue
                event, losses, reported = replace(event, loss=fmean(losses)), [], time.monotonic()
            case Scored(images, of):
                if not due and images < of:
                    continue
                reported = time.monotonic()
        yield event
