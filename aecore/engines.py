"""Where runs execute: a supervisor process a store, which starts a process a run and says what became of it.

    page, command line  ──  submit, cancel, …  ──►  queue.sqlite
                                                      ▲      ▲
    python -m aecore work     takes what is queued  ──┘      │  reports; sees that it should stop
      └─ python -m aecore attempt RUN FENCE  ────────────────┘

No process is known by its number. The supervisor is alive while it holds the store's lock; a run's process is the
supervisor's child, and dies when the pipe from its parent ends. One that is late reports under an old fence.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from aecore import AecoreError, costs, supervision
from aecore.queue import Entry, GoneError, Queue, QueueError, State, SupersededError

# torch is imported by a run's process alone: the supervisor is small and there at once.

STOPPED = 130  # the exit status of a process that did as it was told
TICK = 0.1  # seconds between two looks at the queue and the processes
WATCH = 0.25  # seconds between two looks at what was wished
GRACE = 0.5  # seconds for the step at hand
STUCK = 1.0  # seconds before what could not be written down is tried again
REPORT = 0.5  # seconds between two reports
STEADY = 1.0  # seconds of an epoch below which its speed tells more of its start than of training
LOG_LINES = 5


def slots(device: str) -> int:
    """How many runs may train on a device at once."""
    return max(1, (os.cpu_count() or 1) // 2) if device == "cpu" else 1


def threads() -> int:
    """Threads of a run on CPU: the cores, shared among as many runs as may train at once."""
    return max(1, (os.cpu_count() or 1) // slots("cpu"))


# ---- the supervisor


@dataclass(frozen=True)
class _Trainer:
    """A run's process."""

    entry: Entry
    fence: int
    process: subprocess.Popen[bytes]
    memory_kills: int  # of this machine, when it was started


def supervise(queue: Queue) -> Generator[str]:
    """Work until nothing is queued or running, yielding a sentence for whatever happens; at once where another does.

    Must be iterated to its end or closed: then no process is left.
    """
    # Asked again once the lock is given back: whoever submitted just before saw it held, and started nobody.
    while queue.is_waiting():
        with supervision.hold(queue.store.root) as holds:
            if not holds:
                yield "Another process supervises these runs."
                return
            yield from _work(queue)


def _work(queue: Queue) -> Generator[str]:
    trainers: list[_Trainer] = []
    told, recovered = "", False
    try:
        while True:
            try:
                if not recovered:
                    queue.recover()
                    recovered = True
                yield from _look(queue, trainers)
            except GoneError:
                raise
            except QueueError as error:
                # A full disk, most likely. What happens to the runs is written down as soon as there is room.
                if str(error) != told:
                    yield str(error)
                told = str(error)
                time.sleep(STUCK)
                continue
            if not trainers:
                return
            time.sleep(TICK)
    finally:
        for trainer in trainers:
            trainer.process.terminate()
        for trainer in trainers:
            trainer.process.wait()
            with suppress(QueueError):
                _settle(queue, trainer)


def _look(queue: Queue, trainers: list[_Trainer]) -> Generator[str]:
    """Write down which processes have ended, and start what there is room for."""
    for trainer in [each for each in trainers if each.process.poll() is not None]:
        sentence = _settle(queue, trainer)
        trainers.remove(trainer)
        yield sentence
    for entry in queue.waiting():
        busy = sum(each.entry.device == entry.device for each in trainers)
        if busy < slots(entry.device) and (fence := queue.start(entry.id)) is not None:
            kills = _memory_kills()
            try:
                process = _process(queue, entry, fence)
            except OSError as error:
                queue.end(entry.id, fence, "failed", f"Its process could not be started: {error.strerror}.")
            else:
                trainers.append(_Trainer(entry, fence, process, kills))
                yield f"{entry.spec.name} (run {entry.id}) started on {entry.device}."


def _process(queue: Queue, entry: Entry, fence: int) -> subprocess.Popen[bytes]:
    variables = supervision.variables(queue.store.root)
    if entry.device == "cpu":
        # Threads of runs side by side would spin waiting for each other's cores.
        variables.setdefault("OMP_NUM_THREADS", str(threads()))
    path = queue.log_path(entry.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb" if entry.started is None else "ab") as log:
        # Its standard input says nothing: it ends when this process does, however that ends.
        return subprocess.Popen(
            supervision.command("attempt", entry.id, fence), cwd=supervision.PACKAGE, env=variables,
            stdin=subprocess.PIPE, stdout=log, stderr=log,
        )  # fmt: skip


def _settle(queue: Queue, trainer: _Trainer) -> str:
    """Write down how a process ended, unless it did so itself."""
    assert trainer.process.stdin is not None
    trainer.process.stdin.close()
    run, fence, status = trainer.entry.id, trainer.fence, trainer.process.returncode
    if status == 0:
        queue.end(run, fence, "finished")
    elif status == STOPPED:
        queue.stopped(run, fence)
    elif status < 0:
        queue.lost(run, fence, _killed(-status, _memory_kills() > trainer.memory_kills))
    else:
        lines = queue.log(run, LOG_LINES)
        queue.end(run, fence, "failed", f"Its process ended with status {status}; the last lines of its log:\n{lines}")
    entry = queue.entry(run)
    return f"{entry.spec.name} (run {run}): {entry.state}." + (f" {entry.reason}" if entry.reason else "")


def _memory_kills() -> int:
    """How many processes Linux has killed since the machine started because memory ran out; 0 elsewhere."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _killed(number: int, memory_ran_out: bool) -> str:
    if number == signal.SIGKILL and memory_ran_out:
        return "Its process was killed because memory ran out: a smaller batch needs less."
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"Its process was killed by {name}."


# ---- a run's process


def attempt(queue: Queue, run: int, fence: int) -> None:
    """Make the run in this process, reporting to the queue, until it is made, stopped or the supervisor is gone.

    Standard input must be a pipe from the supervisor. Ends the process, having reported what was wrong, where the run
    cannot be made or is told to stop.
    """
    threading.Thread(target=_watch, args=(queue, run, fence), daemon=True).start()
    entry = queue.entry(run)
    try:
        from aecore import runs
        from aecore.training import find_device

        events = runs.execute(entry.spec, store=queue.store, device=find_device(entry.device), previews=True)
        _record(queue, entry, fence, events)
    except GoneError:
        raise
    except AecoreError as error:
        _log(str(error))
        _end(queue, run, fence, "failed", str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        _log("Stopped. Whole epochs are kept.")
        os._exit(STOPPED)  # to take torch down in good order would take longer than all the rest


def _end(queue: Queue, run: int, fence: int, state: State, reason: str | None = None) -> None:
    """Write down what became of the run, however long it takes until that can be written."""
    told = ""
    while True:
        try:
            queue.end(run, fence, state, reason)
        except GoneError:
            raise
        except QueueError as error:
            if str(error) != told:
                _log(str(error))
            told = str(error)
            time.sleep(STUCK)
        else:
            return


@contextmanager
def _report() -> Iterator[None]:
    """A report that cannot be written, for want of room on the disk, is made up for by the next one."""
    try:
        yield
    except (GoneError, SupersededError):
        raise
    except QueueError as error:
        _log(str(error))


def _watch(queue: Queue, run: int, fence: int) -> None:
    """End this process when its supervisor is gone or somebody wishes so: at the next step, or without it if that
    takes long. Either way what is kept stays whole, as it does under kill -9."""
    while not select.select([sys.stdin], [], [], WATCH)[0]:
        with suppress(QueueError):  # the disk may be stuck for a moment
            if queue.is_stopped(run, fence):
                signal.raise_signal(signal.SIGTERM)  # heard by the main thread, as KeyboardInterrupt
                time.sleep(GRACE)
                break
    os._exit(STOPPED)


def _record(queue: Queue, entry: Entry, fence: int, events: Iterable[Any]) -> None:
    """Report what happens, and write a line an epoch to the log."""
    from aecore import runs, training

    run, spec = entry.id, entry.spec
    accelerator = costs.accelerator(entry.device)
    reported, losses = 0.0, list[float]()
    for event in events:
        due = time.monotonic() - reported >= REPORT
        match event:
            case runs.Resumed(epoch, damage):
                _log(f"{damage} Going on after epoch {epoch}.".strip())
            case runs.Restarted(reason):
                _log(f"{reason} Training starts anew.")
            case training.Progress():
                progress = event
                losses.append(progress.loss)
                if due:
                    with _report():
                        queue.report(run, fence, spec.recipe.epochs, progress, fmean(losses))
                    reported, losses = time.monotonic(), []
            case training.EpochEnded(row, state):
                _log(
                    f"Epoch {row.epoch} of {spec.recipe.epochs}: training loss {row.train_loss:.4g}, validation loss "
                    f"{row.validation_loss:.4g}, {row.images_per_second:,.0f} images/s."
                )
                if progress.images_in_epoch >= STEADY * row.images_per_second:
                    with _report():
                        queue.record_speed(spec, entry.device, accelerator, row.images_per_second)
            case runs.Previewed(_, png):
                loss = fmean(losses) if losses else progress.loss
                with _report():
                    queue.report_epoch(run, fence, spec.recipe.epochs, progress, loss, state.history, png)
                reported, losses = time.monotonic(), []
            case runs.Scored(pictures, of) if due:
                with _report():
                    queue.report_scored(run, fence, pictures / of)
                reported = time.monotonic()
            case runs.Finished(_, cached):
                _end(queue, run, fence, "finished")
                _log("It was in the store." if cached else "Finished.")


def _log(sentence: str) -> None:
    with suppress(OSError):  # the disk may be full
        print(time.strftime("%Y-%m-%d %H:%M:%S"), sentence, flush=True)
