"""Runs: made once, whatever is asked and however often it is killed; run as a script, this file is the one killed."""

import hashlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from aecore.data import datasets
from aecore.data.catalog import DatasetError
from aecore.data.noise import Noise
from aecore.data.splits import to_float
from aecore.files.whole import canonical
from aecore.models import zoo
from aecore.models.recipe import RunSpec
from aecore.runs import execution, store
from aecore.runs.events import Finished, Restarted, Resumed, Scored
from aecore.runs.execution import RunError
from aecore.runs.store import HISTORY, PREVIEW, RUN, SCORES, STATE, STATES, WEIGHTS, Store, StoreError
from aecore.training import initialisation
from aecore.training.events import EpochEnded, NotFiniteError, State
from tests.aecore.finished import finish, without_noise_version
from tests.aecore.rounding import EXACT, in_decibels, of_mse
from tests.aecore.small_runs import result, spec_of

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[3]
KILLS = 60
SIX_DIGITS = 5e-6  # half of the last one, to which scores are kept in their file
FINISHED_FILES = (WEIGHTS, HISTORY, SCORES, PREVIEW, RUN)
pytestmark = pytest.mark.usefixtures("one_thread")


def make(spec: RunSpec, root: Path, **options: Any) -> list[Any]:
    return list(execution.execute(spec, store=Store(root), device=CPU, **options))


def stop_after(spec: RunSpec, root: Path, epoch: int) -> None:
    events = execution.execute(spec, store=Store(root), device=CPU)
    next(event for event in events if isinstance(event, EpochEnded) and event.row.epoch == epoch)
    events.close()  # type: ignore[attr-defined]


def touched(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*") if ".locks" not in file.parts}


# ---- plan


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An empty store, and a folder without data sets."""
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "data"))
    return {"store": Store(tmp_path / "store")}


def test_where_the_systems_data_is_absent_the_sample_takes_its_place(nowhere: dict[str, Any]) -> None:
    system = zoo.SYSTEMS["shallow-strided"]
    spec = execution.plan(system, **nowhere, seed=3, epochs=1, images=100)
    assert (spec.dataset, spec.fingerprint) == ("sample", datasets.load("sample").fingerprint)
    assert (spec.recipe.epochs, spec.recipe.images, spec.seed, spec.name) == (1, 100, 3, "shallow-strided")
    assert spec.architecture == system.architecture


@pytest.mark.parametrize(("line", "dataset"), [("3x96x96 | ", "scenes-96"), ("3x64x64 | ", "scenes-64")])
def test_pictures_of_an_architectures_own_shape_take_the_place(
    nowhere: dict[str, Any], line: str, dataset: str
) -> None:
    start = zoo.from_text(f"{line}conv4:s2 | up | conv3:k1:sigmoid")
    spec = execution.plan(start, **nowhere)
    assert (spec.dataset, spec.fingerprint) == (dataset, datasets.load(dataset).fingerprint)


def test_on_pictures_of_another_size_a_system_has_the_same_layers(nowhere: dict[str, Any]) -> None:
    system = zoo.SYSTEMS["shallow-strided"]
    spec = execution.plan(system, dataset="scenes-64", **nowhere)
    assert spec.architecture.layers == system.architecture.layers
    assert str(spec.architecture) == f"3x64x64 | {system.architecture}"
    assert spec.architecture.code_size == 4 * (system.architecture.code_size or 0)
    assert not zoo.is_own(spec)
    with pytest.raises(RunError, match=r"dense takes pictures of 3×32×32, and its layers do not fit those of Embedded"):
        execution.plan(zoo.SYSTEMS["dense"], dataset="scenes-64", **nowhere)


def test_a_data_set_asked_for_is_never_replaced(nowhere: dict[str, Any], pictures: Path) -> None:
    system = zoo.SYSTEMS["shallow-strided"]
    spec = execution.plan(system, dataset="cifar10", **nowhere)
    assert spec.dataset == "cifar10"
    with pytest.raises(DatasetError, match="python -m aecore data fetch cifar10"):
        list(execution.execute(spec, **nowhere, device=CPU))
    planned = execution.plan(system, dataset=f"folder:{pictures}", **nowhere)
    assert planned.dataset == f"folder:{pictures}"
    assert execution.plan(system, dataset=datasets.load(f"folder:{pictures}"), **nowhere) == planned


def test_where_the_sample_does_not_fit_the_absent_data_is_told(nowhere: dict[str, Any]) -> None:
    spec = execution.plan(zoo.SYSTEMS["mnist-dense"], **nowhere)
    assert spec.dataset == "mnist"
    with pytest.raises(DatasetError, match="python -m aecore data fetch mnist"):
        list(execution.execute(spec, **nowhere, device=CPU))


def test_a_published_run_is_found_without_its_data(nowhere: dict[str, Any]) -> None:
    system = zoo.SYSTEMS["shallow-strided"]
    spec = execution.plan(system, dataset="cifar10", **nowhere)
    weights = initialisation.build(spec.architecture, spec.recipe, 0, CPU).state_dict()
    finish(nowhere["store"], spec, weights)
    assert execution.plan(system, **nowhere) == spec
    events = list(execution.execute(spec, **nowhere))
    assert [(type(event), event.cached) for event in events] == [(Finished, True)]
    assert execution.plan(system, **nowhere, epochs=1).dataset == "sample"


# ---- execute


def test_the_second_time_a_run_comes_from_the_store_untouched(pictures: Path, tmp_path: Path) -> None:
    spec = spec_of(pictures)
    first = make(spec, tmp_path)
    assert sum(isinstance(event, EpochEnded) for event in first) == 3
    assert [type(event) for event in first[-2:]] == [Scored, Finished]
    assert (first[-2].pictures, first[-2].of) == (4, 4)
    assert not first[-1].cached
    before = touched(tmp_path)
    assert make(spec, tmp_path) == [Finished(first[-1].run, cached=True)]
    assert touched(tmp_path) == before


def test_a_runs_figures_are_those_of_its_model_on_the_test_pictures(pictures: Path, tmp_path: Path) -> None:
    run = make(spec_of(pictures, noise=Noise("gaussian", 0.2)), tmp_path / "noisy")[-1].run
    assert run.totals.pictures == 4
    run = make(spec_of(pictures), tmp_path / "clean")[-1].run
    test = datasets.load(run.spec.dataset).test
    clean = test.pixels.numpy() / 255
    output = np.clip(run.model()(to_float(test.pixels)).numpy().astype(float), 0, 1)
    errors = ((output - clean) ** 2).mean((1, 2, 3))
    scores, bound = run.scores(), of_mse(test.pixels[0]) + SIX_DIGITS
    np.testing.assert_allclose(scores["mse"], errors, rtol=bound)
    np.testing.assert_allclose(scores["psnr"], -10 * np.log10(errors), rtol=SIX_DIGITS, atol=in_decibels(bound))
    assert scores["label"].tolist() == test.labels.tolist()
    assert run.totals.mse == pytest.approx(scores["mse"].mean(), rel=SIX_DIGITS)
    assert run.totals.psnr_pooled == pytest.approx(-10 * np.log10(run.totals.mse), rel=EXACT)
    assert run.totals.psnr_mean == pytest.approx(scores["psnr"].mean(), rel=SIX_DIGITS)

    preview = np.asarray(Image.open(BytesIO(run.read(PREVIEW))))
    assert preview.shape == (64, 4 * 32, 3)
    assert np.array_equal(preview[:32], np.concatenate(list(test.pixels.permute(0, 2, 3, 1).numpy()), axis=1))
    sheet = np.concatenate(list(output.transpose(0, 2, 3, 1)), axis=1) * 255
    assert np.abs(preview[32:] - sheet).max() <= 0.51


def test_half_precision_is_what_is_kept_and_what_is_scored(pictures: Path, tmp_path: Path) -> None:
    spec = spec_of(pictures)
    whole = make(spec, tmp_path / "whole")[-1].run
    half = make(spec, tmp_path / "half", half=True)[-1].run
    assert half.dtype == "float16"
    test = to_float(datasets.load(spec.dataset).test.pixels)
    for name, values in whole.model().module.state_dict().items():
        halved = half.model().module.state_dict()[name]
        assert torch.equal(halved, values.half().float() if values.is_floating_point() else values)
    errors = (half.model()(test).clamp(0, 1).double() - test).square().flatten(1).mean(1)
    np.testing.assert_allclose(half.scores()["mse"], errors, rtol=of_mse(test[0]) + SIX_DIGITS)


def test_scored_again_a_run_is_as_if_it_had_been_trained_now(pictures: Path, tmp_path: Path) -> None:
    spec, checkpoints = spec_of(pictures, noise=Noise("gaussian", 0.2)), Store(tmp_path)
    now = make(spec, tmp_path)[-1].run
    expected = result(now)
    older = without_noise_version(checkpoints.rescore(now, now.scores().assign(mse=1.0), b"another"))
    *scored, last = execution.rescored(older, checkpoints)
    assert scored == [Scored(4, 4)]
    assert (last.run.totals, last.run.is_comparable) == (now.totals, True)
    assert result(last.run) == expected


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_stopped_run_goes_on_and_ends_as_if_it_had_not(epoch: int, pictures: Path, tmp_path: Path) -> None:
    spec = spec_of(pictures, noise=Noise("gaussian", 0.2))
    stop_after(spec, tmp_path / "stopped", epoch)
    events = make(spec, tmp_path / "stopped")
    assert events[0] == Resumed(epoch)
    assert [event.row.epoch for event in events if isinstance(event, EpochEnded)] == [1, 2, 3][epoch:]
    assert result(events[-1].run) == result(make(spec, tmp_path / "whole")[-1].run)


@pytest.mark.parametrize("damaged", [1, 2])
def test_a_damaged_state_is_told_and_the_run_goes_on_from_the_one_before(
    damaged: int, pictures: Path, tmp_path: Path
) -> None:
    spec = spec_of(pictures)
    stop_after(spec, tmp_path / "stopped", 2)
    folder = Store(tmp_path / "stopped").listing().unfinished[0].path
    for name in STATES[:damaged]:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)
    events = make(spec, tmp_path / "stopped")
    messages = [f"{folder.name}/{name} is damaged; it was set aside as {name}.damaged." for name in STATES[:damaged]]
    assert events[0] == (Resumed(1, messages[0]) if damaged == 1 else Restarted(" ".join(messages)))
    assert [event.row.epoch for event in events if isinstance(event, EpochEnded)] == [1, 2, 3][2 - damaged :]
    assert result(events[-1].run) == result(make(spec, tmp_path / "whole")[-1].run)


def test_data_that_changed_since_the_run_was_planned_is_refused(pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for file in pictures.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    spec = spec_of(folder)
    Image.new("RGB", (32, 32), "red").save(folder / "another.png")
    with pytest.raises(RunError, match=rf"its fingerprint is \w{{12}}, not {spec.fingerprint[:12]}\."):
        make(spec, tmp_path / "store")
    assert Store(tmp_path / "store").listing().runs == []


def test_a_loss_that_is_no_number_leaves_the_last_good_state_in_the_store(pictures: Path, tmp_path: Path) -> None:
    """The state of epoch 1 is made so large (yet finite) that the loss of epoch 2 overflows at its first step."""
    spec = spec_of(pictures, layers="conv4:linear | conv3:k1:linear")
    stop_after(spec, tmp_path, 1)
    checkpoints = Store(tmp_path)
    state = checkpoints.read_state(spec)
    assert state is not None
    large = {name: values * 1e18 for name, values in state.weights.items()}
    checkpoints.write_state(spec, State(1, large, state.optimiser, state.history))
    with pytest.raises(NotFiniteError, match="epoch 2 at step 1; the weights after epoch 1 are kept") as caught:
        make(spec, tmp_path)
    assert (caught.value.epoch, caught.value.step) == (2, 1)
    back = checkpoints.read_state(spec)
    assert back is not None
    assert back.epoch == 1
    assert all(torch.equal(back.weights[name], values) for name, values in large.items())


def test_a_run_of_another_version_is_left_alone_and_nothing_is_trained(pictures: Path, tmp_path: Path) -> None:
    spec = spec_of(pictures)
    file = make(spec, tmp_path)[-1].run.path / RUN
    facts = json.loads(file.read_bytes())
    facts.pop("sha256")
    facts["format"] += 1
    file.write_text(json.dumps(facts | {"sha256": hashlib.sha256(canonical(facts)).hexdigest()}))
    with pytest.raises(StoreError, match="was written by another version of aecore; it is left alone"):
        next(iter(execution.execute(spec, store=Store(tmp_path), device=CPU)))


# ---- light runs


def test_a_light_run_has_the_figures_of_the_full_one_and_no_weights(pictures: Path, tmp_path: Path) -> None:
    spec = spec_of(pictures, noise=Noise("gaussian", 0.2))
    light = make(spec, tmp_path / "light", light=True)[-1].run
    full = make(spec, tmp_path / "full")[-1].run
    assert {file.name for file in light.path.iterdir()} == {RUN, HISTORY, SCORES, PREVIEW}
    assert (light.is_light, full.is_light) == (True, False)
    assert (light.totals, light.dtype) == (full.totals, full.dtype)
    for name in (SCORES, PREVIEW):
        assert light.read(name) == full.read(name)
    assert Store(tmp_path / "light").listing() == store.Listing(runs=[light])
    with pytest.raises(StoreError, match="was stored without its weights"):
        light.model()


def test_a_light_run_is_made_once(pictures: Path, tmp_path: Path) -> None:
    spec = spec_of(pictures)
    first = make(spec, tmp_path, light=True)[-1]
    before = touched(tmp_path)
    assert not first.cached
    assert make(spec, tmp_path, light=True) == [Finished(first.run, cached=True)]
    assert touched(tmp_path) == before


def test_where_a_full_run_is_wanted_a_light_one_is_trained_again_and_replaced(pictures: Path, tmp_path: Path) -> None:
    spec = spec_of(pictures)
    make(spec, tmp_path / "light", light=True)
    events = make(spec, tmp_path / "light")
    assert [event.row.epoch for event in events if isinstance(event, EpochEnded)] == [1, 2, 3]
    assert (events[-1].cached, events[-1].run.is_light) == (False, False)
    assert Store(tmp_path / "light").listing().runs == [events[-1].run]
    assert result(events[-1].run) == result(make(spec, tmp_path / "whole")[-1].run)


def test_a_full_run_serves_where_a_light_one_would_do(pictures: Path, tmp_path: Path) -> None:
    spec = spec_of(pictures)
    full = make(spec, tmp_path)[-1].run
    before = touched(tmp_path)
    assert make(spec, tmp_path, light=True) == [Finished(full, cached=True)]
    assert touched(tmp_path) == before


def test_a_full_run_that_was_stopped_goes_on_though_the_light_one_was_asked_for_meanwhile(
    pictures: Path, tmp_path: Path
) -> None:
    spec = spec_of(pictures)
    light = make(spec, tmp_path / "stopped", light=True)[-1].run
    stop_after(spec, tmp_path / "stopped", 2)
    assert make(spec, tmp_path / "stopped", light=True) == [Finished(light, cached=True)]
    events = make(spec, tmp_path / "stopped")
    assert events[0] == Resumed(2)
    assert result(events[-1].run) == result(make(spec, tmp_path / "whole")[-1].run)
    assert not any((events[-1].run.path / name).exists() for name in STATES)


@pytest.mark.parametrize("light", [True, False])
def test_a_run_that_was_stopped_ends_light_or_full_as_it_is_asked_for(
    light: bool, pictures: Path, tmp_path: Path
) -> None:
    spec = spec_of(pictures)
    stop_after(spec, tmp_path, 2)
    events = make(spec, tmp_path, light=light)
    assert events[0] == Resumed(2)
    assert events[-1].run.is_light == light
    assert not any((events[-1].run.path / name).exists() for name in STATES)


def test_a_light_run_is_whole_until_the_full_one_replaces_it(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies just before the full run's `run.json` is there: the next one finishes from the last epoch."""
    spec, checkpoints = spec_of(pictures), Store(tmp_path)
    make(spec, tmp_path, light=True)
    stop_after(spec, tmp_path, 3)
    assert checkpoints.listing().damaged == []
    assert checkpoints.finished(spec, light=True) is not None
    _die_before_run_json(spec, tmp_path, monkeypatch)
    assert [run.epoch for run in checkpoints.listing().unfinished] == [3]
    assert checkpoints.finished(spec, light=True) is None
    events = make(spec, tmp_path)
    assert events[0] == Resumed(3)
    assert not events[-1].run.is_light


def _die_before_run_json(spec: RunSpec, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole = store.write_whole

    def dying(path: Path, content: bytes, before: Path | None = None) -> None:
        if path.name == RUN:
            raise KeyboardInterrupt
        write_whole(path, content, before)

    monkeypatch.setattr(store, "write_whole", dying)
    with pytest.raises(KeyboardInterrupt):
        make(spec, root)
    monkeypatch.undo()


def test_a_run_whose_store_cannot_be_written_says_so(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="AECORE_CHECKPOINTS"):
        make(spec_of(pictures), tmp_path / "file")


def test_a_mended_run_killed_while_it_is_written_is_never_half_old_and_half_new(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the run was lost, it is made again, and the process dies just before the new `run.json` is there."""
    spec = spec_of(pictures)
    run = make(spec, tmp_path)[-1].run
    (run.path / "preview.png").unlink()
    _die_before_run_json(spec, tmp_path, monkeypatch)
    listed = Store(tmp_path).listing()
    for finished in listed.runs:
        result(finished)
    assert [unfinished.epoch for unfinished in listed.unfinished] == [3]


# ---- several processes, and processes that are killed


@pytest.mark.slow
def test_two_processes_that_ask_at_once_train_once(pictures: Path, tmp_path: Path) -> None:
    answers = script("twice", pictures, tmp_path / "store")
    assert sorted(answer["cached"] for answer in answers) == [False, True]
    trained, waited = sorted(answers, key=lambda answer: answer["cached"])
    assert trained["epochs"] == 60
    assert waited["epochs"] == 0
    assert trained["finished"] == waited["finished"]
    assert len(Store(tmp_path / "store").listing().runs) == 1


@pytest.mark.slow
def test_a_run_killed_again_and_again_goes_on_and_ends_with_the_same_bits(pictures: Path, tmp_path: Path) -> None:
    report = script("kills", pictures, tmp_path)
    assert report["kills"] >= KILLS
    phases = report["phases"]
    assert sum(phases.values()) == report["kills"]
    assert phases["training"] >= 15
    assert phases["finishing"] >= 5
    assert report["torn"] >= 5, "kills that left a half-written file"
    assert report["left"] == [], "no half-written file outlives the run"
    assert report["wrong"] == []
    assert report["runs"] >= 3


def script(name: str, pictures: Path, root: Path) -> Any:
    """What this file says, run as a script in a process of its own, which forks before torch starts a thread."""
    variables = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, __file__, name, str(pictures), str(root)], env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _twice(pictures: Path, root: Path) -> list[dict[str, Any]]:
    spec = spec_of(pictures, epochs=60)
    context = multiprocessing.get_context("fork")
    ready, reports = context.Barrier(2), context.SimpleQueue()

    def ask() -> None:
        ready.wait()
        events = make(spec, root)
        reports.put(
            {
                "cached": events[-1].cached,
                "finished": events[-1].run.finished,
                "epochs": sum(isinstance(event, EpochEnded) for event in events),
            }
        )

    processes = [context.Process(target=ask) for _ in range(2)]
    for process in processes:
        process.start()
    answers = [reports.get() for _ in processes]
    for process in processes:
        process.join()
    return answers


def _kills(pictures: Path, root: Path) -> dict[str, Any]:
    """Make runs in forked children that are killed at random moments, and look at the store after each."""
    import piq  # noqa: F401 - imported once, before any child is forked

    draw, checkpoints = random.Random(0), Store(root / "killed")
    phases = {"starting": 0, "training": 0, "finishing": 0}
    seed, torn, wrong, left = 0, 0, list[str](), list[str]()
    while sum(phases.values()) < KILLS:
        spec = spec_of(pictures, seed, epochs=8, noise=Noise("gaussian", 0.2))
        epoch = 0
        while True:
            last, killed, resumed = _attempt(spec, checkpoints.root, draw)
            torn += any(checkpoints.root.rglob("*.part"))
            state = checkpoints.read_state(spec)
            listing = checkpoints.listing()
            wrong += listing.damaged
            wrong += [str(path) for path in checkpoints.root.rglob("*.damaged")]
            run = checkpoints.finished(spec)
            if resumed not in (epoch, None):
                wrong.append(f"seed {seed}: resumed after epoch {resumed}, not {epoch}")
            now = state.epoch if state else 8 if run else 0
            if now < max(epoch, *(int(word) for word in last.split()[1:])):
                wrong.append(f"seed {seed}: epoch {now} after {epoch} and {last}")
            epoch = now
            if killed:
                phases["finishing" if last[0] in "SFC" else "training" if last[0] in "REP" else "starting"] += 1
            if run:
                whole = _whole(spec, root / "whole")
                if result(run) != whole:
                    wrong.append(f"seed {seed}: another result than that of a run that was not killed")
            if run and not killed:
                left += [str(path) for path in checkpoints.root.rglob("*.part")]
                break
        seed += 1
    return {"kills": sum(phases.values()), "phases": phases, "torn": torn, "runs": seed, "wrong": wrong, "left": left}


def _attempt(spec: RunSpec, root: Path, draw: random.Random) -> tuple[str, bool, int | None]:
    """One forked attempt: the last it told, whether it was killed, and the epoch (if told) that it went on from."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _tell(spec, root, writing)
    os.close(writing)
    lines, folder = ["- 0"], root / spec.folder
    with os.fdopen(reading) as pipe:
        match draw.choice(["moment", "epoch", "scored", "state", "state", "file"]):
            case "moment":
                delay = 0.25
            case "epoch":
                delay = 0.02
                _read_until(pipe, "E", 1 + draw.randrange(4), lines)
            case "scored":
                delay = 0.02
                _read_until(pipe, "S", 1, lines)
            case kind:
                name = STATE if kind == "state" else draw.choice(FINISHED_FILES)
                _wait_for_writing(folder, name, child)
                delay = 0.001
        time.sleep(draw.uniform(0, delay))
        os.kill(child, signal.SIGKILL)
        lines += [line.strip() for line in pipe]
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status)
    if not killed and status:
        raise SystemExit("an attempt failed by itself")
    resumed = None
    if len(lines) > 1:  # a run in the store stands at its last epoch
        resumed = int(lines[1].split()[1]) if lines[1][0] in "RC" else 0
    return lines[-1], killed, resumed


def _read_until(pipe: Iterable[str], event: str, count: int, lines: list[str]) -> None:
    """Append the lines of `pipe` to `lines` up to the one that names `event` for the `count`th time."""
    for line in pipe:
        lines.append(line.strip())
        count -= line[0] == event
        if not count:
            return


def _wait_for_writing(folder: Path, name: str, child: int) -> None:
    """Until the child writes the file called `name`, or ends."""
    part = folder / f".{name}.{child}.part"
    while not part.exists() and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.0001)


def _tell(spec: RunSpec, root: Path, pipe: int) -> None:
    """Make the run, a line an event; this process ends here."""
    status = 1
    try:
        for event in execution.execute(spec, store=Store(root), device=CPU):
            match event:
                case Resumed(epoch):
                    line = f"R {epoch}"
                case EpochEnded(row):
                    line = f"E {row.epoch}"
                case Scored():
                    line = f"S {spec.recipe.epochs}"
                case Finished(_, cached):
                    line = f"C {spec.recipe.epochs}" if cached else f"F {spec.recipe.epochs}"
                case Restarted():
                    line = "X 0"
                case _:
                    line = "P 0"
            os.write(pipe, f"{line}\n".encode())
        status = 0
    finally:
        os._exit(status)


def _whole(spec: RunSpec, root: Path) -> dict[str, Any]:
    """The result of the same run in one go, in a child of its own as well."""
    child = os.fork()
    if child == 0:
        _tell(spec, root, os.open(os.devnull, os.O_WRONLY))
    assert os.waitpid(child, 0)[1] == 0
    run = Store(root).finished(spec)
    assert run is not None
    return result(run)


if __name__ == "__main__":
    torch.set_num_threads(1)
    making = {"twice": _twice, "kills": _kills}[sys.argv[1]]
    print(json.dumps(making(Path(sys.argv[2]), Path(sys.argv[3]))))
