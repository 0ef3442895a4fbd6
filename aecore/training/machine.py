"""What of this machine a process may use: the limits of its affinity and of its control group, as in a container.

Imports no torch.
"""

from __future__ import annotations

import os
from contextlib import suppress
from math import ceil
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")  # where a container sees its own group
RUN_MEMORY = 3 << 29  # bytes per run on the CPU: the published systems on CIFAR-10 take 1.4 to 1.5 GB


def cores() -> int:
    """The CPU cores that this process may use, at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share, period = _quota()
    return max(1, min(allowed, ceil(share / period))) if share > 0 and period > 0 else allowed


def cores_text() -> str:
    """The same in words: `2 cores`."""
    return f"{cores()} core{'s' * (cores() > 1)}"


def memory() -> int:
    """The bytes of memory that this process may use, whether they are free or not."""
    limits = [_number(CGROUP / "memory.max"), _number(CGROUP / "memory/memory.limit_in_bytes")]
    return int(min([psutil.virtual_memory().total, *filter(None, limits)]))


def runs_in_memory() -> int:
    """How many runs on the CPU fit into memory side by side."""
    return memory() // RUN_MEMORY


def side_by_side(runs: int) -> int:
    """How many of so many runs on the CPU train at once."""
    return max(1, min(runs, cores() // run_threads(runs), runs_in_memory()))


def at_once_with_usual_threads(runs: int) -> int:
    """The same if each had as many threads as a run that is alone."""
    return max(1, min(runs, cores() // run_threads(), runs_in_memory()))


def run_threads(runs: int = 1) -> int:
    """Threads of each of so many runs on the CPU that wait for their turn.

    A run has two, or more where memory is short for many runs. Runs of one thread side by side finish sooner than runs
    of two one after another, so where there are more runs than fit with two threads, each has one.
    """
    pairs = max(1, min(cores() // 2, runs_in_memory()))
    return max(1, cores() // pairs) if runs <= pairs or runs_in_memory() < cores() else 1


def _quota() -> tuple[float, float]:
    """How much of a period the control group may compute, summed over all cores; zeros where there is no limit."""
    with suppress(OSError, ValueError):
        share, period = (CGROUP / "cpu.max").read_text().split()
        return float(share), float(period)  # "max" is no number
    return _number(CGROUP / "cpu/cpu.cfs_quota_us"), _number(CGROUP / "cpu/cpu.cfs_period_us")


def _number(file: Path) -> float:
    """The number in a file; 0 where there is none."""
    with suppress(OSError, ValueError):
        return float(file.read_text())
    return 0
