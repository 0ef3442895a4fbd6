"""Runs on a Ray cluster: each is a task on one CPU or one GPU of some node, and comes back into this store.

Nodes need what `requirements.txt` and `requirements-ray.txt` list; the code and the pictures are sent to them. A task
streams back what happens and, after each epoch, where training stands. A thread of the supervisor writes that down, so
that a run whose node dies goes on from there on another.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

import aecore
from aecore import AecoreError
from aecore.data.splits import Dataset
from aecore.models.recipe import RunSpec
from aecore.runs import execution
from aecore.runs.execution import RunError
from aecore.runs.outcome import Trained
from aecore.scheduling import cluster
from aecore.scheduling.attempts import Attempt, thinned
from aecore.scheduling.cluster import ClusterError
from aecore.scheduling.entries import Entry, GoneError, SupersededError
from aecore.scheduling.queue import MEMORY_RAN_OUT, Queue
from aecore.training.events import State

CONNECT = 3.0  # seconds for an answer of the cluster's head
WATCH = 0.5  # seconds between two looks at what was wished of a run
PROBE = 30.0  # seconds for another process to be turned away by it
RESOURCES = 1.0  # seconds between two looks at what the nodes have
PAUSE = 0.02  # seconds: Ray waits no more where the cluster has just ended
LOST = "Its node, or its process there, was lost."
# Asks the head for its nodes with a token that cannot be the cluster's.
_STRANGER = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1]).get_all_node_info()"


class Cluster:
    """The Ray cluster at `address` (`HOST:PORT`), of which this machine is a node; one a process.

    Raises `ClusterError` where it does not answer, does not accept the token, or accepts any.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        _answers(address)
        if cluster.is_loopback(address):
            # Or else Ray replaces 127.0.0.1 by the address that other machines would use, where nobody listens.
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        import ray

        handler = signal.getsignal(signal.SIGTERM)
        ray.shutdown()  # from a cluster that was in use before
        hosts = _hosts(address)
        if not all(cluster.is_loopback(each) for each in (address, *(f"{host}:0" for host in hosts))):
            _turns_strangers_away(address)
        try:
            ray.init(
                address,
                log_to_driver=False,
                logging_level="error",
                configure_logging=False,
                runtime_env={"py_modules": [str(Path(aecore.__file__).parent)]},
            )
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise ClusterError(f"The Ray cluster at {address} cannot be used: {_first_line(error)}") from None
        finally:
            signal.signal(signal.SIGTERM, handler)  # Ray has put its own there
        self._pictures: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._resources: tuple[float, dict[str, float]] = (0.0, {})

    def slots(self, device: str) -> int:
        """One more than the nodes that are up have CPUs or GPUs, so that whichever is done has the next run waiting.

        Raises `ClusterError` where there is none.
        """
        import ray

        looked, resources = self._resources
        if time.monotonic() - looked > RESOURCES:
            resources = ray.cluster_resources()
            self._resources = time.monotonic(), resources
        share = cluster.SHARES[device]
        if (found := int(resources.get(share, 0))) == 0:
            raise ClusterError(f"The Ray cluster at {self.address} has no {share} now.")
        return found + 1

    def start(self, queue: Queue, entry: Entry, fence: int) -> _Task:
        """Begin an attempt."""
        return _Task(self, queue, entry, fence)

    def put(self, dataset: Dataset) -> Any:
        """A reference to `dataset` in the cluster's memory, where it is put once."""
        import ray

        with self._lock:
            if dataset.fingerprint not in self._pictures:
                self._pictures[dataset.fingerprint] = ray.put(dataset)
            return self._pictures[dataset.fingerprint]


class _Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The attempt was told to go on no further."""


class _Lost(Exception):  # noqa: N818 - the run is not at fault
    """What computed the run is gone; the text says how."""


@dataclass(frozen=True)
class _Placed:
    """The task has begun on this node."""

    node: str


@dataclass(frozen=True)
class _Failed:
    """The run cannot be made, for this reason."""

    reason: str


class _Task:
    """An attempt on a node, and the thread here that waits for it."""

    def __init__(self, place: Cluster, queue: Queue, entry: Entry, fence: int) -> None:
        self.entry, self._queue, self._fence, self._cluster = entry, queue, fence, place
        self._told_to_stop = threading.Event()
        self._write_down: Callable[[], None] = lambda: None
        self._log = queue.open_log(entry)
        self._thread = threading.Thread(target=self._make, name=f"run {entry.id}")
        self._thread.start()

    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        self._told_to_stop.set()

    def settle(self) -> None:
        self._thread.join()
        self._write_down()
        self._log.close()

    def _make(self) -> None:
        queue, run, fence = self._queue, self.entry.id, self._fence
        try:
            self._attempt = Attempt(queue, run, fence, self._log)
            self._attempt.make(self._computed)
        except (GoneError, SupersededError):
            pass  # it is nobody's any more
        except _Stopped:
            self._attempt.say("Stopped. Whole epochs are kept.")
            self._write_down = partial(queue.stopped, run, fence)
        except _Lost as lost:
            self._attempt.say(str(lost))
            self._write_down = partial(queue.lost, run, fence, str(lost))
        except Exception as error:
            traceback.print_exc(file=self._log)
            self._write_down = partial(queue.end, run, fence, "failed", f"It crashed: {_last_line(error)}")

    def _computed(
        self, spec: RunSpec, dataset: Dataset, state: State | None, device: torch.device, half: bool, previews: bool
    ) -> Iterator[Any]:
        """`runs.computed` on a node: the same events."""
        import ray
        from ray.exceptions import OutOfMemoryError, RayError, RayTaskError, TaskCancelledError

        task = ray.remote(_on_node).options(
            num_cpus=1, num_gpus=int(self.entry.device == "cuda"), max_retries=0, name=spec.folder
        )
        self._attempt.say("Sent to the cluster.")
        events = task.remote(spec, self._cluster.put(dataset), state, device, half, previews)
        trained = False
        try:
            while not trained:
                ready, _ = ray.wait([events], timeout=WATCH)
                if self._told_to_stop.is_set() or self._attempt.is_stopped():
                    raise _Stopped
                if not ready:
                    time.sleep(PAUSE)
                    continue
                match ray.get(next(events)):
                    case _Placed(node):
                        self._attempt.say(f"On node {node}.")
                    case _Failed(reason):
                        raise RunError(reason)
                    case event:
                        trained = isinstance(event, Trained)
                        yield event
        except TaskCancelledError:
            raise _Stopped from None
        except RayTaskError as error:
            self._attempt.say(str(error))
            raise RunError(f"It crashed on its node: {_last_line(error)}") from None
        except OutOfMemoryError:
            raise _Lost(MEMORY_RAN_OUT) from None
        except RayError as error:
            self._attempt.say(str(error))
            raise _Lost(LOST) from None
        finally:
            if not trained:  # else its process is kept for the next run
                with suppress(RayError, ValueError):
                    ray.cancel(events, force=True)


def _on_node(
    spec: RunSpec, dataset: Dataset, state: State | None, device: torch.device, half: bool, previews: bool
) -> Iterator[Any]:
    """What a node does."""
    import ray

    yield _Placed(ray.util.get_node_ip_address())
    try:
        yield from thinned(execution.computed(spec, dataset, state, device, half, previews))
    except AecoreError as error:
        yield _Failed(str(error))


def _answers(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT).close()
    except OSError:
        raise ClusterError(
            f"No Ray cluster answers at {address}: start one (`ray start --head`), or correct RAY_ADDRESS."
        ) from None


def _hosts(address: str) -> list[str]:
    """Where the nodes are: others may reach them although we reach the head at 127.0.0.1."""
    import ray._raylet as raylet
    from ray.exceptions import AuthenticationError, RayError

    try:
        nodes = raylet.GcsClient(address=address).get_all_node_info()  # type: ignore[attr-defined]
    except AuthenticationError:
        raise ClusterError(
            f"The Ray cluster at {address} wants its token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or "
            "RAY_AUTH_TOKEN_PATH."
        ) from None
    except RayError as error:
        raise ClusterError(f"What answers at {address} is no Ray cluster: {_first_line(error)}") from None
    return [node.node_manager_address for node in nodes.values()]


def _turns_strangers_away(address: str) -> None:
    """Raise `ClusterError` unless the cluster refuses whoever has not its token."""
    stranger = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        told = subprocess.run(
            [sys.executable, "-c", _STRANGER, address], env=stranger, capture_output=True, text=True, timeout=PROBE
        ).stderr
    except subprocess.TimeoutExpired:
        told = ""
    if "AuthenticationError" not in told:
        raise ClusterError(
            f"The Ray cluster at {address} lets anybody in: start its nodes with RAY_AUTH_MODE=token, or use one at "
            "127.0.0.1."
        )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _last_line(error: Exception) -> str:
    return ([line for line in str(error).splitlines() if line.strip()] or [type(error).__name__])[-1].strip()
