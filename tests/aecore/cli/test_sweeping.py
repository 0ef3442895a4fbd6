"""`sweep`: every system with every seed, by way of the queue."""

import threading
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest

from aecore.runs.store import Store
from aecore.scheduling import supervision
from aecore.scheduling.queue import Queue
from tests.aecore.cli.commands import LAYERS


@pytest.mark.slow
def test_a_sweep_trains_every_system_with_every_seed(
    aecore: Any, pictures: Path, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aecore.scheduling.queue.QUEUED_AT_MOST", 2)  # the third one is asked for when there is room
    other = "conv2 | conv3:k1:sigmoid"
    command = ["sweep", LAYERS, other, "--seeds", "0-1", "--dataset", f"folder:{pictures}", "--epochs", 1]
    done = aecore(*command, "--device", "cpu")
    assert done.status == 0
    runs = Store(checkpoints).listing().runs
    assert sorted((str(run.spec.architecture), run.spec.seed) for run in runs) == [
        (other, 0),
        (other, 1),
        (LAYERS, 0),
        (LAYERS, 1),
    ]
    for layers in (LAYERS, other):
        totals = [run.totals.psnr_pooled for run in runs if str(run.spec.architecture) == layers]
        (line,) = [line for line in done.out.splitlines() if line.strip().startswith(layers)]
        assert line.strip().removeprefix(layers).split()[:3] == [
            "2",
            f"{np.mean(totals):.3f}",
            f"{np.std(totals, ddof=1):.3f}",
        ]
    again = aecore(*command, "--device", "cpu", "--json")
    assert sorted(row["key"] for row in again.json) == sorted(run.key[:12] for run in runs), "they were in the store"
    assert len(Queue().entries()) == 4


def test_a_sweep_tells_what_was_left_out_and_what_did_not_finish(
    aecore: Any, pictures: Path, checkpoints: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    copytree(pictures, folder)
    (folder / "notes.txt").touch()
    command = ["sweep", LAYERS, "--seeds", "0,1", "--dataset", f"folder:{folder}", "--device", "cpu"]
    with supervision.hold(checkpoints):
        threading.Timer(2, lambda: [Queue().cancel(entry.id) for entry in Queue().entries()]).start()
        done = aecore(*command)
    assert done.err.count("1 of 41 files was left out: notes.txt is not a picture.") == 1
    assert done.status == 1
    assert done.err.count("seed 0: cancelled after epoch 0") == 1
    assert "2 of 2 runs did not finish: `python -m aecore runs` says why." in done.err
    assert "'x' is not a seed" in aecore("sweep", LAYERS, "--seeds", "x").err
    assert "RAY_ADDRESS is ''" in aecore("sweep", LAYERS, "--engine", "ray").err
