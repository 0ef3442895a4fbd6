"""One process per model from elsewhere, asked over pipes; started when it is needed, and again after it died."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock, Timer, current_thread
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from aecore import AecoreError, printable
from aecore.files import background
from aecore.reconstructors import frames

MOST_PROCESSES = 8  # at once, as many as a page shows; the one that was asked longest ago makes room
IDLE = 60.0  # seconds after which a process that nobody asks ends
STARTING = 60.0  # seconds, on a machine that is busy with something else
LOADING, ANSWERING = 10.0, 60.0  # seconds to check or load a model, and for one batch of pictures
_LARGEST_TEXT = 2**16
_TELL = "It took more memory or time than it may, or crashed."

Array = NDArray[np.float32]
Answer = TypeVar("Answer")


class ForeignError(AecoreError):
    """A model from elsewhere is refused, or failed; the text says why."""


class Process:
    """A running `foreign_worker` with one model. It may be asked by any number of threads, one after another."""

    def __init__(self, content: bytes, task: Literal["check", "run"], seconds: float = LOADING) -> None:
        """Start it and give it a model; raises `ForeignError` where that is refused, or not ready after `seconds`."""
        self._asking = Lock()
        self._late = False
        self.askers = 0  # that wait for it, for whom it must not end
        self.ending: Timer | None = None  # which ends it when nobody asks it for a while
        # No setting and no secret of this process is passed on.
        passed = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "aecore.reconstructors.foreign_worker", task],
            cwd=background.ROOT,
            env=passed | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._within(STARTING, lambda: frames.read(self._answers, _LARGEST_TEXT))
            self.fit: dict[str, Any] = self._within(seconds, lambda: self._load(content)).get("fit", {})
        except BaseException:
            self.close()
            raise

    def ask(self, pictures: Array, seconds: float = ANSWERING) -> Array:
        """The model's output for `[N, C, H, W]`, of the same shape; raises `ForeignError`, and ends if it died."""
        with self._asking:
            return self._within(seconds, lambda: self._run(pictures))

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its number in the system."""
        return self._process.pid

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                try:
                    pipe.close()
                except OSError:
                    continue  # what was not sent yet reaches nobody

    @property
    def _answers(self) -> Any:
        assert self._process.stdout is not None
        return self._process.stdout

    def _send(self, content: bytes) -> None:
        assert self._process.stdin is not None
        frames.write(self._process.stdin, content)

    def _load(self, content: bytes) -> dict[str, Any]:
        self._send(content)
        return self._answer()

    def _run(self, pictures: Array) -> Array:
        self._send(json.dumps(pictures.shape).encode())
        self._send(np.ascontiguousarray(pictures, np.float32).tobytes())
        self._answer()
        content = frames.read(self._answers, pictures.size * 4)
        return np.frombuffer(content, np.float32).reshape(pictures.shape)

    def _answer(self) -> dict[str, Any]:
        facts = json.loads(frames.read(self._answers, _LARGEST_TEXT))
        if error := facts.get("error"):
            raise ForeignError(printable(error))
        return dict(facts)

    def _within(self, seconds: float, work: Callable[[], Answer]) -> Answer:
        """What `work` returns; the process is killed after `seconds`, which ends the work."""
        timer = Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            return work()
        except (OSError, EOFError, ValueError):  # a pipe that ended, or an answer that is none
            self._process.kill()
            self._process.wait()
            why = f"It took longer than {seconds:g} seconds." if self._late else _TELL
            raise ForeignError(why) from None
        finally:
            timer.cancel()

    def _expire(self) -> None:
        self._late = True
        self._process.kill()


_running: OrderedDict[str, Process] = OrderedDict()
_changing = Lock()  # of what is running; held for moments only
_starting: dict[str, Lock] = {}  # by digest, so that nobody waits for the start of another model


def ask(digest: str, read: Callable[[], bytes], pictures: Array) -> Array:
    """The output of the model with this digest, whose content `read` gives where it is not running yet.

    Raises `ForeignError` where it failed; it is started again when it is asked the next time.
    """
    with _starting.setdefault(digest, Lock()):
        process = _taken(digest)
        if process is None:
            process = Process(read(), "run")
            _add(digest, process)
    try:
        return process.ask(pictures)
    finally:
        _leave(digest, process)


def stop(digest: str) -> None:
    """End the process of the model with this digest, if there is one."""
    with _changing:
        process = _running.pop(digest, None)
    if process:
        process.close()


def _taken(digest: str) -> Process | None:
    """The running process of a model, for one more asker."""
    with _changing:
        process = _running.get(digest)
        if process and process.is_alive:
            process.askers += 1
            _running.move_to_end(digest)
            return process
    stop(digest)
    return None


def _add(digest: str, process: Process) -> None:
    """Note a process that was started for one asker, and end those for which there is no room."""
    with _changing:
        process.askers += 1
        _running[digest] = process
        idle = [other for other, running in _running.items() if not running.askers]
        ended = [_running.pop(other) for other in idle[: max(0, len(_running) - MOST_PROCESSES)]]
    for one in ended:
        one.close()


def _leave(digest: str, process: Process) -> None:
    """Have one asker less, and the process end when nobody asks it for a while."""
    with _changing:
        process.askers -= 1
        if process.ending:
            process.ending.cancel()  # rather than one thread for every answer of the last minute
        process.ending = Timer(IDLE, _end_if_idle, (digest, process))
        process.ending.daemon = True
        process.ending.start()


def _end_if_idle(digest: str, process: Process) -> None:
    with _changing:
        if process.askers or process.ending is not current_thread() or _running.get(digest) is not process:
            return
        del _running[digest]
    process.close()


@atexit.register
def _stop_all() -> None:
    for digest in list(_running):
        stop(digest)
