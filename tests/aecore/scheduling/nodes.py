"""A real Ray cluster on this machine, of nodes with one core each, for the tests and `benchmarks/cluster.py`.

It runs in a process of its own, since Ray takes its settings from the environment once and for all.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

MEMORY = 256 << 20  # bytes of the object store of a node
ROOT = Path(__file__).parents[3]
SETTINGS = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # listen at 127.0.0.1 alone
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
}


class Nodes:
    """A running cluster."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = self._answer()

    def kill(self) -> None:
        """kill -9 a node that is not the head, with all that runs on it."""
        self._ask("kill")

    def add(self) -> None:
        """Start another node."""
        self._ask("add")

    def _ask(self, what: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline().strip()
        assert answer, "the cluster did not start"
        return answer


@contextmanager
def started(count: int, environment: Mapping[str, str] | None = None) -> Iterator[Nodes]:
    """A cluster of so many nodes; its processes get `environment` added."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.aecore.scheduling.nodes", str(count)],
        cwd=ROOT,
        env=os.environ | SETTINGS | dict(environment or {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield Nodes(process)
    finally:
        process.communicate()  # the end of its standard input


def _main(count: int) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Ray prints is no answer
    facts = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": MEMORY, "include_dashboard": False}
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        # Ray writes the cluster's address there, into a folder `ray` that it does not make itself.
        os.environ["RAY_TMPDIR"] = folder
        temporary = Path(folder, "ray")
        temporary.mkdir()
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args=facts | {"temp_dir": str(temporary)})
        try:
            more = [cluster.add_node(**facts) for _ in range(count - 1)]
            print(cluster.address, file=answers, flush=True)
            for line in sys.stdin:
                if line.strip() == "kill":
                    cluster.remove_node(more.pop(), allow_graceful=False)
                else:
                    more.append(cluster.add_node(**facts))
                print("done", file=answers, flush=True)
        finally:
            cluster.shutdown()


if __name__ == "__main__":
    _main(int(sys.argv[1]))
