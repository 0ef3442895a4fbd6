"""The entries of the queue, and the errors that it raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aecore import AecoreError
from aecore.models.recipe import RunSpec
from aecore.scheduling.places import Place
from aecore.training.events import Epoch

EntryState = Literal["queued", "running", "paused", "finished", "failed", "cancelled", "interrupted"]


class QueueError(AecoreError):
    """The queue is full, has no such run, or cannot be read or written; the text says which."""


class FullError(QueueError):
    """Too many runs are queued already."""


class GoneError(QueueError):
    """The run was removed, or the whole database."""


class SupersededError(QueueError):
    """The attempt that reports is not the run's current one."""


@dataclass(frozen=True)
class Entry:
    """A requested run. Times are seconds since 1970; losses are the recipe's.

    A `light` run is stored without its weights. While a running one is being stopped, `wish` is the state that it
    should end in: `paused`, `cancelled`, or `queued` to start again. `attempt` counts the starts since the run was last
    requested, `futile` those among them since it last completed an epoch. `threads` is how many it was started with on
    a CPU; None before its first start.

    `epoch` (from 1; 0 before training begins) and `images` say where training stands, and `scored` which share of the
    test pictures is scored. `whole_epochs` counts the epochs that are kept whatever happens. `position` is the place
    in the queue, from 1.
    """

    id: int
    spec: RunSpec
    place: Place
    light: bool
    state: EntryState
    wish: EntryState | None
    attempt: int
    futile: int
    threads: int | None
    reason: str | None
    submitted: float
    started: float | None
    ended: float | None
    epoch: int
    images: int
    images_in_epoch: int | None
    images_per_second: float | None
    seconds_left: float | None
    loss: float | None
    scored: float | None
    whole_epochs: int
    position: int | None

    @property
    def queued_text(self) -> str:
        """Its place in the queue, and why it was not started yet or must start again."""
        return f"queued, number {self.position}" + (f". {self.reason}" if self.reason else "")

    @property
    def live(self) -> bool:
        """Whether it is queued, running or paused. A spec has one live entry at most."""
        return self.state in ("queued", "running", "paused")


@dataclass(frozen=True)
class EpochRow(Epoch):
    """A row of the loss curve, and the preview after it (a PNG) where one is kept."""

    preview: bytes | None = None
