"""What a run will cost before it is launched: seconds, from what was measured here, or else roughly from other runs."""

from __future__ import annotations

import csv
import os
import platform
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from math import prod
from statistics import median
from typing import Any

import numpy as np

from aecore import AecoreError
from aecore.models.recipe import RunSpec
from aecore.runs.store import HISTORY, Run, StoreError
from aecore.scheduling.queue import Queue, device_name

FORWARD_SHARE = 1 / 3  # of a training step: the backward pass costs twice the forward one


@dataclass(frozen=True)
class Estimate:
    """Seconds that a run's training and validation will take, and where the figure comes from, in words."""

    seconds: float
    images_per_second: float
    source: str
    measured_here: bool


def accelerator(device: str) -> str:
    """What computes on `device`, as the key of what was measured: another machine's figures are not this one's."""
    if device.startswith("cuda"):
        import torch  # takes a second to import, and a CPU needs none of it

        return torch.cuda.get_device_name(device)
    return f"{platform.machine()}, {os.cpu_count()} cores"


def estimate(spec: RunSpec, device: str | None = None, queue: Queue | None = None) -> Estimate | None:
    """What training `spec` on `device` (None: the fastest) will take, or None where there is nothing to go by.

    Counts the pictures of the data set, which reads it the first time.
    """
    queue, device = queue or Queue(), device_name(device)
    speed = queue.speed(spec, device, accelerator(device))
    source = "measured here"
    if speed is None:
        rough = _rough(spec, device, queue)
        if rough is None:
            return None
        speed, source = rough
    try:
        train, validation = _pictures(spec.dataset, spec.fingerprint)
    except AecoreError:
        return None
    images = min(spec.recipe.images or train, train) + validation * FORWARD_SHARE
    return Estimate(spec.recipe.epochs * images / speed, speed, source, source == "measured here")


def measure(spec: RunSpec, device: str | None = None, queue: Queue | None = None, seconds: float = 1.0) -> float:
    """Train on random pictures for about `seconds` after a warm-up; pictures a second, kept for `estimate`.

    Touches no run. Raises `TrainingError` where the architecture cannot be trained on `device`.
    """
    # torch takes a second to import, and a page asks for what was measured at every change of a form.
    from aecore.training.speed import images_per_second

    queue, device = queue or Queue(), device_name(device)
    speed = images_per_second(spec, device, seconds)
    queue.record_speed(spec, device, accelerator(device), speed)
    return speed


@lru_cache(maxsize=64)
def _pictures(name: str, fingerprint: str) -> tuple[int, int]:
    """How many pictures there are to train and to validate on."""
    from aecore.data import datasets  # brings torch

    dataset = datasets.load(name)
    return len(dataset.train), len(dataset.validation)


def _rough(spec: RunSpec, device: str, queue: Queue) -> tuple[float, str] | None:
    """Pictures a second from the finished runs on the same kind of device, and a sentence that says so.

    Seconds a picture are fitted by non-negative least squares on what costs time: the multiplications, the weights
    (Adam updates each once a batch), the numbers that pass between layers, and those of the picture, which is gathered
    and compared. Errors are relative, or the largest models alone would decide.
    """
    kind = device.partition(":")[0]
    listing = queue.store.listing().runs
    runs = [run for run in listing if str(run.environment.get("device")).partition(":")[0] == kind]
    timed = [(run, taken) for run in runs if (taken := _seconds_a_picture(run))]
    if not timed:
        return None
    from scipy.optimize import nnls  # takes half a second to import

    causes = np.array([_causes(run.spec) for run, _ in timed])
    seconds = np.array([taken for _, taken in timed])
    weights, _ = nnls(causes / seconds[:, None], np.ones(len(timed)))
    predicted = float(weights @ _causes(spec))
    if predicted <= 0:
        return None
    return 1 / predicted, f"a rough guess from {_counted(timed, kind)}, not measured here"


def _seconds_a_picture(run: Run) -> float | None:
    try:
        rows = csv.DictReader(StringIO(run.read(HISTORY).decode()))
        return 1 / median(float(row["images_per_second"]) for row in rows)
    except (StoreError, ArithmeticError, ValueError, KeyError):
        return None  # damaged, which the listing tells


def _causes(spec: RunSpec) -> list[float]:
    architecture = spec.architecture
    # In units of about a microsecond on a core, so that the fit is well conditioned.
    passed = sum(prod(step.output_shape) for step in architecture.steps)
    picture = prod(architecture.input_shape)
    return [
        architecture.macs / 1e6,
        architecture.parameters / spec.recipe.batch_size / 1e3,
        passed / 1e3,
        picture / 1e3,
    ]


def _counted(timed: list[tuple[Run, Any]], kind: str) -> str:
    runs = f"{len(timed)} finished run{'s' if len(timed) > 1 else ''}"
    if kind != "cpu":
        names = sorted({str(run.environment.get("accelerator")) for run, _ in timed})
        return f"{runs} on {', '.join(names)}"
    cores = sorted({int(run.environment.get("cores", 1)) for run, _ in timed})
    return f"{runs} on {' or '.join(map(str, cores))} CPU cores"
