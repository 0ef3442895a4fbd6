"""What the queue holds of a run that was asked for, and what it raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from aecore import AecoreError
from aecore.models.recipe import RunSpec

State = Literal["queued", "running", "paused", "finished", "failed", "cancelled", "interrupted"]


class QueueError(AecoreError):
    """The queue is full, has no such run, or cannot be read or written; the text says which."""


class FullError(QueueError):
    """Too many runs are queued already."""


class GoneError(QueueError):
    """The database was removed."""


class SupersededError(QueueError):
    """A run's process reported after the run was taken from it."""


@dataclass(frozen=True)
class Entry:
    """A run that was asked for. Times are seconds since 1970, losses the recipe's.

    `epoch` (from 1; 0 before training begins) and `images` say where training stands, `scored` which share of the
    test pictures is scored after it, and `whole_epochs` how many epochs are kept whatever happens. `attempt` counts
    the starts since the run was last asked for, `futile` those of them since it got an epoch further, `wish` is
    `paused` or `cancelled` while a running one is being stopped, and `position` is the place in the queue, from 1.
    `cluster` is the address of the Ray cluster that trains it, None for this machine.
    """

    id: int
    spec: RunSpec
    device: str
    cluster: str | None
    state: State
    wish: State | None
    attempt: int
    futile: int
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
    def place(self) -> str:
        """Where it is trained, in words."""
        return f"{self.device} of the Ray cluster at {self.cluster}" if self.cluster else self.device

    @property
    def queued_text(self) -> str:
        """Where it waits, and why it was not started yet or has to start again."""
        return f"queued, number {self.position}" + (f". {self.reason}" if self.reason else "")

    @property
    def live(self) -> bool:
        """Whether it may still go on by itself or be resumed without being queued beside another of its spec."""
        return self.state in ("queued", "running", "paused")


@dataclass(frozen=True)
class EpochRow:
    """A row of the loss curve, as `training.Epoch`, and the preview after it (a PNG) where one is kept."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_mse: float
    images_per_second: float
    seconds: float
    terms: Mapping[str, float]
    preview: bytes | None
