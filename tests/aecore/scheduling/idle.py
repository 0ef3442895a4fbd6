"""A queue whose supervisor is the test itself, and what the tests of the queue's sides do to it."""

from pathlib import Path
from typing import Any

from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.scheduling.dispatch import Dispatch
from aecore.scheduling.places import Place
from aecore.scheduling.queue import Queue
from aecore.scheduling.reports import Report
from aecore.training.events import Epoch, Progress

CPU = Place.here("cpu")
ROOT = Path(__file__).parents[3]
TINY = Architecture.parse("conv2:k1 | conv3:k1:sigmoid")


def spec_of(seed: int = 0, **recipe: Any) -> RunSpec:
    return RunSpec(TINY, Recipe(**({"epochs": 4} | recipe)), "sample", "0" * 64, seed)


def submit(queue: Queue, seed: int = 0, **recipe: Any) -> int:
    return queue.submit(spec_of(seed, **recipe), CPU).id


def start(queue: Queue, run: int) -> int:
    fence = Dispatch(queue).start(run, 1)
    assert fence is not None
    return fence


def progress(epoch: int, images: int = 100, loss: float = 0.5) -> Progress:
    return Progress(epoch, images, 100, loss, 1000.0, 3.0)


def history(epochs: int) -> tuple[Epoch, ...]:
    return tuple(Epoch(epoch, 1 / epoch, 2 / epoch, 3 / epoch, 1000.0, float(epoch)) for epoch in range(1, epochs + 1))


def report_epoch(queue: Queue, run: int, fence: int, epoch: int) -> None:
    Report(queue, run, fence).epoch(progress(epoch), history(epoch), b"after %d" % epoch)
