"""Where runs execute: real processes, stopped and killed, and what became of the runs then."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from aecore.data.noise import Noise
from aecore.files import background
from aecore.runs import execution
from aecore.runs.events import Previewed
from aecore.runs.store import STATES, Store
from aecore.scheduling import engines, supervision
from aecore.scheduling.attempts import WITH_PREVIEWS
from aecore.scheduling.dispatch import Dispatch
from aecore.scheduling.entries import Entry, QueueError
from aecore.scheduling.queue import Queue
from aecore.scheduling.reports import Report
from aecore.training import machine
from tests.aecore.scheduling.queued import CPU, HERE, LONG, diverging, ended, processes, trained, uninterrupted, until
from tests.aecore.small_runs import result, spec_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


# ---- from submit to finished


def test_a_submitted_run_is_trained_and_joins_the_store(pictures: Path, queue: Queue, tmp_path: Path) -> None:
    spec = spec_of(pictures, noise=Noise("gaussian", 0.1), epochs=12)
    entry = ended(queue, queue.submit(spec, HERE).id)
    assert (entry.state, entry.reason, entry.attempt) == ("finished", None, 1)
    assert (entry.epoch, entry.images, entry.images_in_epoch, entry.whole_epochs) == (12, 33, 33, 12)
    run = queue.store.finished(spec)
    assert result(run) == uninterrupted(spec, tmp_path / "other")
    assert run is not None
    rows, history = queue.epochs(entry.id), run.history()
    for name in ("epoch", "train_loss", "validation_loss", "validation_mse", "images_per_second", "seconds"):
        assert [getattr(row, name) for row in rows] == pytest.approx(history[name].tolist(), rel=1e-12)
    assert rows[-1].preview == run.read("preview.png")
    assert len({row.preview for row in rows}) == 12, "they sharpen"
    assert queue.points(entry.id)[-1][0] == 12
    assert "Epoch 12 of 12: training loss" in queue.log(entry.id)
    until(lambda: not processes(queue))
    assert not supervision.held(queue.store.root), "a supervisor without work goes home"
    assert queue.submit(spec, HERE) == entry
    assert not processes(queue), "what is finished is not trained again"


def test_runs_are_trained_in_their_order(pictures: Path, queue: Queue) -> None:
    specs = [spec_of(pictures, seed) for seed in range(3)]
    asked = [queue.submit(spec, HERE).id for spec in specs]
    entries = [ended(queue, run) for run in asked]
    assert [entry.state for entry in entries] == ["finished"] * 3
    started = [entry.started for entry in entries]
    assert started == sorted(started)  # type: ignore[type-var]
    if machine.side_by_side(3) == 1:
        assert all(one.ended <= next.started for one, next in pairwise(entries))  # type: ignore[operator]


def test_supervisors_started_at_once_are_one_and_it_trains_what_a_device_admits(pictures: Path, queue: Queue) -> None:
    at_once = machine.side_by_side(1000)
    for seed in range(at_once + 2):
        queue.submit(spec_of(pictures, seed, epochs=LONG), HERE)
    for _ in range(5):
        supervision.start(queue.store.root)
    until(lambda: len(processes(queue, "attempt")) == at_once)
    until(lambda: len(processes(queue, "work")) == 1)
    running = [entry for entry in queue.entries() if entry.state == "running"]
    assert len(running) == at_once
    assert [entry.position for entry in Dispatch(queue).waiting()] == [1, 2]
    [supervisor] = processes(queue, "work")
    assert os.getsid(supervisor) == supervisor, "it has a session of its own"


def test_runs_share_the_cores(queue: Queue, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setattr(machine, "runs_in_memory", lambda: 10)
    with supervision.hold(queue.store.root):
        entries = [queue.submit(spec_of(pictures, seed), HERE) for seed in range(6)]

    def begun(*threads: int) -> list[Entry]:
        return [replace(entry, threads=count) for entry, count in zip(entries, threads, strict=False)]

    def threads(running: list[Entry], waiting: int, *, before: int | None = None) -> int:
        return engines.threads(replace(entries[5], threads=before), running, waiting)

    assert threads([], 1) == 2, "alone"
    assert threads([], 2) == 2
    assert threads([], 3) == 1, "more than fit with two threads"
    assert threads(begun(2), 1) == 2
    assert threads(begun(2), 2) == 1
    assert threads(begun(2, 2), 1) == 0, "no core is free"
    assert threads(begun(1, 1, 1), 1) == 1
    assert threads(begun(1, 1, 1, 1), 1) == 0
    assert threads(begun(1, 1, 1), 1, before=2) == 0, "it goes on as it began"
    assert threads(begun(1, 1), 1, before=2) == 2
    assert threads([], 9, before=2) == 2
    monkeypatch.setattr(machine, "cores", lambda: 1)
    assert threads([], 3, before=2) == 2, "it began where there were more cores"
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setattr(machine, "runs_in_memory", lambda: 1)
    assert threads(begun(1), 1) == 0


def test_the_threads_of_the_first_start_are_remembered(queue: Queue, pictures: Path) -> None:
    with supervision.hold(queue.store.root):
        run = queue.submit(spec_of(pictures), HERE).id
        assert queue.entry(run).threads is None
        dispatch = Dispatch(queue)
        dispatch.recover()
        assert dispatch.start(run, 2) is not None
        dispatch.recover()
        [waiting] = dispatch.waiting()
        assert (waiting.state, waiting.threads) == ("queued", 2)


def test_a_run_that_needs_more_threads_is_not_overtaken(
    queue: Queue, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three runs wait of which the first began with two threads; on two cores it trains alone, then the others."""
    monkeypatch.setattr(machine, "cores", lambda: 2)
    started = list[tuple[int, int | None, int]]()

    class Held:
        def __init__(self, _: Dispatch, entry: Entry, fence: int) -> None:
            self.entry, self._fence, self._looks = entry, fence, 0
            started.append((entry.id, entry.threads, len(live)))
            live.append(self)

        def has_ended(self) -> bool:
            self._looks += 1
            return self._looks > 3

        def stop(self) -> None:
            raise AssertionError

        def settle(self) -> None:
            live.remove(self)
            Dispatch(queue).end(self.entry.id, self._fence, "finished")

    live = list[Held]()
    monkeypatch.setattr(engines.LocalEngine, "start", lambda _, *attempt: Held(*attempt))
    with supervision.hold(queue.store.root):
        ids = [queue.submit(spec_of(pictures, seed), HERE).id for seed in range(3)]
        dispatch = Dispatch(queue)
        dispatch.start(ids[0], 2)
        dispatch.recover()
    list(engines.supervise(queue))
    assert started == [(ids[0], 2, 0), (ids[1], 1, 0), (ids[2], 1, 1)]


def test_previews_follow_their_epochs(pictures: Path, tmp_path: Path) -> None:
    spec = spec_of(pictures)
    events = list(execution.execute(spec, store=Store(tmp_path), device=CPU, compute=WITH_PREVIEWS))
    shown = [event for event in events if isinstance(event, Previewed)]
    assert [event.epoch for event in shown] == [1, 2, 3]
    assert shown[-1].png == events[-1].run.read("preview.png")  # type: ignore[union-attr]
    assert not any(
        isinstance(event, Previewed) for event in execution.execute(spec_of(pictures, 1), store=Store(tmp_path))
    )


# ---- stopped


def test_cancel_ends_the_process_and_keeps_the_last_whole_epoch(pictures: Path, queue: Queue) -> None:
    spec = spec_of(pictures, epochs=LONG)
    run = queue.submit(spec, HERE).id
    trained(queue, run, 2)
    asked = time.monotonic()
    queue.cancel(run)
    entry = ended(queue, run)
    print(f"cancelled after {time.monotonic() - asked:.2f} s")
    assert (entry.state, entry.reason) == ("cancelled", None)
    until(lambda: not processes(queue))
    [unfinished] = queue.store.listing().unfinished
    # The epoch at hand may have become whole before it was told.
    assert unfinished.epoch - entry.whole_epochs in (0, 1)
    assert not list(queue.store.root.rglob("*.part"))


def test_cancel_while_the_process_starts(pictures: Path, queue: Queue) -> None:
    run = queue.submit(spec_of(pictures, epochs=LONG), HERE).id
    until(lambda: queue.entry(run).state == "running")
    queue.cancel(run)
    assert ended(queue, run).state == "cancelled"
    until(lambda: not processes(queue))


def test_a_step_that_takes_long_does_not_hold_up_a_cancel(pictures: Path, queue: Queue) -> None:
    """One step on all pictures takes many seconds here."""
    spec = spec_of(pictures, layers="conv512 | conv512:k5 | conv512:k5 | conv3:k1:sigmoid", batch_size=33)
    run = queue.submit(spec, HERE).id
    until(lambda: processes(queue, "attempt"))
    time.sleep(6)
    asked = time.monotonic()
    queue.cancel(run)
    assert ended(queue, run).state == "cancelled"
    print(f"cancelled within a step after {time.monotonic() - asked:.2f} s")
    until(lambda: not processes(queue))


def test_a_paused_run_goes_on_and_ends_with_the_same_bits(pictures: Path, queue: Queue, tmp_path: Path) -> None:
    spec = spec_of(pictures, epochs=150, noise=Noise("gaussian", 0.2))
    run = queue.submit(spec, HERE).id
    trained(queue, run, 5)
    queue.pause(run)
    entry = ended(queue, run)
    assert (entry.state, entry.live) == ("paused", True)
    assert 5 <= entry.whole_epochs < 150
    assert queue.resume(run).state == "queued"
    assert ended(queue, run).state == "finished"
    assert "Going on after epoch" in queue.log(run)
    assert [row.epoch for row in queue.epochs(run)] == list(range(1, 151)), "the curve has no gap"
    assert result(queue.store.finished(spec)) == uninterrupted(spec, tmp_path / "other")


def test_a_process_told_to_stop_from_outside_leaves_its_run_interrupted(pictures: Path, queue: Queue) -> None:
    run = queue.submit(spec_of(pictures, epochs=LONG), HERE).id
    trained(queue, run, 1)
    [trainer] = processes(queue, "attempt")
    os.kill(trainer, signal.SIGTERM)
    entry = ended(queue, run)
    assert (entry.state, entry.reason) == ("interrupted", "Its process was stopped from outside.")
    assert queue.resume(run).state == "queued"
    trained(queue, run, 1)


def test_a_supervisor_told_to_stop_takes_its_runs_with_it(pictures: Path, queue: Queue) -> None:
    run = queue.submit(spec_of(pictures, epochs=LONG), HERE).id
    trained(queue, run, 1)
    [supervisor] = processes(queue, "work")
    os.kill(supervisor, signal.SIGTERM)
    until(lambda: not processes(queue))
    assert queue.entry(run).state == "interrupted"


# ---- killed


def test_a_killed_run_goes_on_by_itself_and_ends_with_the_same_bits(
    pictures: Path, queue: Queue, tmp_path: Path
) -> None:
    spec = spec_of(pictures, epochs=150, noise=Noise("gaussian", 0.2))
    run = queue.submit(spec, HERE).id
    for attempt in (1, 2):
        trained(queue, run, 20)
        [trainer] = processes(queue, "attempt")
        os.kill(trainer, signal.SIGKILL)
        until(lambda attempt=attempt: queue.entry(run).attempt > attempt)
    entry = ended(queue, run)
    assert (entry.state, entry.attempt, entry.reason) == ("finished", 3, None)
    assert [row.epoch for row in queue.epochs(run)] == list(range(1, 151))
    assert result(queue.store.finished(spec)) == uninterrupted(spec, tmp_path / "other")


def test_a_run_that_is_killed_again_and_again_fails_with_the_reason(pictures: Path, queue: Queue) -> None:
    spec = spec_of(pictures)
    with queue.store.lock(spec):  # it waits before its first epoch
        run = queue.submit(spec, HERE).id
        killed_thrice(queue, run)
    entry = queue.entry(run)
    assert entry.state == "failed"
    assert entry.reason == "Its process was killed by SIGKILL. It was started 3 times and got no epoch further."
    queue.resume(run)
    assert ended(queue, run).state == "finished", "whoever knows better may ask again"


def killed_thrice(queue: Queue, run: int) -> None:
    for attempt in (1, 2, 3):
        until(lambda attempt=attempt: queue.entry(run).attempt == attempt and processes(queue, "attempt"))
        [trainer] = processes(queue, "attempt")
        os.kill(trainer, signal.SIGKILL)
        until(lambda attempt=attempt: queue.entry(run).attempt > attempt or queue.entry(run).state == "failed")


def test_when_the_supervisor_is_killed_its_run_dies_and_reconcile_resumes_it(
    pictures: Path, queue: Queue, tmp_path: Path
) -> None:
    spec = spec_of(pictures, epochs=150)
    run = queue.submit(spec, HERE).id
    trained(queue, run, 5)
    [supervisor] = processes(queue, "work")
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not processes(queue))
    # Linux takes a killed process's memory, and with it the command line, before it closes the locked file.
    until(lambda: not supervision.held(queue.store.root))
    assert queue.entry(run).state == "running", "nobody was there to write it down"
    for _ in range(3):
        queue.reconcile()
    entry = ended(queue, run)
    assert (entry.state, entry.attempt) == ("finished", 2)
    assert result(queue.store.finished(spec)) == uninterrupted(spec, tmp_path / "other")


def test_a_run_outlives_the_process_that_asked_for_it(pictures: Path, queue: Queue) -> None:
    spec = spec_of(pictures, epochs=LONG)
    code = (
        "import sys, json, os, signal; from pathlib import Path; from aecore.scheduling.queue import Queue; "
        "from aecore.models.recipe import RunSpec; from aecore.runs.store import Store; "
        "from aecore.scheduling.places import Place; "
        "Queue(Store(Path(sys.argv[2]))).submit(RunSpec.from_json(json.loads(sys.argv[1])), Place.here('cpu')); "
        "os.killpg(0, signal.SIGKILL)"
    )
    command = [sys.executable, "-c", code, json.dumps(spec.to_json()), str(queue.store.root)]
    asked = subprocess.run(command, cwd=background.ROOT, start_new_session=True)
    assert asked.returncode == -signal.SIGKILL
    [entry] = queue.entries()
    trained(queue, entry.id, 2)


# ---- failed


def test_a_loss_that_is_no_number_is_told(pictures: Path, queue: Queue) -> None:
    entry = ended(queue, queue.submit(diverging(pictures, queue.store), HERE).id)
    assert (entry.state, entry.attempt) == ("failed", 1)
    assert entry.reason == (
        "The loss stopped being finite in epoch 2 at step 1; the weights after epoch 1 are kept. "
        "A smaller learning rate usually helps."
    )


def test_missing_data_is_told_and_the_run_goes_on_when_it_is_back(pictures: Path, queue: Queue, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    shutil.copytree(pictures, folder)
    run = queue.submit(spec_of(folder), HERE).id
    shutil.rmtree(folder)
    entry = ended(queue, run)
    assert entry.state == "failed"
    assert entry.reason == f"There is no folder '{folder}': give one that holds pictures, as folder:PATH."
    until(lambda: entry.reason in queue.log(run))
    shutil.copytree(pictures, folder)
    queue.resume(run)
    assert ended(queue, run).state == "finished"


@pytest.mark.parametrize("damaged", [1, 2])
def test_a_damaged_checkpoint_is_told_and_the_one_before_it_is_taken(
    damaged: int, pictures: Path, queue: Queue, tmp_path: Path
) -> None:
    spec = spec_of(pictures, epochs=200)
    run = queue.submit(spec, HERE).id
    for _ in range(5):
        trained(queue, run, 5)
        queue.pause(run)
        assert ended(queue, run).state == "paused"
        [unfinished] = queue.store.listing().unfinished
        if all((unfinished.path / name).exists() for name in STATES):
            break
        queue.resume(run)  # it was told to stop between two renames, when there is only the one before
    for name in STATES[:damaged]:
        file = unfinished.path / name
        file.write_bytes(file.read_bytes()[:-7])
    queue.resume(run)
    assert ended(queue, run).state == "finished"
    log = queue.log(run, 1000)
    for name in STATES[:damaged]:
        assert f"{unfinished.path.name}/{name} is damaged; it was set aside as {name}.damaged." in log
    assert (f"Going on after epoch {unfinished.epoch - 1}." if damaged == 1 else "Training starts again.") in log
    assert [row.epoch for row in queue.epochs(run)] == list(range(1, 201))
    assert result(queue.store.finished(spec)) == uninterrupted(spec, tmp_path / "other")


def test_a_crash_is_told_with_the_last_lines_of_its_log(
    pictures: Path, queue: Queue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A broken torch stands for whatever may be wrong with an installation."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "torch.py").write_text("raise ImportError('torch is broken')\n")
    spec = spec_of(pictures)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    entry = ended(queue, queue.submit(spec, HERE).id)
    assert entry.state == "failed"
    assert entry.reason is not None
    assert entry.reason.startswith("Its process ended with status 1; the last lines of its log:\n")
    assert entry.reason.endswith("ImportError: torch is broken")


# ---- what happens to disks, databases and clocks


def test_a_queue_removed_under_a_running_run_stops_it_and_its_epochs_are_kept(
    pictures: Path, queue: Queue, tmp_path: Path
) -> None:
    spec = spec_of(pictures, epochs=150)
    run = queue.submit(spec, HERE).id
    trained(queue, run, 3)
    for file in queue.store.root.glob("queue.sqlite*"):
        file.unlink()
    until(lambda: not processes(queue))
    assert queue.entries() == []
    supervisor = (supervision.log_folder(queue.store.root) / "supervisor.log").read_text()
    assert "queue.sqlite was removed, and with it the queue." in supervisor
    assert "Traceback" not in supervisor + queue.log(run)
    [unfinished] = queue.store.listing().unfinished
    assert unfinished.epoch >= 3
    again = queue.submit(spec, HERE).id
    assert ended(queue, again).state == "finished"
    assert f"Going on after epoch {unfinished.epoch}." in queue.log(again)
    assert [row.epoch for row in queue.epochs(again)] == list(range(1, 151)), "the curve has no gap"
    assert result(queue.store.finished(spec)) == uninterrupted(spec, tmp_path / "other")


def test_a_run_removed_between_its_end_and_that_of_its_process_stops_no_other(
    pictures: Path, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ended:
        """An attempt that has reported its end, whose entry is removed before its process is gone."""

        def __init__(self, dispatch: Dispatch, entry: Entry, fence: int) -> None:
            self.entry = entry
            Report(queue, entry.id, fence).end("failed", "no reason")

        def has_ended(self) -> bool:
            return True

        def stop(self) -> None:
            raise AssertionError("nothing is to be stopped")

        def settle(self) -> None:
            queue.forget(self.entry.id)

    monkeypatch.setattr(engines.LocalEngine, "start", lambda _, *attempt: Ended(*attempt))
    monkeypatch.setattr(supervision, "start", lambda *_, **__: None)
    for seed in range(3):
        queue.submit(spec_of(pictures, seed), HERE)
    sentences = list(engines.supervise(queue))
    assert [sentence.split(" started")[0] for sentence in sentences] == [f"custom (run {run})" for run in (1, 2, 3)]
    assert queue.entries() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of a megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only an administrator may mount a disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(
    pictures: Path, small_disk: Path, tmp_path: Path
) -> None:
    queue, ballast = Queue(Store(small_disk / "store")), small_disk / "ballast"
    spec = spec_of(pictures, layers="conv16 | conv16 | conv3:k1:sigmoid", epochs=100)
    run = queue.submit(spec, HERE).id
    trained(queue, run, 2)
    with ballast.open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(512))
        file.truncate(file.tell() // 4096 * 4096 - 4096)  # room for a line in the log, not for a state
    until(lambda: "state.safetensors cannot be written" in queue.log(run))
    ballast.unlink()
    entry = ended(queue, run)
    assert entry.state == "failed"
    assert entry.reason is not None
    assert "No space left on device" in entry.reason
    assert "what was there before is kept" in entry.reason
    queue.resume(run)
    assert ended(queue, run).state == "finished"
    until(lambda: not processes(queue))
    assert queue.store.listing().damaged == []
    assert [row.epoch for row in queue.epochs(run)] == list(range(1, 101))
    assert result(queue.store.finished(spec)) == uninterrupted(spec, tmp_path / "other")


def test_a_disk_that_may_not_be_written_is_told(pictures: Path, small_disk: Path) -> None:
    queue = Queue(Store(small_disk))
    with supervision.hold(small_disk):
        run = queue.submit(spec_of(pictures), HERE).id
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(QueueError, match=r"queue\.sqlite cannot be used \(.*\): see that its disk has room and its"):
        queue.submit(spec_of(pictures, seed=1), HERE)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert [entry.id for entry in queue.entries()] == [run]
    queue.cancel(run)


def test_a_clock_set_back_changes_neither_the_order_nor_the_runs(
    pictures: Path, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every process of this queue the day goes back by a year, half a second after it began."""
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(
        "import time\n"
        "now, begun = time.time, time.monotonic()\n"
        "time.time = lambda: now() - 3e7 * (time.monotonic() - begun > 0.5)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "clock"))
    specs = [spec_of(pictures, seed) for seed in range(2)]
    entries = [queue.submit(spec, HERE) for spec in specs]
    last = [ended(queue, entry.id) for entry in entries]
    assert [entry.state for entry in last] == ["finished"] * 2
    assert all(entry.ended is not None and entry.ended < entry.submitted for entry in last), "the clock went back"
    assert [queue.entries()[position].id for position in (0, 1)] == [entries[1].id, entries[0].id]
    for spec in specs:
        assert result(queue.store.finished(spec)) == uninterrupted(spec, tmp_path / f"other-{spec.seed}")
