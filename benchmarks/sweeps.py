"""Tests the claim that a sweep over seeds on two cores is quicker with one thread per run, as the queue trains it.

    python -m benchmarks.sweeps

trains a system with eight seeds through the queue, twice: all submitted at once, so that runs train side by side with
one thread each, and each submitted when the one before has ended, so that each trains alone with two threads. Both
count the start of the processes and the scoring, as a user waits for both. The two take turns.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, sleep

from aecore.models import zoo
from aecore.models.recipe import RunSpec
from aecore.runs import execution
from aecore.runs.store import Store
from aecore.scheduling.places import Place
from aecore.scheduling.queue import Queue
from aecore.training import machine

INTERVAL = 0.1  # seconds between two looks at the queue


def seconds(specs: Sequence[RunSpec], *, at_once: bool) -> float:
    """How long the runs take in a store of their own."""
    with TemporaryDirectory() as folder:
        queue, started = Queue(Store(Path(folder))), perf_counter()
        for group in [specs] if at_once else [[spec] for spec in specs]:
            for spec in group:
                queue.submit(spec, Place.here("cpu"))
            while any(entry.live for entry in queue.entries()):
                sleep(INTERVAL)
        states = [entry.state for entry in queue.entries()]
        if states != ["finished"] * len(specs):
            raise SystemExit(f"Runs ended as {', '.join(states)}: nothing is measured.")
        return perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--system", default="shallow-strided", help="a system of the zoo (default shallow-strided)")
    parser.add_argument("--seeds", type=int, default=8, help="how many runs (default 8)")
    parser.add_argument("--epochs", type=int, default=1, help="epochs of each (default 1)")
    parser.add_argument("--images", type=int, default=9000, help="training pictures of each (default 9,000)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of both (default 3)")
    options = parser.parse_args()
    start = zoo.find(options.system)
    specs = [
        execution.plan(start, seed=seed, epochs=options.epochs, images=options.images) for seed in range(options.seeds)
    ]
    print(
        f"{options.seeds} runs of {options.system}, {options.epochs} × {options.images:,} pictures, "
        f"{machine.side_by_side(options.seeds)} side by side on {machine.cores_text()}"
    )
    ratios = []
    for _ in range(options.rounds):
        alone, together = (seconds(specs, at_once=at_once) for at_once in (False, True))
        ratios.append(alone / together)
        print(f"one after another {alone:.1f} s, side by side {together:.1f} s: {ratios[-1]:.2f} times as fast")
    print(f"median {median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})")


if __name__ == "__main__":
    main()
