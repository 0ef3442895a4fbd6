"""Estimates how many seconds a run will take, from speeds measured here, or roughly from other runs."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from math import ceil, prod
from statistics import median

import numpy as np

from aecore import AecoreError
from aecore.models.recipe import RunSpec
from aecore.runs.store import HISTORY, Run, StoreError
from aecore.scheduling.places import device_name
from aecore.scheduling.queue import Queue
from aecore.scheduling.speeds import Speeds
from aecore.training import machine

FORWARD_SHARE = 1 / 3  # of a training step: the backward pass costs twice the forward one
CALL_SECONDS = 14e-6  # of an operator of torch, whatever it computes: an entropy model calls more than a thousand
BFLOAT16_SHARE = 0.6  # of the time that a multiplication takes in float32: see docs/performance.md


@dataclass(frozen=True)
class Estimate:
    """Seconds of training and validation at `images_per_second`; `source` says where that speed comes from."""

    seconds: float
    images_per_second: float
    source: str
    measured_here: bool


def estimate(spec: RunSpec, device: str | None = None, queue: Queue | None = None, runs: int = 1) -> Estimate | None:
    """How long training `spec` on this machine's `device` (None: the fastest) will take; None if no speed is known.

    With several `runs`, which differ in their seeds, it is the time until the last one has ended. Counts the pictures
    of the data set, which reads it the first time.
    """
    queue, device = queue or Queue(), device_name(device)
    speeds, at_once = Speeds(queue.database), machine.side_by_side(runs) if device == "cpu" else 1
    speed = speeds.find(spec, device, runs)
    if speed is None:  # what is gained by one thread per run is not known, and not promised
        speed = speeds.find(spec, device)
        at_once = machine.at_once_with_usual_threads(runs) if device == "cpu" else 1
    measured, source = speed is not None, "measured here"
    if speed is None:
        rough = rough_speed(spec, device, queue)
        if rough is None:
            return None
        speed, source = rough
    try:
        train, validation = _pictures(spec.dataset, spec.fingerprint)
    except AecoreError:
        return None
    images = min(spec.recipe.images or train, train) + validation * FORWARD_SHARE
    return Estimate(ceil(runs / at_once) * spec.recipe.epochs * images / speed, speed, source, measured)


def measure(spec: RunSpec, device: str | None = None, queue: Queue | None = None, seconds: float = 1.0) -> float:
    """Pictures per second of training on random pictures for about `seconds` after a warm-up; recorded for `estimate`.

    Touches no run. Raises `TrainingError` where the architecture cannot be trained on `device`.
    """
    # Imports torch, which takes a second; `estimate` needs none of it where a speed was measured.
    from aecore.training.speed import images_per_second

    queue, device = queue or Queue(), device_name(device)
    speed = images_per_second(spec, device, seconds)
    Speeds(queue.database).record(spec, device, speed)
    return speed


def per_epoch(spec: RunSpec, pictures: tuple[int, int], queue: Queue | None = None) -> dict[str, Estimate]:
    """How long one epoch takes on every device of which something is known, by the device and its hardware.

    `pictures` are those to train and to validate on. Where no speed was measured it is a rough guess from finished runs
    on the same kind of device. Imports no torch.
    """
    queue = queue or Queue()
    known: dict[str, Estimate] = {}
    measured = Speeds(queue.database).all(spec)
    for (device, hardware), speed in measured.items():
        known[f"{device} ({hardware})"] = of_epoch(pictures, speed, "measured", measured_here=True)
    finished = {_kind(str(run.environment.get("device"))) for run in queue.store.listing().runs}
    for kind in sorted(finished - {_kind(device) for device, _ in measured}):
        if rough := rough_speed(spec, kind, queue):
            known[kind] = of_epoch(pictures, *rough, measured_here=False)
    return known


def of_epoch(pictures: tuple[int, int], images_per_second: float, source: str, *, measured_here: bool) -> Estimate:
    """How long one epoch takes with so many pictures to train and to validate on, at a known speed."""
    train, validation = pictures
    seconds = (train + validation * FORWARD_SHARE) / images_per_second
    return Estimate(seconds, images_per_second, source, measured_here)


def _kind(device: str) -> str:
    """The kind of a device: `cuda` of `cuda:1`."""
    return device.partition(":")[0]


@lru_cache(maxsize=64)
def _pictures(name: str, fingerprint: str) -> tuple[int, int]:
    """How many pictures there are to train and to validate on; `fingerprint` is part of the cache's key."""
    from aecore.data import datasets  # imports torch

    dataset = datasets.load(name)
    return len(dataset.train), len(dataset.validation)


def rough_speed(spec: RunSpec, device: str, queue: Queue) -> tuple[float, str] | None:
    """Pictures per second, from the finished runs on the same kind of device, and a sentence that says so.

    Seconds per picture are fitted by non-negative least squares to what costs time: the multiplications (in bfloat16 on
    a processor `BFLOAT16_SHARE` of them), the weights (Adam updates each once per batch), the numbers that pass between
    layers, and those of the picture, which is gathered and compared. On a CPU the calls of operators come on top, once
    per batch. Errors are relative, since otherwise the largest models alone would decide.
    """
    kind = _kind(device)
    listing = queue.store.listing().runs
    runs = [run for run in listing if _kind(str(run.environment.get("device"))) == kind]
    timed = [(run, seconds) for run in runs if (seconds := seconds_per_picture(run))]
    if not timed:
        return None
    from scipy.optimize import nnls  # takes half a second to import

    causes = np.array([_causes(run.spec, "bfloat16" in str(run.environment.get("dtype")), kind) for run, _ in timed])
    measured = np.array([seconds for _, seconds in timed])
    calls = np.array([_calls(run.spec, kind) for run, _ in timed])
    weights, _ = nnls(causes / measured[:, None], np.maximum(1 - calls / measured, 0))
    predicted = float(weights @ _causes(spec, _would_autocast(spec, kind), kind)) + _calls(spec, kind)
    if predicted <= 0:
        return None
    return 1 / predicted, f"a rough guess from {_counted([run for run, _ in timed], kind)}, not measured here"


def seconds_per_picture(run: Run) -> float | None:
    """The median over the epochs of a finished run; None where its curve is damaged, which the listing reports."""
    try:
        rows = csv.DictReader(StringIO(run.read(HISTORY).decode()))
        return 1 / median(float(row["images_per_second"]) for row in rows)
    except (StoreError, ArithmeticError, ValueError, KeyError):
        return None


def _would_autocast(spec: RunSpec, kind: str) -> bool:
    """Whether a model would train in bfloat16 on this machine."""
    if not spec.suits_bfloat16:
        return False
    import torch  # takes a second: only large models wait for it

    from aecore.training import devices

    return devices.autocasts(spec, torch.device(kind))


def _causes(spec: RunSpec, bfloat16: bool, kind: str) -> list[float]:
    """What costs time, each in units of about a microsecond on one core, so that the fit is well conditioned."""
    architecture = spec.architecture
    share = BFLOAT16_SHARE if bfloat16 and kind == "cpu" else 1
    macs = sum(step.layer.training_macs(step.input_shape) for step in architecture.steps)
    passed = sum(step.layer.training_outputs(step.input_shape) for step in architecture.steps)
    picture = prod(architecture.input_shape)
    return [
        share * macs / 1e6,
        architecture.parameters / spec.recipe.batch_size / 1e3,
        passed / 1e3,
        picture / 1e3,
    ]


def _calls(spec: RunSpec, kind: str) -> float:
    """Seconds per picture in which a processor calls operators; a GPU computes meanwhile."""
    calls = sum(step.layer.training_calls(step.input_shape) for step in spec.architecture.steps)
    return calls * CALL_SECONDS / spec.recipe.batch_size if kind == "cpu" else 0


def _counted(runs: Sequence[Run], kind: str) -> str:
    text = f"{len(runs)} finished run{'s' if len(runs) > 1 else ''}"
    if kind != "cpu":
        names = sorted({str(run.environment.get("accelerator")) for run in runs})
        return f"{text} on {', '.join(names)}"
    cores = sorted({int(run.environment.get("cores", 1)) for run in runs})
    return f"{text} on {' or '.join(map(str, cores))} CPU cores"
