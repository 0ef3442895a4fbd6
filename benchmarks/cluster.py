"""Claim: two nodes of a Ray cluster finish a sweep at least 1.8 times as fast as one, and a node may die on the way.

Ray and the supervisor share the machine's cores with both nodes. On two cores that are also used otherwise, the ratio
is lower.

    python -m benchmarks.cluster

starts clusters of one-core nodes on this machine, gives them the same sweep in turn, and prints the ratio of the times
from the first start to the last end. Then it kills a node in the middle of a sweep.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from aecore.models import zoo
from aecore.runs import execution
from aecore.runs.store import Store
from aecore.scheduling import supervision
from aecore.scheduling.places import Place
from aecore.scheduling.queue import Queue
from tests.aecore.scheduling import nodes

EPOCHS, PICTURES = 6, 2000
SETTLE = 20.0  # seconds for which the processes of a new cluster use the cores
QUEUE_INTERVAL = 1.0  # seconds between two looks at the queue, which use the nodes' cores too


def main() -> None:
    """Measure, and print the times and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=16, metavar="N", help="runs of a sweep (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="sweeps per cluster (default %(default)s)")
    parser.add_argument("--system", default="shallow-maxpool", metavar="NAME")
    options = parser.parse_args()
    taken: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(options.rounds):
        for count, seconds in taken.items():
            with nodes.started(count) as cluster:
                time.sleep(SETTLE)
                seconds.append(sweep(cluster, options.system, options.runs))
                print(f"{count} node{'s' * (count > 1)}: {options.runs} runs in {seconds[-1]:.1f} s", flush=True)
    print(f"two nodes are {median(taken[1]) / median(taken[2]):.2f} times as fast as one")
    with nodes.started(2) as cluster:
        seconds_ = sweep(cluster, options.system, options.runs, kill_after=options.runs // 3)
        print(f"a node killed in the middle: {options.runs} of {options.runs} runs finished in {seconds_:.1f} s")


def sweep(cluster: nodes.Nodes, system: str, count: int, kill_after: int | None = None) -> float:
    """Seconds from the first start to the last end of `count` runs, all of which must finish."""
    with TemporaryDirectory() as folder:
        queue = Queue(Store(Path(folder)))
        for seed in range(count):
            spec = execution.plan(zoo.find(system), dataset="sample", seed=seed, epochs=EPOCHS, images=PICTURES)
            queue.submit(spec, Place("ray", cluster.address, "cpu"))
        entries = queue.entries()
        while any(entry.live for entry in entries):
            finished = sum(entry.state == "finished" for entry in entries)
            if kill_after is not None and finished >= kill_after:
                cluster.kill()
                kill_after = None
            queue.reconcile()
            time.sleep(QUEUE_INTERVAL)
            entries = queue.entries()
        assert all(entry.state == "finished" for entry in entries), [entry.reason for entry in entries]
        assert kill_after is None
        while supervision.held(queue.store.root):
            time.sleep(QUEUE_INTERVAL)
        begun, ended = min(entry.started or 0 for entry in entries), max(entry.ended or 0 for entry in entries)
        return ended - begun


if __name__ == "__main__":
    main()
