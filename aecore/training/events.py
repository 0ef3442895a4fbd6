"""The events that training yields, and the errors that it raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from aecore import AecoreError

if TYPE_CHECKING:
    from torch import Tensor  # importing it takes seconds, which the queue's readers need not wait for


class TrainingError(AecoreError):
    """Training cannot start or continue; the message says where and why."""


class NotFiniteError(TrainingError):
    """The loss became infinite or NaN at `epoch` (from 1) and `step` (from 1) of that epoch."""

    def __init__(self, epoch: int, step: int) -> None:
        super().__init__(
            f"The loss stopped being finite in epoch {epoch} at step {step}; "
            + (
                f"the weights after epoch {epoch - 1} are kept. "
                if epoch > 1
                else "there is no earlier epoch to keep. "
            )
            + "A smaller learning rate usually helps."
        )
        self.epoch, self.step = epoch, step


@dataclass(frozen=True)
class Epoch:
    """One row of the loss curve.

    Losses are the recipe's, without penalties; `terms` holds the mean of each unweighted penalty over the training
    pictures. `seconds` is the time since the start of the run: initialisation, training and validation.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    validation_mse: float
    images_per_second: float
    seconds: float
    terms: Mapping[str, float] = field(default_factory=dict)

    def columns(self) -> dict[str, float]:
        """The row as a dictionary, with one further column per penalty."""
        values = asdict(self)
        terms: dict[str, float] = values.pop("terms")
        return values | terms


@dataclass(frozen=True)
class State:
    """Everything that training needs to resume after `epoch`: weights, Adam's moments and the curve so far.

    If the recipe averages, `weights` are the average, and training goes on from `unaveraged`; otherwise that is empty.
    """

    epoch: int
    weights: dict[str, Tensor]
    optimiser: dict[str, Tensor]
    history: tuple[Epoch, ...] = ()
    unaveraged: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """Progress within an epoch: pictures seen so far, and the mean loss and penalties since the last report."""

    epoch: int
    images: int
    images_in_epoch: int
    loss: float
    images_per_second: float
    seconds_left: float
    terms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EpochEnded:
    """An epoch has ended; `state` can be stored and passed to `train` to resume."""

    row: Epoch
    state: State = field(repr=False)


Event = Progress | EpochEnded
