"""An attempt at a run: it is made, reported to the queue under the attempt's fence, and told in the run's log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import inf
from statistics import fmean
from typing import Any, TextIO

import torch

from aecore import AecoreError
from aecore.runs import execution
from aecore.runs.events import Finished, Previewed, Restarted, Resumed, Scored
from aecore.runs.execution import Compute
from aecore.scheduling import costs
from aecore.scheduling.entries import GoneError, QueueError, State, SupersededError
from aecore.scheduling.queue import Queue
from aecore.training import devices
from aecore.training.events import EpochEnded, Progress

REPORT = 0.5  # seconds between two reports
STUCK = 1.0  # seconds before what could not be written down is tried again
STEADY = 1.0  # seconds of an epoch below which its speed tells more of its start than of training


class Attempt:
    """One start of a run of the queue; `log` is the run's, open for writing."""

    def __init__(self, queue: Queue, run: int, fence: int, log: TextIO) -> None:
        self.queue, self.entry, self.fence, self._log = queue, queue.entry(run), fence, log

    def make(self, compute: Compute | None = None) -> bool:
        """Make the run, in this process or by `compute`, or write down the reason it cannot be made: then False."""
        spec, name = self.entry.spec, self.entry.device
        try:
            device = torch.device(name) if compute else devices.find_device(name)
            # How fast another machine trains says nothing about this one.
            accelerator = "" if compute else costs.accelerator(name)
            events = execution.execute(spec, store=self.queue.store, device=device, previews=True, compute=compute)
            for event in thinned(events):
                self._record(event, accelerator)
        except (GoneError, SupersededError):
            raise
        except AecoreError as error:
            self.fail(str(error))
            return False
        return True

    def fail(self, reason: str) -> None:
        """It will not be made, for this reason."""
        self.say(reason)
        self._end("failed", reason)

    def say(self, sentence: str) -> None:
        """A line in the run's log."""
        with suppress(OSError):  # the disk may be full
            print(time.strftime("%Y-%m-%d %H:%M:%S"), sentence, file=self._log, flush=True)

    def is_stopped(self) -> bool:
        """Whether it should go on no further."""
        try:
            return self.queue.is_stopped(self.entry.id, self.fence)
        except QueueError:  # the disk may be stuck for a moment
            return False

    def _end(self, state: State, reason: str | None = None) -> None:
        """Write down what became of the run, however long it takes until that can be written."""
        told = ""
        while True:
            try:
                self.queue.end(self.entry.id, self.fence, state, reason)
            except GoneError:
                raise
            except QueueError as error:
                if str(error) != told:
                    self.say(str(error))
                told = str(error)
                time.sleep(STUCK)
            else:
                return

    @contextmanager
    def _report(self) -> Iterator[None]:
        """A report that cannot be written, for want of room on the disk, is made up for by the next one."""
        try:
            yield
        except (GoneError, SupersededError):
            raise
        except QueueError as error:
            self.say(str(error))

    def _record(self, event: Any, accelerator: str) -> None:
        """Report what happened, and write a line an epoch to the log."""
        run, fence, spec, queue = self.entry.id, self.fence, self.entry.spec, self.queue
        match event:
            case Resumed(epoch, damage):
                self.say(f"{damage} Going on after epoch {epoch}.".strip())
            case Restarted(reason):
                self.say(f"{reason} Training starts anew.")
            case Progress():
                self._progress = event
                if event.images < event.images_in_epoch:  # else the epoch is reported with it
                    with self._report():
                        queue.report(run, fence, spec.recipe.epochs, event)
            case EpochEnded(row, state):
                self._history = state.history
                self.say(
                    f"Epoch {row.epoch} of {spec.recipe.epochs}: training loss {row.train_loss:.4g}, validation loss "
                    f"{row.validation_loss:.4g}, {row.images_per_second:,.0f} images/s."
                )
                if accelerator and self._progress.images_in_epoch >= STEADY * row.images_per_second:
                    with self._report():
                        queue.record_speed(spec, self.entry.device, accelerator, row.images_per_second)
            case Previewed(_, png):
                with self._report():
                    queue.report_epoch(run, fence, spec.recipe.epochs, self._progress, self._history, png)
            case Scored(pictures, of):
                with self._report():
                    queue.report_scored(run, fence, pictures / of)
            case Finished(_, cached):
                self._end("finished")
                self.say("It was in the store." if cached else "Finished.")


def make_in_own_process(queue: Queue, run: int, fence: int) -> bool:
    """Make the attempt in this process, which does nothing else, and log to standard output. False where it failed."""
    attempt = Attempt(queue, run, fence, sys.stdout)
    if attempt.entry.device == "cpu":
        devices.keep_freed_memory()
    return attempt.make()


def thinned(events: Iterable[Any]) -> Iterator[Any]:
    """The events of a run with no more than one `Progress` or `Scored` every so often, besides the last ones.

    The loss of a `Progress` is then the mean over those left out.
    """
    told, losses = -inf, list[float]()
    for event in events:
        due = time.monotonic() - told >= REPORT
        match event:
            case Progress(images=images, images_in_epoch=of):
                losses.append(event.loss)
                if not due and images < of:
                    continue
                event, losses, told = replace(event, loss=fmean(losses)), [], time.monotonic()
            case Scored(images, of):
                if not due and images < of:
                    continue
                told = time.monotonic()
        yield event
