"""The command line: what it prints is true, and whatever is wrong is told in a sentence."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from aecore.cli import main
from aecore.data import catalog, datasets
from aecore.data.noise import Noise, key
from aecore.data.splits import to_float
from aecore.measuring.totals import Totals
from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.runs import execution, store
from aecore.runs.outcome import Trained
from aecore.runs.store import Store
from aecore.scheduling import costs, supervision
from aecore.scheduling.queue import Queue
from aecore.training.events import Epoch, Progress, State
from aecore.training.initialisation import build

ROOT = Path(__file__).parents[3]
LAYERS = "conv4 | conv3:k1:sigmoid"
COMMANDS = [
    "list",
    "show",
    "train",
    "sweep",
    "runs",
    "runs show",
    "runs cancel",
    "runs pause",
    "runs resume",
    "runs log",
    "score",
    "data",
    "data status",
    "data fetch",
    "publish",
    "rates",
    "measure",
    "work",
]


@pytest.fixture(autouse=True)
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty store and no data but what a test names; nothing is wrapped, and nothing is left of the signals."""
    handler, threads = signal.getsignal(signal.SIGTERM), torch.get_num_threads()
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "500")
    torch.set_num_threads(1)
    yield tmp_path / "checkpoints"
    torch.set_num_threads(threads)
    signal.signal(signal.SIGTERM, handler)


class Told:
    """A finished command: its status, what it printed and what it said beside it."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def aecore(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> Told:
        capsys.readouterr()
        status = main.main([str(each) for each in arguments])
        return Told(status, *capsys.readouterr())

    return run


def process(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """The command in a process of its own, which hears Ctrl-C even where the tests run in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "aecore", *map(str, arguments)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **options,
    )  # fmt: skip


def files(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file() and file.suffix != ".lock"}


# ---- what there is


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["--help"])
    assert ended.value.code == 0
    overview = capsys.readouterr().out
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main.main([*command.split(), "--help"])
        assert ended.value.code == 0
        assert f"python -m aecore {command}" in capsys.readouterr().out
        assert re.search(rf"^ +{command.split()[0]}  +\w", overview, re.MULTILINE)
    listed = re.findall(r"^    (\w+) ", overview, re.MULTILINE)
    assert sorted(listed) == sorted({command.split()[0] for command in COMMANDS})


def test_the_list_has_every_system_with_what_its_architecture_costs(aecore: Any) -> None:
    rows = {row["name"]: row for row in aecore("list", "--json").json}
    assert list(rows) == list(zoo.SYSTEMS)
    row = rows["shallow-strided-bn"]
    assert (row["parameters"], row["code"], row["epochs"], row["dataset"]) == (28_931, 8192, 4, "cifar10")
    assert row["layers"].startswith("conv32 | bn | conv32:s2 |")
    text = aecore("list").out
    assert all(name in text for name in rows)
    assert "28,931" in text


def test_a_system_is_shown_layer_by_layer(aecore: Any) -> None:
    told = aecore("show", "shallow-strided", "--json").json
    assert told["architecture"] == "conv32 | conv32:s2 | conv32 | up | conv32 | conv3:k1:sigmoid"
    assert [layer["output"] for layer in told["layers"]] == [
        "32×32×32", "32×16×16", "32×16×16", "32×32×32", "32×32×32", "3×32×32",
    ]  # fmt: skip
    assert [layer["parameters"] for layer in told["layers"]] == [896, 9248, 9248, 0, 9248, 99]
    assert told["parameters"] == sum(layer["parameters"] for layer in told["layers"])
    assert told["macs"] == sum(layer["MACs"] for layer in told["layers"])
    assert (told["code_size"], told["recipe"]["epochs"], told["run"]) == (8192, 2, None)
    text = aecore("show", "shallow-strided").out
    assert "28,739 parameters" in text
    assert "2.67× the picture's" in text
    assert "Not trained yet: python -m aecore train 'shallow-strided'" in text


def test_a_line_of_layers_is_shown_as_it_is(aecore: Any) -> None:
    told = aecore("show", "1x28x28 | flatten | dense8 | dense784:sigmoid | reshape1x28x28", "--json").json
    assert (told["name"], told["code_size"], told["code_shape"]) == ("custom", 8, [8])
    assert told["parameters"] == 784 * 8 + 8 + 8 * 784 + 784


def test_an_empty_store_says_how_to_begin(aecore: Any) -> None:
    assert "python -m aecore train shallow-strided" in aecore("runs").out
    assert aecore("runs", "--json").json == []


def test_the_data_sets_are_told_with_whether_they_are_here(aecore: Any, tmp_path: Path) -> None:
    rows = {row["name"]: row for row in aecore("data", "status", "--json").json}
    assert list(rows) == list(catalog.NAMES)
    assert [name for name, row in rows.items() if row["here"]] == ["sample"]
    assert rows["cifar10"]["pictures"] == 60_000
    assert rows["cifar10"]["path"] == str(tmp_path / "data" / "cifar-10-batches-py")
    assert re.search(r"cifar10 .* no ", aecore("data", "status").out)


def test_real_data_is_told_as_here(aecore: Any, real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_DATA", str(real_data))
    here = {row["name"]: row["here"] for row in aecore("data", "status", "--json").json}
    assert here["cifar10"]


# ---- train, runs, show, score


def test_a_run_is_trained_once_and_listed_shown_and_scored(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    command = ["train", LAYERS, "--dataset", f"folder:{pictures}", "--epochs", 2, "--batch-size", 8, "--json"]
    told = aecore(*command)
    assert told.status == 0
    assert "finished: " in told.err
    [row] = told.json
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
    assert again.json == told.json
    assert files(checkpoints) == before

    assert aecore("runs", "--json").json == told.json
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
    drawn = [torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(key(3, each))) for each in range(4)]
    output = run.model()(clean + 0.5 * torch.stack(drawn)).clamp(0, 1)
    assert noisy["MSE"] == pytest.approx(float((output - clean).square().mean()), rel=1e-3)
    assert aecore("score", "custom", "--noise", "gaussian:0.5", "--seed", 3, "--json").json == [noisy]
    assert aecore("score", "custom", "--noise", "gaussian:0.5", "--seed", 4, "--json").json != [noisy]
    assert [line.split()[2] for line in aecore("score", "custom", run.key[:5]).out.splitlines()[1:]] == ["none"] * 2


def test_every_option_of_the_recipe_reaches_the_run(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    told = aecore(
        "train", LAYERS, "conv2 | conv3:k1:sigmoid", "--dataset", f"folder:{pictures}", "--epochs", 1, "--images", 20,
        "--batch-size", 7, "--learning-rate", 0.01, "--loss", "bce", "--noise", "salt-pepper:0.1",
        "--initialisation", "torch", "--schedule", "cosine", "--seed", 5, "--device", "cpu",
    )  # fmt: skip
    assert told.status == 0
    kept = Store(checkpoints).listing().runs
    assert {str(run.spec.architecture) for run in kept} == {LAYERS, "conv2 | conv3:k1:sigmoid"}
    for run in kept:
        assert run.spec.recipe.to_json() == {
            "epochs": 1, "batch_size": 7, "learning_rate": 0.01, "loss": "bce", "noise": "salt-pepper:0.1",
            "images": 20, "initialisation": "torch", "schedule": "cosine",
        }  # fmt: skip
        assert run.spec.seed == 5
        assert run.environment["device"] == "cpu"
    told = aecore("train", "denoise-030", "--dataset", f"folder:{pictures}", "--epochs", 1, "--noise", "none:0")
    assert Store(checkpoints).find("denoise-030").spec.recipe.noise is None
    assert zoo.SYSTEMS["denoise-030"].recipe.noise == Noise("gaussian", 0.3)


def test_without_data_a_system_trains_on_the_sample_and_says_so(aecore: Any, checkpoints: Path) -> None:
    told = aecore("train", "shallow-strided", "--epochs", 1, "--images", 100, "--json")
    assert told.status == 0
    assert "cifar10 is not here: training on the embedded sample" in told.err
    assert "python -m aecore data fetch cifar10" in told.err
    assert [(row["name"], row["dataset"]) for row in told.json] == [("shallow-strided", "sample")]
    assert Store(checkpoints).find("shallow-strided").totals.pictures == 1000


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
            if any(each.epoch > stood for each in listing.unfinished):
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
    told = aecore(*command)
    assert told.status == 0
    assert f"going on after epoch {stood}." in told.err
    run = Store(checkpoints).find("custom")
    assert run.history()["epoch"].tolist() == list(range(1, 201))
    assert sorted(file.name for file in run.path.iterdir()) == sorted([*run.files, "run.json"])


# ---- what is wrong

FOLDER = "folder:PICTURES"
WRONG = {
    "system": (["train", "shalow-strided"], "no system 'shalow-strided': did you mean shallow-strided? Systems: mnist"),
    "shown": (["show", "shalow-strided"], "did you mean shallow-strided?"),
    "run": (["score", "shallow-strided"], "There is no run 'shallow-strided' in "),
    "layer": (["train", "conv4 | cnv3"], "Layer 2 (`cnv3`): there is no such layer, did you mean `conv`?"),
    "shape": (["train", "conv4 | pool"], "must end with 3×32×32"),
    "noise": (["train", LAYERS, "--noise", "gausian:0.1"], "did you mean gaussian?"),
    "level": (["train", LAYERS, "--noise", "gaussian:9"], "must be from 0 to 2, not 9"),
    "not a level": (["train", LAYERS, "--noise", "gaussian:nan"], "must be from 0 to 2, not nan"),
    "no level": (["train", LAYERS, "--noise", "gaussian"], "write kind:level, for example gaussian:0.3"),
    "loss": (["train", LAYERS, "--loss", "msee"], "loss 'msee' is not known: did you mean mse? Legal: mse, bce, mae."),
    "bce": (["train", "conv3:k1:linear", "--loss", "bce"], "Cross-entropy needs outputs between 0 and 1"),
    "device": (["train", LAYERS, "--device", "tpu"], "no device 'tpu' on this machine; here: "),
    "epochs": (["train", LAYERS, "--epochs", "0"], "epochs must be a whole number from 1 to 10,000, not 0."),
    "batch": (["train", LAYERS, "--batch-size", "-1"], "batch size must be a whole number from 1 to 65,536, not -1."),
    "rate": (["train", LAYERS, "--learning-rate", "nan"], "learning rate must be above 0 and at most 10, not nan."),
    "images": (["train", LAYERS, "--images", "0"], "images must be at least 1, not 0"),
    "scored": (["score", "custom", "--images", "0"], "--images must be at least 1, not 0."),
    "initialisation": (["train", LAYERS, "--initialisation", "keres"], "did you mean keras? Legal: keras, torch, pca."),
    "data set": (["train", LAYERS, "--dataset", "cifar"], "No data set is called 'cifar': did you mean 'cifar10'"),
    "folder": (["train", LAYERS, "--dataset", "folder:/nowhere"], "There is no folder '/nowhere'"),
    "absent": (["train", LAYERS, "--dataset", "cifar10"], "run `python -m aecore data fetch cifar10`"),
    "mnist": (["train", "mnist-dense"], "run `python -m aecore data fetch mnist`"),
    "other shape": (["train", "mnist-dense", "--dataset", FOLDER], "takes pictures of 1×28×28; those of"),
    "diverges": (
        ["train", " | ".join(["conv3:k1:linear"] * 40), "--dataset", FOLDER, "--learning-rate", "10"],
        "The loss stopped being finite in epoch",
    ),
    "publish": (["publish"], "run `python -m aecore data fetch mnist`"),
    "fetch": (["data", "fetch", "sample"], "needs no fetching"),
    "fetched": (["data", "fetch", "cifar01"], "did you mean 'cifar10'"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_told_in_a_sentence(wrong: str, aecore: Any, pictures: Path) -> None:
    arguments, sentence = WRONG[wrong]
    told = aecore(*(each.replace("PICTURES", str(pictures)) for each in arguments))
    assert told.status == 1
    assert told.out == ""
    assert sentence in told.err
    assert "Traceback" not in told.err
    lines = [line for line in told.err.splitlines() if line.strip() and "━" not in line]
    assert len(lines) == 1, "the sentence, beside a bar at most"


def test_a_command_line_that_cannot_be_read_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["trian"], ["train"], ["train", LAYERS, "--epochs", "x"], ["data"], ["show"]):
        with pytest.raises(SystemExit) as ended:
            main.main(arguments)
        assert ended.value.code == 2
        assert "usage: python -m aecore" in capsys.readouterr().err


def finish(kept: Store, spec: RunSpec, weights: dict[str, torch.Tensor]) -> None:
    """A finished run without training for it."""
    scores = pd.DataFrame({"picture": [0], "label": [0], "mse": [0.01], "psnr": [20.0], "ssim": [0.5]})
    state = State(1, {}, {}, (Epoch(1, 0.1, 0.1, 0.1, 1.0, 12.0),))
    kept.finish(spec, state, Trained(weights, scores, Totals.of(scores), b"", {}))


def test_a_score_on_pictures_of_another_shape_is_refused(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    spec = execution.plan(zoo.SYSTEMS["mnist-dense"], dataset="mnist")
    model = build(spec.architecture, spec.recipe, 0, torch.device("cpu"))
    finish(Store(checkpoints), spec, dict(model.state_dict()))
    told = aecore("score", "mnist-dense", "--dataset", f"folder:{pictures}")
    assert told.status == 1
    assert re.fullmatch(r"mnist-dense takes pictures of 1×28×28; those of .* are 3×32×32\.\n", told.err)


def test_a_score_on_pictures_that_have_changed_since_says_so(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    aecore("train", LAYERS, "--dataset", f"folder:{pictures}", "--epochs", 1)
    assert "has changed" not in aecore("score", "custom").err
    next(pictures.rglob("*.png")).unlink()
    told = aecore("score", "custom", "--json")
    assert told.status == 0
    assert "has changed since custom was trained: some test pictures may be among those it learned from." in told.err


def test_json_has_no_number_where_a_picture_comes_back_without_error(aecore: Any) -> None:
    told = aecore("score", "identity", "--dataset", "sample", "--images", 3, "--json")
    [row] = json.loads(told.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (row["MSE"], row["PSNR pooled"], row["PSNR mean"], row["SSIM"]) == (0, None, None, 1)


def test_only_the_systems_own_runs_are_published(aecore: Any, checkpoints: Path) -> None:
    kept, half = Store(checkpoints), {"none": torch.zeros(1).half()}
    dense, shallow = (zoo.find(name) for name in ("dense", "shallow-strided"))
    finish(kept, execution.plan(dense, dataset="cifar10", seed=1), half)
    finish(kept, execution.plan(shallow, dataset="sample"), half)
    finish(kept, execution.plan(zoo.find("deep-strided-8"), dataset="cifar10"), half)
    told = aecore("publish", "deep-strided-8")
    assert told.status == 0
    assert "| deep-strided-8 |" in told.out
    assert "| dense |" not in told.out
    assert "| shallow-strided |" not in told.out


def test_publishing_takes_what_is_in_the_store_and_prints_a_line_a_system(aecore: Any, checkpoints: Path) -> None:
    for system in zoo.SYSTEMS.values():
        finish(Store(checkpoints), execution.plan(system, dataset=system.dataset), {"none": torch.zeros(1).half()})
    before = files(checkpoints)
    told = aecore("publish")
    assert told.status == 0
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in told.out.splitlines()]
    compressors = [name for name, system in zoo.SYSTEMS.items() if system.family == "compressing"]
    assert [line[0] for line in lines[2:] if line[0] in zoo.SYSTEMS] == [*zoo.SYSTEMS, *compressors]
    row = next(line for line in lines if line[0] == "shallow-strided-bn")
    assert row == ["shallow-strided-bn", "8,192", "28,931", "20.00", "20.00", "0.500", "12", "30.2"]
    assert files(checkpoints) == before


def test_a_damaged_file_is_told_beside_the_list_of_the_others(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    for seed in (0, 1):
        aecore("train", LAYERS, "--dataset", f"folder:{pictures}", "--epochs", 1, "--seed", seed)
    one, other = Store(checkpoints).listing().runs
    (one.path / store.RUN).write_text("{}")
    told = aecore("runs", "--json")
    assert told.status == 0
    assert [row["key"] for row in told.json] == [other.key[:12]]
    assert f"{one.path.name}/run.json is damaged; it was set aside as run.json.damaged." in told.err
    (other.path / store.WEIGHTS).write_bytes(b"")
    told = aecore("score", other.key[:8])
    assert told.status == 1
    assert f"{other.path.name}/weights.safetensors is damaged" in told.err
    assert "Train the same spec again to replace it." in told.err


@pytest.mark.parametrize("place", ["file", "file/inside"])
def test_a_store_that_cannot_be_written_is_told(
    place: str, aecore: Any, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / place))
    told = aecore("train", LAYERS, "--dataset", f"folder:{pictures}", "--epochs", 1)
    assert told.status == 1
    assert "cannot be written (" in told.err
    assert "set AECORE_CHECKPOINTS" in told.err
    assert aecore("runs").status == 0


def test_a_reader_that_goes_away_is_no_error_to_tell(tmp_path: Path) -> None:
    line = f"{shlex.quote(sys.executable)} -m aecore list | head -1"
    done = subprocess.run(["sh", "-c", line], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("name")
    assert done.stderr == ""
    running = process("list", "--json")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == ""
    running.stderr.close()
    running.wait()


def test_the_sentence_of_a_wrong_command_is_all_that_a_process_says() -> None:
    running = process("show", "shalow-strided")
    out, said = running.communicate()
    assert (running.returncode, out) == (1, "")
    assert said.startswith("There is no system 'shalow-strided': did you mean shallow-strided?")
    assert len(said.splitlines()) == 1


# ---- the queue


def test_what_is_queued_running_or_stopped_is_listed_beside_the_runs(
    aecore: Any, pictures: Path, checkpoints: Path
) -> None:
    command = ["train", LAYERS, "--dataset", f"folder:{pictures}", "--epochs", 2, "--batch-size", 8, "--json"]
    finished = aecore(*command).json
    spec = Store(checkpoints).find("custom").spec
    queue = Queue()
    with supervision.hold(checkpoints):  # the test is the supervisor
        ids = [queue.submit(replace(spec, seed=seed), "cpu").id for seed in range(6)]
        fences = {run: queue.start(run) for run in ids[1:4]}
        assert all(fences.values())
        queue.report(ids[1], fences[ids[1]] or 0, 2, Progress(1, 16, 33, 0.1, 1234.0, 7.0))
        queue.end(ids[3], fences[ids[3]] or 0, "failed", "The disk is full.")
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


def test_a_sweep_trains_every_system_with_every_seed(
    aecore: Any, pictures: Path, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aecore.scheduling.queue.QUEUED_AT_MOST", 2)  # the third one is asked for when there is room
    other = "conv2 | conv3:k1:sigmoid"
    command = ["sweep", LAYERS, other, "--seeds", "0-1", "--dataset", f"folder:{pictures}", "--epochs", 1]
    told = aecore(*command, "--device", "cpu")
    assert told.status == 0
    runs = Store(checkpoints).listing().runs
    assert sorted((str(run.spec.architecture), run.spec.seed) for run in runs) == [
        (other, 0), (other, 1), (LAYERS, 0), (LAYERS, 1)
    ]  # fmt: skip
    for layers in (LAYERS, other):
        totals = [run.totals.psnr_pooled for run in runs if str(run.spec.architecture) == layers]
        (line,) = [line for line in told.out.splitlines() if line.strip().startswith(layers)]
        assert line.strip().removeprefix(layers).split()[:3] == [
            "2", f"{np.mean(totals):.3f}", f"{np.std(totals, ddof=1):.3f}"
        ]  # fmt: skip
    again = aecore(*command, "--device", "cpu", "--json")
    assert sorted(row["key"] for row in again.json) == sorted(run.key[:12] for run in runs), "they were in the store"
    assert len(Queue().entries()) == 4


def test_a_sweep_tells_what_did_not_finish(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    command = ["sweep", LAYERS, "--seeds", "0,1", "--dataset", f"folder:{pictures}", "--device", "cpu"]
    with supervision.hold(checkpoints):
        threading.Timer(2, lambda: [Queue().cancel(entry.id) for entry in Queue().entries()]).start()
        told = aecore(*command)
    assert told.status == 1
    assert told.err.count("seed 0: cancelled after epoch 0") == 1
    assert "2 of 2 runs did not finish: `python -m aecore runs` tells why." in told.err
    assert "'x' is no seed" in aecore("sweep", LAYERS, "--seeds", "x").err
    assert "RAY_ADDRESS is ''" in aecore("sweep", LAYERS, "--engine", "ray").err


def test_the_queue_is_worked_off_in_the_foreground_too(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    name = f"folder:{pictures}"
    spec = RunSpec(Architecture.parse(LAYERS), Recipe(epochs=1), name, datasets.load(name).fingerprint)
    with supervision.hold(checkpoints):
        Queue().submit(spec, "cpu")
        assert "Another process supervises these runs." in aecore("work").err
    told = aecore("work")
    assert (told.status, told.err) == (0, "custom (run 1) started on cpu.\ncustom (run 1): finished.\n")
    assert aecore("work").err == "", "nothing is left to do"
    assert Store(checkpoints).finished(spec) is not None


def test_how_fast_an_architecture_trains_is_measured_and_kept(aecore: Any, checkpoints: Path) -> None:
    facts = aecore("measure", LAYERS, "--batch-size", 20, "--device", "cpu", "--json").json
    assert (facts["architecture"], facts["batch_size"], facts["device"]) == (LAYERS, 20, "cpu")
    assert facts["images_per_second"] > 0
    spec = RunSpec(Architecture.parse(LAYERS), Recipe(batch_size=20), "sample", "")
    found = costs.estimate(spec, "cpu")
    assert found is not None
    assert found.images_per_second == pytest.approx(facts["images_per_second"], rel=0.01)
    assert "trains at" in aecore("measure", LAYERS, "--device", "cpu").out
    assert Store(checkpoints).listing().runs == []


def test_naming_and_listing_import_no_torch(checkpoints: Path) -> None:
    """They answer at once only while the seconds that torch takes to import are left out."""
    code = "import sys; from aecore.cli import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    for command in (["list"], ["show", "dense"], ["runs"]):
        done = subprocess.run([sys.executable, "-c", code, *command], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"


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
        run, other = (queue.submit(spec, "cpu").id for spec in (long, short))
        assert aecore("runs", "pause", other).err == f"Run {other}, custom: paused after epoch 0 of 2.\n"
        shown = aecore("runs", "show", run, "--json").json
        assert (shown["id"], shown["state"], shown["position"], shown["epochs"]) == (run, "queued", 1, [])
        assert RunSpec.from_json(shown["spec"]) == long
        assert [row["id"] for row in aecore("runs", "--json").json] == [run, other]
    queue.reconcile()
    deadline = time.monotonic() + 90
    while queue.entry(run).whole_epochs < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    told = aecore("runs", "cancel", long.key[:8])
    assert re.fullmatch(rf"Run {run}, custom: cancelled after epoch \d+ of 1000\.\n", told.err)
    assert "Epoch 2 of 1000: training loss" in aecore("runs", "log", run).out
    assert len(aecore("runs", "log", run, "--lines", 1).out.splitlines()) == 1
    aecore("runs", "resume", other)
    while queue.entry(other).state != "finished" and time.monotonic() < deadline:
        time.sleep(0.05)
    shown = aecore("runs", "show", other)
    assert f"Run {other}, custom: finished after epoch 2 of 2" in shown.out
    assert LAYERS in shown.out
    assert [row["epoch"] for row in aecore("runs", "show", other, "--json").json["epochs"]] == [1, 2]
    wrong = aecore("runs", "show", "77")
    assert wrong.status == 1
    assert f"There is no run 77 in the queue of {checkpoints}. Its runs: {run}, {other}." in wrong.err
