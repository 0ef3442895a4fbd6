"""`train` and `measure`: a run is made once, stopped by Ctrl-C, and goes on."""

import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aecore.data import datasets
from aecore.data.noise import Noise, key
from aecore.data.splits import to_float
from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.runs.store import Store
from aecore.scheduling import costs
from tests.aecore.cli.commands import LAYERS, files, process


def test_a_run_is_trained_once_and_listed_shown_and_scored(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    command = ["train", LAYERS, "--dataset", f"folder:{pictures}", "--epochs", 2, "--batch-size", 8, "--json"]
    done = aecore(*command)
    assert done.status == 0
    assert "finished: " in done.err
    [row] = done.json
    run = Store(checkpoints).find("custom")
    assert (row["key"], row["state"], row["folder"]) == (run.key[:12], "finished", str(run.path))
    assert row["PSNR pooled"] == pytest.approx(run.totals.psnr_pooled, abs=1e-3)
    assert row["parameters"] == 3 * 4 * 9 + 4 + 4 * 3 + 3
    assert len(run.history()) == 2
    assert str(run.spec.architecture) == LAYERS

    before = files(checkpoints)
    again = aecore(*command)
    assert again.status == 0
    assert "was in the store: " in again.err
    assert again.json == done.json
    assert files(checkpoints) == before

    assert aecore("runs", "--json").json == done.json
    assert run.key[:12] in aecore("runs").out
    for name in ("custom", run.key[:6], run.path.name):
        shown = aecore("show", name, "--json").json
        assert shown["run"]["key"] == run.key[:12]
        assert (shown["architecture"], shown["recipe"]["epochs"]) == (LAYERS, 2)
    assert f"{run.totals.psnr_pooled:.2f} dB pooled" in aecore("show", "custom").out

    clean = to_float(datasets.load(run.spec.dataset).test.pixels)
    errors = (run.model()(clean) - clean).square().flatten(1).mean(1).numpy()
    [scored] = aecore("score", "custom", "--json").json
    assert (scored["name"], scored["noise"], scored["pictures"]) == (run.path.name, "none", 4)
    assert scored["MSE"] == pytest.approx(errors.mean(), rel=1e-3)
    assert scored["PSNR pooled"] == pytest.approx(-10 * np.log10(errors.mean()), abs=1e-3)
    [scored] = aecore("score", "custom", "--images", 2, "--json").json
    assert scored["pictures"] == 2
    assert scored["MSE"] == pytest.approx(errors[:2].mean(), rel=1e-3)
    [noisy] = aecore("score", "custom", "--noise", "gaussian:0.5", "--seed", 3, "--json").json
    assert noisy["noise"] == "gaussian:0.5"
    draws = [torch.Generator().manual_seed(key("noise of picture", 3, index)) for index in range(4)]
    output = run.model()(clean + 0.5 * torch.stack([torch.randn(3, 32, 32, generator=draw) for draw in draws]))
    assert noisy["MSE"] == pytest.approx(float((output.clamp(0, 1) - clean).square().mean()), rel=1e-3)
    assert aecore("score", "custom", "--noise", "gaussian:0.5", "--seed", 3, "--json").json == [noisy]
    assert aecore("score", "custom", "--noise", "gaussian:0.5", "--seed", 4, "--json").json != [noisy]
    assert [line.split()[2] for line in aecore("score", "custom", run.key[:5]).out.splitlines()[1:]] == ["none"] * 2


def test_every_option_of_the_recipe_reaches_the_run(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    names = {"conv4 | sparsity | conv3:k1:sigmoid", "conv2 | sparsity | conv3:k1:sigmoid"}
    recipe = "--epochs 1 --images 20 --batch-size 7 --learning-rate 0.01 --loss bce --noise salt-pepper:0.1 "
    recipe += "--initialisation torch --schedule cosine --penalty sparsity:0.5"
    done = aecore("train", *names, "--dataset", f"folder:{pictures}", *recipe.split(), "--seed", 5, "--device", "cpu")
    assert done.status == 0
    runs = Store(checkpoints).listing().runs
    assert {str(run.spec.architecture) for run in runs} == names
    for run in runs:
        assert run.spec.recipe.to_json() == {
            "epochs": 1,
            "batch_size": 7,
            "learning_rate": 0.01,
            "loss": "bce",
            "noise": "salt-pepper:0.1",
            "images": 20,
            "initialisation": "torch",
            "schedule": "cosine",
            "penalties": {"sparsity": 0.5},
        }
        assert run.spec.seed == 5
        assert run.environment["device"] == "cpu"
        assert "penalties sparsity:0.5" in aecore("show", run.key).out
    done = aecore("train", "denoise-030", "--dataset", f"folder:{pictures}", "--epochs", 1, "--noise", "none:0")
    assert Store(checkpoints).find("denoise-030").spec.recipe.noise is None
    assert zoo.SYSTEMS["denoise-030"].recipe.noise == Noise("gaussian", 0.3)


def test_without_data_a_system_trains_on_the_sample_and_says_so(aecore: Any, checkpoints: Path) -> None:
    done = aecore("train", "shallow-strided", "--epochs", 1, "--images", 100, "--json")
    assert done.status == 0
    assert "cifar10 is not here: training on the embedded sample" in done.err
    assert "python -m aecore data fetch cifar10" in done.err
    assert [(row["name"], row["dataset"]) for row in done.json] == [("shallow-strided", "sample")]
    assert Store(checkpoints).find("shallow-strided").totals.pictures == 1000


def test_a_system_trains_on_pictures_of_another_size_and_says_so(aecore: Any, checkpoints: Path) -> None:
    done = aecore("train", "shallow-strided", "--dataset", "scenes-64", "--epochs", 1, "--images", 40, "--json")
    assert done.status == 0
    assert "shallow-strided takes pictures of 3×32×32; it is trained here with the same layers for 3×64×64" in done.err
    assert "a code of 32×32×32" in done.err
    (row,) = done.json
    assert (row["name"], row["dataset"]) == ("shallow-strided", "scenes-64")
    run = Store(checkpoints).find("shallow-strided")
    assert run.spec.architecture.input_shape == (3, 64, 64)
    assert run.totals.pictures == 420
    refused = aecore("train", "dense", "--dataset", "scenes-64")
    assert refused.status == 1
    assert "its layers do not fit" in refused.err


def test_a_folder_trains_at_a_chosen_size(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    line = "3x48x48 | conv4:s2 | up | conv3:k1:sigmoid"
    done = aecore("train", line, "--dataset", f"folder@48:{pictures}", "--epochs", 1)
    assert done.status == 0, done.err
    assert Store(checkpoints).find("custom").spec.dataset == f"folder@48:{pictures.resolve()}"


@pytest.mark.slow
def test_ctrl_c_keeps_the_finished_epochs_and_the_same_command_goes_on(
    aecore: Any, pictures: Path, checkpoints: Path
) -> None:
    """Stopped by Ctrl-C, then by SIGTERM, as a supervisor does, and then left alone."""
    command = ["train", LAYERS, "--dataset", f"folder:{pictures}", "--epochs", 200, "--batch-size", 8]
    stood = 0
    for number in (signal.SIGINT, signal.SIGTERM):
        running = process(*command)
        while running.poll() is None:
            listing = Store(checkpoints).listing()
            if any(run.epoch > stood for run in listing.unfinished):
                break
            time.sleep(0.01)
        running.send_signal(number)
        _, said = running.communicate()
        assert running.returncode == 130, said
        assert "Stopped. Finished epochs are kept" in said
        assert "Traceback" not in said
        assert ("going on after epoch" in said) == (stood > 0)
        [row] = aecore("runs", "--json").json
        match = re.fullmatch(r"stopped after epoch (\d+) of 200", row["state"])
        assert match is not None
        assert int(match[1]) > stood
        stood = int(match[1])
        assert row["state"] in aecore("runs").out
        assert list(checkpoints.rglob("*.damaged")) == []
    done = aecore(*command)
    assert done.status == 0
    assert f"going on after epoch {stood}." in done.err
    run = Store(checkpoints).find("custom")
    assert run.history()["epoch"].tolist() == list(range(1, 201))
    assert sorted(file.name for file in run.path.iterdir()) == sorted([*run.files, "run.json"])


@pytest.mark.parametrize("place", ["file", "file/inside"])
def test_a_store_that_cannot_be_written_is_told(
    place: str, aecore: Any, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / place))
    done = aecore("train", LAYERS, "--dataset", f"folder:{pictures}", "--epochs", 1)
    assert done.status == 1
    assert "cannot be written (" in done.err
    assert "set AECORE_CHECKPOINTS" in done.err
    assert aecore("runs").status == 0


LEFT_OUT = "2 of 42 files were left out: cut.png cannot be decoded; notes.txt is not a picture."


@pytest.fixture
def mixed(pictures: Path, tmp_path: Path) -> Path:
    """The forty pictures beside two files that are none."""
    folder = tmp_path / "mixed"
    shutil.copytree(pictures, folder)
    (folder / "notes.txt").write_text("Dear diary,")
    (folder / "cut.png").write_bytes((folder / "0.png").read_bytes()[:60])
    return folder


@pytest.mark.slow
def test_what_was_left_out_of_a_folder_is_said_once(mixed: Path, aecore: Any) -> None:
    command = ["train", LAYERS, "conv2 | conv3:k1:sigmoid", "--dataset", f"folder:{mixed}", "--epochs", 1, "--json"]
    said = aecore(*command).err
    assert said.splitlines()[0] == LEFT_OUT
    assert said.count("left out") == 1
    assert aecore(*command).err.count(LEFT_OUT) == 1  # also where both runs are in the store
    assert aecore("score", "pca-4", "jpeg-50", "--dataset", f"folder:{mixed}").err.strip() == LEFT_OUT


@pytest.mark.slow
def test_a_process_writes_no_warning_of_pythons(mixed: Path) -> None:
    running = process("train", LAYERS, "--dataset", f"folder:{mixed}", "--epochs", 1)
    _, said = running.communicate()
    assert running.returncode == 0
    assert said.startswith(LEFT_OUT)
    assert "arning" not in said


def test_how_fast_an_architecture_trains_is_measured_and_kept(aecore: Any, checkpoints: Path) -> None:
    facts = aecore("measure", LAYERS, "--batch-size", 20, "--device", "cpu", "--json").json
    assert (facts["architecture"], facts["batch_size"], facts["device"]) == (LAYERS, 20, "cpu")
    assert facts["images_per_second"] > 0
    spec = RunSpec(Architecture.parse(LAYERS), Recipe(batch_size=20), "sample", "")
    estimate = costs.estimate(spec, "cpu")
    assert estimate is not None
    assert estimate.images_per_second == pytest.approx(facts["images_per_second"], rel=0.01)
    assert "trains at" in aecore("measure", LAYERS, "--device", "cpu").out
    assert Store(checkpoints).listing().runs == []


def test_a_light_run_keeps_scores_and_curve_but_no_weights(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    command = ["train", LAYERS, "--dataset", f"folder:{pictures}", "--epochs", 1]
    assert aecore(*command, "--light").status == 0
    run = Store(checkpoints).find("custom")
    assert (run.is_light, run.missing(), len(run.history()), len(run.scores())) == (True, [], 1, 4)
    refused = aecore("score", "custom")
    assert refused.status == 1
    assert "stored without its weights" in refused.err
    assert aecore(*command).status == 0
    assert not Store(checkpoints).find("custom").is_light
    assert aecore("score", "custom").status == 0


def test_a_penalty_reaches_the_run_and_its_curve(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    line = "conv4 | sparsity | conv3:k1:sigmoid"
    command = ["train", line, "--dataset", f"folder:{pictures}", "--epochs", 2, "--penalty", "sparsity:0.5"]
    assert aecore(*command).status == 0
    run = Store(checkpoints).find("custom")
    assert run.spec.recipe.penalty_weights == {"sparsity": 0.5}
    assert (run.history()["sparsity"] > 0).all()
    assert "sparsity:0.5" in aecore("show", "custom").out
    refused = aecore("train", LAYERS, "--penalty", "sparsity:0.5")
    assert refused.status == 1
    assert "no layer reports" in refused.err
