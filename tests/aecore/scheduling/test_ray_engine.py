"""Runs on a Ray cluster: two real nodes of one core each, lost and killed while they train."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aecore.scheduling import ray_tasks, supervision
from aecore.scheduling.places import Place, PlaceError
from aecore.scheduling.queue import Queue
from tests.aecore.scheduling import nodes
from tests.aecore.scheduling.nodes import Nodes
from tests.aecore.scheduling.queued import HERE, LONG, diverging, ended, processes, trained, uninterrupted, until
from tests.aecore.small_runs import result, spec_of

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "the one and only token, which nobody else has"}
SEND_AND_REMOVE = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from aecore.data import datasets
from aecore.scheduling.places import find_engine

data, file = datasets.load(f"folder:{sys.argv[2]}"), Path(sys.argv[3])
torch.save({"learning": (data.train, data.validation), "test": (data.test,)}, file)
known = replace(
    data,
    read_learning=lambda: torch.load(file, weights_only=False)["learning"],
    read_test=lambda: torch.load(file, weights_only=False)["test"],
    digests={"learning": "0", "test": "0"},
)
sent = find_engine("ray").connect(sys.argv[1]).put(known)
file.unlink()
import ray

there = ray.get(sent)
print(len(there.train), len(there.validation), len(there.test))
"""
pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def two() -> Iterator[Nodes]:
    """A cluster of two nodes."""
    with nodes.started(2) as cluster:
        yield cluster


def on(address: str, device: str = "cpu") -> Place:
    return Place("ray", address, device)


def tasks(name: str) -> list[psutil.Process]:
    """The processes that the nodes call so."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if f"ray::{name}" in " ".join(process.info["cmdline"] or ())
    ]


def test_a_sweep_keeps_both_nodes_busy_and_comes_back_into_this_store(
    two: Nodes, pictures: Path, queue: Queue, tmp_path: Path
) -> None:
    specs = [spec_of(pictures, seed, epochs=60) for seed in range(4)]
    asked = [queue.submit(spec, on(two.address)).id for spec in specs]
    at_once = until(lambda: [entry for entry in queue.entries() if entry.state == "running" and entry.whole_epochs][1:])
    assert at_once, "the other node trains too"
    for run, spec in zip(asked, specs, strict=True):
        entry = ended(queue, run)
        assert (entry.state, entry.reason, entry.attempt) == ("finished", None, 1)
        assert entry.place == on(two.address)
        assert [row.epoch for row in queue.epochs(run)] == list(range(1, 61))
        assert queue.epochs(run)[-1].preview
        assert result(queue.store.finished(spec)) == uninterrupted(spec, tmp_path / "other")
    log = queue.log(asked[0])
    assert "On node 127.0.0.1." in log
    assert "Epoch 60 of 60: training loss" in log
    assert log.endswith("Finished.")
    until(lambda: not processes(queue))


def test_a_run_whose_node_dies_goes_on_on_another_and_ends_with_the_same_bits(
    pictures: Path, queue: Queue, tmp_path: Path
) -> None:
    with nodes.started(2) as cluster:
        specs = [spec_of(pictures, seed, epochs=150) for seed in range(2)]
        asked = [queue.submit(spec, on(cluster.address)).id for spec in specs]
        for run in asked:
            trained(queue, run, 3)
        cluster.kill()
        entries = [ended(queue, run) for run in asked]
        assert [entry.state for entry in entries] == ["finished", "finished"]
        assert sorted(entry.attempt for entry in entries) == [1, 2]
        (lost,) = [entry.id for entry in entries if entry.attempt == 2]
        log = queue.log(lost, 1000)
        assert ray_tasks.LOST in log
        assert "Going on after epoch" in log
        for run, spec in zip(asked, specs, strict=True):
            assert [row.epoch for row in queue.epochs(run)] == list(range(1, 151))
            assert result(queue.store.finished(spec)) == uninterrupted(spec, tmp_path / "other")


def test_the_pictures_of_a_data_set_with_known_digests_are_sent_too(two: Nodes, pictures: Path, tmp_path: Path) -> None:
    """Its fingerprint is known without reading it, so nothing else has read it before."""
    answer = subprocess.run(
        [sys.executable, "-c", SEND_AND_REMOVE, two.address, pictures, tmp_path / "file"],
        capture_output=True,
        text=True,
        cwd=nodes.ROOT,
    )
    assert answer.stdout.split() == ["33", "3", "4"], answer.stderr


def test_cancel_and_pause_end_the_task(two: Nodes, pictures: Path, queue: Queue) -> None:
    spec = spec_of(pictures, epochs=LONG)
    run = queue.submit(spec, on(two.address)).id
    trained(queue, run, 2)
    assert tasks(spec.folder)
    queue.pause(run)
    assert ended(queue, run).state == "paused"
    until(lambda: not tasks(spec.folder))
    queue.resume(run)
    trained(queue, run, 2)
    queue.cancel(run)
    assert ended(queue, run).state == "cancelled"
    until(lambda: not tasks(spec.folder))
    assert "Going on after epoch" in queue.log(run)


def test_when_the_supervisor_is_killed_the_task_ends_and_reconcile_resumes_the_run(
    two: Nodes, pictures: Path, queue: Queue
) -> None:
    spec = spec_of(pictures, epochs=LONG)
    run = queue.submit(spec, on(two.address)).id
    trained(queue, run, 2)
    (task,) = tasks(spec.folder)
    (supervisor,) = processes(queue, "work")
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not supervision.held(queue.store.root))
    queue.reconcile()
    trained(queue, run, 2)
    assert task not in tasks(spec.folder)
    assert queue.entry(run).attempt == 2


def test_what_is_wrong_with_a_run_is_told_as_on_this_machine(two: Nodes, pictures: Path, queue: Queue) -> None:
    entry = ended(queue, queue.submit(diverging(pictures, queue.store), on(two.address)).id)
    assert (entry.state, entry.attempt) == ("failed", 1)
    assert entry.reason is not None
    assert entry.reason.startswith("The loss stopped being finite in epoch 2 at step 1; the weights after epoch 1 are")


def test_a_run_waits_while_the_cluster_has_no_room_for_it_or_is_not_there(
    two: Nodes, pictures: Path, queue: Queue
) -> None:
    wants_gpu = queue.submit(spec_of(pictures), on(two.address, "cuda")).id
    until(lambda: queue.entry(wants_gpu).reason)
    assert queue.entry(wants_gpu).reason == f"The Ray cluster at {two.address} has no GPU now."
    until(lambda: not processes(queue))
    astray = queue.submit(spec_of(pictures, 1), on("127.0.0.1:1")).id
    here = queue.submit(spec_of(pictures, 2), HERE).id
    assert ended(queue, here).state == "finished", "others do not wait for it"
    entry = queue.entry(astray)
    assert entry.state == "queued"
    assert entry.reason is not None
    assert entry.reason.startswith("No Ray cluster answers at 127.0.0.1:1: start one")
    until(lambda: not processes(queue))
    assert entry.reason in (queue.store.root / ".logs" / "supervisor.log").read_text()
    with pytest.raises(PlaceError, match="There is no device 'mps' on a cluster: ask for one of cpu, cuda"):
        queue.submit(spec_of(pictures, 3), on(two.address, "mps"))


def test_whoever_has_not_the_token_is_turned_away(two: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PlaceError, match="lets anybody in: start its nodes with RAY_AUTH_MODE=token"):
        ray_tasks.check_refuses_strangers(two.address)
    assert ray_tasks.node_hosts(two.address) == ["127.0.0.1", "127.0.0.1"]
    with nodes.started(1, TOKEN) as guarded:
        ray_tasks.check_refuses_strangers(guarded.address)
        with pytest.raises(PlaceError, match="wants its token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN"):
            ray_tasks.node_hosts(guarded.address)


def test_runs_on_a_cluster_with_a_token(pictures: Path, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TOKEN.items():
        monkeypatch.setenv(name, value)  # the supervisor inherits it
    with nodes.started(1, TOKEN) as guarded:
        assert ended(queue, queue.submit(spec_of(pictures), on(guarded.address)).id).state == "finished"
