"""`runs`, `work` and `attempt`: the queue, listed, stopped, resumed and worked off."""

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aecore.data import datasets
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.runs import store
from aecore.runs.store import Store
from aecore.scheduling import supervision
from aecore.scheduling.dispatch import Dispatch
from aecore.scheduling.places import Place
from aecore.scheduling.queue import Queue
from aecore.scheduling.reports import Report
from aecore.training.events import Progress
from tests.aecore.cli.commands import LAYERS

CPU = Place.here("cpu")


def test_an_empty_store_says_how_to_begin(aecore: Any) -> None:
    assert "python -m aecore train shallow-strided" in aecore("runs").out
    assert aecore("runs", "--json").json == []


def test_what_is_queued_running_or_stopped_is_listed_beside_the_runs(
    aecore: Any, pictures: Path, checkpoints: Path
) -> None:
    command = ["train", LAYERS, "--dataset", f"folder:{pictures}", "--epochs", 2, "--batch-size", 8, "--json"]
    finished = aecore(*command).json
    spec = Store(checkpoints).find("custom").spec
    queue = Queue()
    with supervision.hold(checkpoints):  # the test is the supervisor
        ids = [queue.submit(replace(spec, seed=seed), CPU).id for seed in range(6)]
        dispatch = Dispatch(queue)
        fences = {run: dispatch.start(run, 1) for run in ids[1:4]}
        assert all(fences.values())
        Report(queue, ids[1], fences[ids[1]] or 0).progress(Progress(1, 16, 33, 0.1, 1234.0, 7.0))
        Report(queue, ids[3], fences[ids[3]] or 0).end("failed", "The disk is full.")
        queue.pause(ids[5])
        rows = aecore("runs", "--json").json
        assert rows[:1] == finished, "a finished entry is its run"
        assert {row["seed"]: row["state"] for row in rows[1:]} == {
            1: "running, epoch 1 of 2, 1,234 images/s, 7 s left",
            2: "running, starting",
            3: "failed after epoch 0 of 2: The disk is full.",
            4: "queued, number 1",
            5: "paused after epoch 0 of 2",
        }
        assert all(row["state"] in aecore("runs").out for row in rows)


def test_runs_that_differ_in_the_seed_are_one_row(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    for seed in (0, 1):
        aecore("train", LAYERS, "--dataset", f"folder:{pictures}", "--epochs", 1, "--seed", seed)
    one, other = Store(checkpoints).listing().runs
    psnrs = [run.totals.psnr_pooled for run in (one, other)]
    heading, row = aecore("runs").out.splitlines()
    assert "± sd" in heading
    for text in ("2 seeds", f"{np.mean(psnrs):.3f}", f"{np.std(psnrs, ddof=1):.3f}"):
        assert text in row
    single = aecore("runs", "--seeds").out
    assert "± sd" not in single
    assert [run.key[:12] in single for run in (one, other)] == [True, True]
    assert len(aecore("runs", "--json").json) == 2


def test_a_damaged_file_is_told_beside_the_list_of_the_others(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    for seed in (0, 1):
        aecore("train", LAYERS, "--dataset", f"folder:{pictures}", "--epochs", 1, "--seed", seed)
    one, other = Store(checkpoints).listing().runs
    (one.path / store.RUN).write_text("{}")
    done = aecore("runs", "--json")
    assert done.status == 0
    assert [row["key"] for row in done.json] == [other.key[:12]]
    assert f"{one.path.name}/run.json is damaged; it was set aside as run.json.damaged." in done.err
    (other.path / store.WEIGHTS).write_bytes(b"")
    done = aecore("score", other.key[:8])
    assert done.status == 1
    assert f"{other.path.name}/weights.safetensors is damaged" in done.err
    assert "Train the same spec again to replace it." in done.err


@pytest.mark.slow
def test_a_run_of_the_queue_is_shown_stopped_resumed_and_its_log_printed(
    aecore: Any, pictures: Path, checkpoints: Path
) -> None:
    name = f"folder:{pictures}"
    long, short = (
        RunSpec(Architecture.parse(LAYERS), Recipe(epochs=epochs), name, datasets.load(name).fingerprint, 0)
        for epochs in (1000, 2)
    )
    queue = Queue(Store(checkpoints))
    with supervision.hold(checkpoints):  # nobody starts them yet
        run, other = (queue.submit(spec, CPU).id for spec in (long, short))
        assert aecore("runs", "pause", other).err == f"Run {other}, custom: paused after epoch 0 of 2.\n"
        shown = aecore("runs", "show", run, "--json").json
        assert (shown["id"], shown["state"], shown["position"], shown["epochs"]) == (run, "queued", 1, [])
        assert RunSpec.from_json(shown["spec"]) == long
        assert [row["id"] for row in aecore("runs", "--json").json] == [run, other]
    queue.reconcile()
    deadline = time.monotonic() + 90
    while queue.entry(run).whole_epochs < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    done = aecore("runs", "cancel", long.key[:8])
    assert re.fullmatch(rf"Run {run}, custom: cancelled after epoch \d+ of 1000\.\n", done.err)
    assert "Epoch 2 of 1000: training loss" in aecore("runs", "log", run).out
    assert len(aecore("runs", "log", run, "--lines", 1).out.splitlines()) == 1
    aecore("runs", "resume", other)
    while queue.entry(other).state != "finished" and time.monotonic() < deadline:
        time.sleep(0.05)
    shown = aecore("runs", "show", other)
    assert f"Run {other}, custom: finished\n" in shown.out
    assert LAYERS in shown.out
    assert "initialisation keras; on cpu\n" in shown.out
    assert [row["epoch"] for row in aecore("runs", "show", other, "--json").json["epochs"]] == [1, 2]
    wrong = aecore("runs", "show", "77")
    assert wrong.status == 1
    assert f"There is no run 77 in the queue of {checkpoints}. Its runs: {run}, {other}." in wrong.err


@pytest.mark.slow
def test_the_queue_is_worked_off_in_the_foreground_too(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    name = f"folder:{pictures}"
    spec = RunSpec(Architecture.parse(LAYERS), Recipe(epochs=1), name, datasets.load(name).fingerprint)
    with supervision.hold(checkpoints):
        Queue().submit(spec, CPU)
        assert "Another process supervises these runs." in aecore("work").err
    done = aecore("work")
    assert (done.status, done.err) == (0, "custom (run 1) started on cpu.\ncustom (run 1): finished.\n")
    assert aecore("work").err == "", "nothing is left to do"
    assert Store(checkpoints).finished(spec) is not None
