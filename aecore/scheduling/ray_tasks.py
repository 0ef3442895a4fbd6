"""Runs on a Ray cluster: each is a task on one CPU or one GPU of some node, and its results return to this store.

Nodes need what `requirements.txt` and `requirements-ray.txt` list; the code and the pictures are sent to them. A task
streams back its events, which include the state of training after each epoch. A thread of the supervisor stores them,
so that a run whose node dies continues from there on another.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import _raylet as raylet
from ray.exceptions import AuthenticationError, OutOfMemoryError, RayError, RayTaskError, TaskCancelledError

import aecore
from aecore import AecoreError
from aecore.data.splits import Dataset
from aecore.files.allocator import keep_freed_memory
from aecore.runs import execution
from aecore.runs.execution import Order, RunError
from aecore.runs.outcome import Trained
from aecore.scheduling.attempts import Attempt, thinned
from aecore.scheduling.dispatch import Dispatch
from aecore.scheduling.engines import MEMORY_RAN_OUT
from aecore.scheduling.entries import Entry, GoneError, SupersededError
from aecore.scheduling.places import PlaceError
from aecore.scheduling.ray_address import is_loopback

SHARES = {"cpu": "CPU", "cuda": "GPU"}  # the Ray resource that a run takes one of, by its device
WISH_INTERVAL = 0.5  # seconds between two looks at whether a run should stop
PROBE_TIMEOUT = 30.0  # seconds for another process to be refused by the cluster
RESOURCES_INTERVAL = 1.0  # seconds between two looks at what the nodes have
PAUSE = 0.02  # seconds: when the cluster has just ended, `ray.wait` returns at once instead of waiting
LOST = "Its node, or its process there, was lost."
# Asks the head for its nodes with a token that cannot be the cluster's.
_STRANGER = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1]).get_all_node_info()"


class Cluster:
    """The Ray cluster at `address` (`HOST:PORT`), of which this machine is a node. A process has one at a time.

    Raises `PlaceError` where it does not accept the token, accepts any token, or cannot be used otherwise.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        handler = signal.getsignal(signal.SIGTERM)
        ray.shutdown()  # from the cluster that was in use before
        addresses = (address, *(f"{host}:0" for host in node_hosts(address)))
        if not all(map(is_loopback, addresses)):
            check_refuses_strangers(address)
        try:
            ray.init(
                address,
                log_to_driver=False,
                logging_level="error",
                configure_logging=False,
                runtime_env={"py_modules": [str(Path(aecore.__file__).parent)]},
            )
        except (OSError, RuntimeError, ValueError, RayError) as error:
            raise PlaceError(f"The Ray cluster at {address} cannot be used: {_first_line(error)}") from None
        finally:
            signal.signal(signal.SIGTERM, handler)  # Ray has replaced it
        self._pictures: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._resources: tuple[float, dict[str, float]] = (0.0, {})

    def threads(self, entry: Entry, running: Sequence[Entry], waiting: int) -> int:
        """1 while fewer runs are there than `slots`: a node gives each run one of its CPUs or GPUs."""
        return int(len(running) < self.slots(entry.place.device))

    def slots(self, device: str) -> int:
        """One more than the nodes that are up have CPUs or GPUs: whichever is free first has the next run waiting.

        Raises `PlaceError` where there is none.
        """
        looked, resources = self._resources
        if time.monotonic() - looked > RESOURCES_INTERVAL:
            resources = ray.cluster_resources()
            self._resources = time.monotonic(), resources
        share = SHARES[device]
        if (count := int(resources.get(share, 0))) == 0:
            raise PlaceError(f"The Ray cluster at {self.address} has no {share} now.")
        return count + 1

    def start(self, dispatch: Dispatch, entry: Entry, fence: int) -> _Task:
        """Begin an attempt."""
        return _Task(self, dispatch, entry, fence)

    def put(self, dataset: Dataset) -> Any:
        """A reference to `dataset` in the cluster's memory, where it is put once with all its pictures.

        Raises `DatasetError` where they cannot be read.
        """
        with self._lock:
            if dataset.fingerprint not in self._pictures:
                _ = dataset.train, dataset.test  # read here: a node need not have the files
                self._pictures[dataset.fingerprint] = ray.put(dataset)
            return self._pictures[dataset.fingerprint]


class _Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The attempt should stop."""


class _Lost(Exception):  # noqa: N818 - the run is not at fault
    """The task is gone with its node or process; the text says how."""


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

    def __init__(self, cluster: Cluster, dispatch: Dispatch, entry: Entry, fence: int) -> None:
        self.entry, self._dispatch, self._fence, self._cluster = entry, dispatch, fence, cluster
        self._stop_asked = threading.Event()
        self._record_end: Callable[[], None] = lambda: None
        self._log = dispatch.queue.open_log(entry)
        self._thread = threading.Thread(target=self._make, name=f"run {entry.id}")
        self._thread.start()

    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        self._stop_asked.set()

    def settle(self) -> None:
        self._thread.join()
        self._record_end()
        with suppress(OSError):  # the disk may be full
            self._log.close()

    def _make(self) -> None:
        dispatch, run, fence = self._dispatch, self.entry.id, self._fence
        try:
            self._attempt = Attempt(dispatch.queue, run, fence, self._log)
            self._attempt.make(self._computed)
        except (GoneError, SupersededError):
            pass  # the run is no longer this attempt's
        except _Stopped:
            self._attempt.say("Stopped. Whole epochs are kept.")
            self._record_end = partial(dispatch.stopped, run, fence)
        except _Lost as lost:
            self._attempt.say(str(lost))
            self._record_end = partial(dispatch.lost, run, fence, str(lost))
        except Exception as error:
            self._record_end = partial(dispatch.end, run, fence, "failed", f"It crashed: {_last_line(error)}")
            with suppress(OSError):
                traceback.print_exc(file=self._log)

    def _computed(self, order: Order) -> Iterator[Any]:
        """`execution.computed` on a node: the same events."""
        task = ray.remote(_on_node).options(
            num_cpus=1, num_gpus=int(self.entry.place.device == "cuda"), max_retries=0, name=order.spec.folder
        )
        self._attempt.say("Sent to the cluster.")
        # Ray replaces a reference by what it refers to only where it is an argument itself, so the order goes in parts.
        events = task.remote(**vars(order) | {"dataset": self._cluster.put(order.dataset)})
        trained = False
        try:
            while not trained:
                if (event := self._next(events)) is not None:
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
            if not trained:  # else Ray keeps its process for the next run
                with suppress(RayError, ValueError):
                    ray.cancel(events, force=True)

    def _next(self, events: Any) -> Any:
        """The next event of a task; None if there is none yet, or it was not the run's."""
        ready, _ = ray.wait([events], timeout=WISH_INTERVAL)
        if self._stop_asked.is_set() or self._attempt.is_stopped():
            raise _Stopped
        if not ready:
            time.sleep(PAUSE)
            return None
        match ray.get(next(events)):
            case _Placed(node):
                self._attempt.say(f"On node {node}.")
                return None
            case _Failed(reason):
                raise RunError(reason)
            case event:
                return event


def _on_node(**order: Any) -> Iterator[Any]:
    """What a node does with the fields of an `Order`."""
    yield _Placed(ray.util.get_node_ip_address())
    if order["device"].type == "cpu":
        keep_freed_memory()  # Ray gives this process nothing but runs to do
    try:
        yield from thinned(execution.computed(Order(**order), previews=True))
    except AecoreError as error:
        yield _Failed(str(error))


def node_hosts(address: str) -> list[str]:
    """The hosts of the cluster's nodes. Others may reach them even if this machine reaches the head at 127.0.0.1."""
    try:
        nodes = raylet.GcsClient(address=address).get_all_node_info()  # type: ignore[attr-defined]
    except AuthenticationError:
        raise PlaceError(
            f"The Ray cluster at {address} wants its token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or "
            "RAY_AUTH_TOKEN_PATH."
        ) from None
    except RayError as error:
        raise PlaceError(f"What answers at {address} is no Ray cluster: {_first_line(error)}") from None
    return [node.node_manager_address for node in nodes.values()]


def check_refuses_strangers(address: str) -> None:
    """Raise `PlaceError` unless the cluster refuses clients without its token."""
    stranger = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        answer = subprocess.run(
            [sys.executable, "-c", _STRANGER, address],
            env=stranger,
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT,
        ).stderr
    except subprocess.TimeoutExpired:
        answer = ""
    if "AuthenticationError" not in answer:
        raise PlaceError(
            f"The Ray cluster at {address} lets anybody in: start its nodes with RAY_AUTH_MODE=token, or use one at "
            "127.0.0.1."
        )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _last_line(error: Exception) -> str:
    return ([line for line in str(error).splitlines() if line.strip()] or [type(error).__name__])[-1].strip()
