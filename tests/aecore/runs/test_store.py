"""The store: what went in comes out bit for bit, and no damage to a file is overlooked or costs another run."""

import contextlib
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aecore.data import datasets
from aecore.data.noise import Noise
from aecore.measuring.totals import Totals
from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.reconstructors import trained
from aecore.reconstructors.trained import Model, half_precision
from aecore.runs import execution, store
from aecore.runs.events import Finished
from aecore.runs.outcome import Trained
from aecore.runs.store import (
    HISTORY,
    PREVIEW,
    RUN,
    SCORES,
    STATE,
    STATE_BEFORE,
    STATES,
    WEIGHTS,
    Run,
    Store,
    StoreError,
)
from aecore.training import initialisation
from aecore.training.events import Epoch, EpochEnded, State
from tests.aecore.finished import without_noise_version
from tests.aecore.rounding import EXACT
from tests.pages.copies import copied

CPU = torch.device("cpu")
TINY = Architecture.parse("conv4 | bn | conv3:k1:sigmoid")
pytestmark = pytest.mark.usefixtures("one_thread")


def spec_of(seed: int = 0, name: str = "custom", **recipe: Any) -> RunSpec:
    return RunSpec(TINY, Recipe(**({"epochs": 2} | recipe)), "sample", "0" * 64, seed, name)


def state_of(spec: RunSpec, epoch: int = 2) -> State:
    """A state with every kind of number that a real one has, without training for it."""
    weights = {
        name: values.contiguous()
        for name, values in initialisation.build(spec.architecture, spec.recipe, spec.seed, CPU).state_dict().items()
    }
    moments = {"0.step": torch.tensor(7.0), "0.exp_avg": torch.randn(4, 3, 3, 3), "0.exp_avg_sq": torch.rand(4) / 1e30}
    history = tuple(Epoch(number, 0.1 / number, 1 / 3, 0.25, 1234.5678, 9.87654321) for number in range(1, epoch + 1))
    return State(epoch, weights, moments, history)


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {"picture": [0, 1, 2], "label": [2, 0, 1], "mse": [0.01, 0.02, 0.03], "psnr": [20.0, 17.0, 15.2],
         "ssim": [0.9, 0.8, 0.7]}
    )  # fmt: skip


def write(
    checkpoints: Store, spec: RunSpec, weights: dict[str, torch.Tensor] | None = None, light: bool = False
) -> Run:
    state = state_of(spec)
    trained = Trained(weights or state.weights, table(), Totals.of(table()), b"not looked at", {"torch": "x"})
    return checkpoints.finish(spec, state, trained, light)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        values.dtype == other[name].dtype and values.numpy().tobytes() == other[name].numpy().tobytes()
        for name, values in one.items()
    )


# ---- what goes in comes out


def test_a_finished_run_comes_back_whole(tmp_path: Path) -> None:
    checkpoints, spec = Store(tmp_path), spec_of(noise=Noise("gaussian", 0.3), images=100)
    checkpoints.write_state(spec, state_of(spec, 1))
    written = write(checkpoints, spec)
    run = Store(tmp_path).find("custom")
    assert run == written
    assert (run.spec, run.key, run.dtype, run.missing()) == (spec, spec.key, "float32", [])
    assert run.environment == {"torch": "x"}
    assert run.totals == Totals.of(table())
    assert run.seconds == 9.87654321
    assert [tuple(row) for row in run.history().itertuples(index=False)] == [
        tuple(row.columns().values()) for row in state_of(spec).history
    ]
    pd.testing.assert_frame_equal(run.scores(), table())
    assert run.read(PREVIEW) == b"not looked at"
    assert sorted(contents(run.path)) == sorted([RUN, WEIGHTS, HISTORY, SCORES, PREVIEW]), "the state is gone"

    weights = state_of(spec).weights
    assert same(dict(run.model()._module.state_dict()), weights)
    pictures = torch.rand(5, 3, 32, 32)
    assert torch.equal(run.model()(pictures), Model(spec, weights)(pictures))
    assert store.load("custom", tmp_path).name == "custom"
    assert store.load(spec.key[:4], tmp_path).code_size == spec.architecture.code_size


def test_a_run_kept_before_scores_were_compressed_still_loads(tmp_path: Path) -> None:
    run = write(Store(tmp_path), spec_of())
    uncompressed = table().to_csv(index=False).encode()
    (run.path / SCORES).unlink()
    (run.path / "scores.csv").write_bytes(uncompressed)
    facts = json.loads((run.path / RUN).read_bytes())
    del facts["sha256"], facts["files"][SCORES]
    facts["files"]["scores.csv"] = {"bytes": len(uncompressed), "sha256": hashlib.sha256(uncompressed).hexdigest()}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    (run.path / RUN).write_text(json.dumps(facts | {"sha256": digest}))
    older = Store(tmp_path).find("custom")
    assert older.missing() == []
    pd.testing.assert_frame_equal(older.scores(), table())


def test_scores_under_older_noise_are_known_as_such(tmp_path: Path) -> None:
    noisy, clean = (write(Store(tmp_path), spec_of(**recipe)) for recipe in ({"noise": Noise("gaussian", 0.3)}, {}))
    assert noisy.is_comparable
    assert not without_noise_version(noisy).is_comparable
    assert without_noise_version(clean).is_comparable


def test_a_run_that_is_scored_again_keeps_everything_else(tmp_path: Path) -> None:
    checkpoints = Store(tmp_path)
    older = without_noise_version(write(checkpoints, spec_of(noise=Noise("gaussian", 0.3))))
    before, scores = contents(older.path), table().assign(mse=[0.04, 0.05, 0.06])
    run = checkpoints.rescore(older, scores, b"another")
    assert run.is_comparable
    assert checkpoints.listing() == store.Listing(runs=[run])
    pd.testing.assert_frame_equal(run.scores(), scores)
    assert (run.totals, run.read(PREVIEW)) == (Totals.of(scores), b"another")
    changed = {"totals": run.totals, "files": run.files, "noise_version": run.noise_version}
    assert run == replace(older, **changed)
    after = contents(run.path)
    assert {name for name in before if before[name] != after[name]} == {RUN, SCORES, PREVIEW}


def test_a_model_gives_each_picture_the_same_whatever_batch_it_comes_in() -> None:
    model = Model(spec_of(), state_of(spec_of()).weights)
    model.module.double()  # in float32 a batch of another size may be added up in another order
    pictures = torch.rand(2 * trained.BATCH + 1, 3, 32, 32, dtype=torch.float64)
    together = model(pictures)
    assert together.shape == pictures.shape
    torch.testing.assert_close(together[-1:], model(pictures[-1:]), rtol=0, atol=EXACT)
    assert not together.requires_grad


def test_a_run_in_half_precision_takes_half_the_bytes_and_reconstructs_alike(tmp_path: Path) -> None:
    spec = spec_of()
    weights = state_of(spec).weights
    halves = half_precision(weights)
    write(Store(tmp_path / "whole"), spec)
    run = write(Store(tmp_path / "half"), spec, halves)
    assert run.dtype == "float16"
    for name, values in weights.items():
        expected = values.numpy().astype(np.float16) if values.is_floating_point() else values.numpy()
        assert halves[name].numpy().tobytes() == expected.tobytes()
    pictures = torch.rand(4, 3, 32, 32)
    whole = store.load("custom", tmp_path / "whole")
    # Both convolutions' weights are off by half an eps, relative to the largest sums that they can make of a picture;
    # no slope of the sigmoid is steeper than a quarter.
    largest = [float(weights[f"{place}.0.weight"].abs().flatten(1).sum(1).max()) for place in (0, 2)]
    bound = torch.finfo(torch.float16).eps * prod(largest) / 4
    torch.testing.assert_close(run.model()(pictures), whole(pictures), rtol=0, atol=bound)


def test_a_state_comes_back_whole_beside_the_one_before_alone(tmp_path: Path) -> None:
    checkpoints, spec = Store(tmp_path), spec_of()
    assert checkpoints.read_state(spec) is None
    for epoch in (1, 2, 3):
        state = state_of(spec, epoch)
        checkpoints.write_state(spec, state)
        back = checkpoints.read_state(spec)
        assert back is not None
        assert (back.epoch, back.history) == (epoch, state.history)
        assert same(back.weights, state.weights)
        assert same(back.optimiser, state.optimiser)
    assert [(run.spec, run.epoch) for run in checkpoints.listing().unfinished] == [(spec, 3)]
    assert sorted(file.name for file in checkpoints.listing().unfinished[0].path.iterdir()) == sorted(STATES)


@pytest.mark.parametrize("damage", ["emptied", "middle byte", "deleted"])
def test_without_the_newest_state_the_one_before_is_read(damage: str, tmp_path: Path) -> None:
    checkpoints, spec = Store(tmp_path), spec_of()
    states = [state_of(spec, epoch) for epoch in (1, 2)]
    for state in states:
        checkpoints.write_state(spec, state)
    file = checkpoints.listing().unfinished[0].path / STATE
    DAMAGE[damage](file)
    if damage != "deleted":
        with pytest.raises(StoreError, match=f"{STATE} is damaged"):
            checkpoints.read_state(spec)
    back = checkpoints.read_state(spec)
    assert back is not None
    assert back.epoch == 1
    assert same(back.weights, states[0].weights)
    assert [run.epoch for run in checkpoints.listing().unfinished] == [1]
    checkpoints.write_state(spec, states[1])
    assert [run.epoch for run in checkpoints.listing().unfinished] == [2]
    assert file.with_name(STATE_BEFORE).exists()


def test_a_run_keeps_its_folder_when_it_is_asked_for_under_another_name(tmp_path: Path) -> None:
    checkpoints = Store(tmp_path)
    write(checkpoints, spec_of(name="custom"))
    other = checkpoints.finished(spec_of(name="renamed"))
    assert other is not None
    assert other.path.name.startswith("custom-")
    write(checkpoints, spec_of(name="renamed"))
    assert len(checkpoints.listing().runs) == 1


# ---- finding


def test_a_run_is_found_by_name_folder_and_key(tmp_path: Path) -> None:
    checkpoints = Store(tmp_path)
    one, other = write(checkpoints, spec_of(name="one")), write(checkpoints, spec_of(name="other", seed=1))
    for run in (one, other):
        for name in (run.name, run.path.name, run.key, run.key[:12], run.key[:4]):
            assert checkpoints.find(name) == run
    with pytest.raises(StoreError):
        checkpoints.find(one.key[:3])


def finish_at(monkeypatch: pytest.MonkeyPatch, *hours: int) -> None:
    """Have the next runs finish at these hours."""
    now = iter(datetime(2030, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in hours)

    class Clock:
        @staticmethod
        def now(_: object) -> datetime:
            return next(now)

    monkeypatch.setattr(store, "datetime", Clock)


def test_of_several_runs_of_a_name_the_systems_own_is_found_or_else_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints, system = Store(tmp_path), zoo.SYSTEMS["shallow-strided"]
    finish_at(monkeypatch, 5, 9, 7, 1, 8)
    own = RunSpec(system.architecture, system.recipe, "cifar10", "1" * 64, 0, system.name)
    write(checkpoints, replace(own, seed=1))
    newest = write(checkpoints, replace(own, recipe=replace(own.recipe, epochs=9)))
    write(checkpoints, replace(own, dataset="sample", fingerprint="2" * 64))
    assert checkpoints.find("shallow-strided") == newest
    write(checkpoints, own)  # the oldest of all
    write(checkpoints, replace(own, recipe=replace(own.recipe, images=100)))
    assert checkpoints.find("shallow-strided").spec == own
    assert checkpoints.find(newest.key[:8]) == newest


def test_an_unknown_run_is_told_with_the_nearest(tmp_path: Path) -> None:
    checkpoints = Store(tmp_path / "absent")
    with pytest.raises(StoreError, match="none yet"):
        checkpoints.find("dense")
    assert checkpoints.listing() == store.Listing()
    checkpoints = Store(tmp_path)
    write(checkpoints, spec_of(name="shallow"))
    write(checkpoints, spec_of(name="deep", seed=1))
    with pytest.raises(StoreError, match=r"no run 'shalow' in .*: did you mean shallow\? Runs: deep, shallow\."):
        checkpoints.load("shalow")


def test_runs_are_listed_in_the_order_of_the_zoo_then_by_name(tmp_path: Path) -> None:
    checkpoints, names = Store(tmp_path), ["dense", "shallow-strided", "denoise-030", "a-custom", "b-custom"]
    for seed, name in enumerate(reversed(names)):
        write(checkpoints, spec_of(seed, name))
    (tmp_path / "notes-of-mine").mkdir()
    (tmp_path / "a-file").write_text("x")
    assert [run.name for run in checkpoints.listing().runs] == names
    assert checkpoints.listing().damaged == []


def test_what_is_found_is_what_a_naive_reading_of_every_run_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a folder carries another name than its run, where a name begins like another or like a key."""
    checkpoints, system = Store(tmp_path), zoo.SYSTEMS["shallow-strided"]
    finish_at(monkeypatch, 4, 8, 2, 6, 1, 7, 9, 3, 5)
    own = RunSpec(system.architecture, system.recipe, "cifar10", "1" * 64, 0, system.name)
    for spec in (own, replace(own, seed=1), spec_of(0), spec_of(1), spec_of(2, "custom-bn"), spec_of(3, "custom")):
        write(checkpoints, spec)
    checkpoints.write_state(spec_of(4, "begun"), state_of(spec_of(4, "begun")))
    write(checkpoints, spec_of(4, "custom"))
    write(checkpoints, spec_of(5, "begun"))
    write(checkpoints, spec_of(6, checkpoints.find("custom-bn").key[:6]))
    shutil.copytree(checkpoints.find("custom-bn").path, tmp_path / "copied-here")

    runs = naive_runs(tmp_path)
    assert len(runs) == 10
    facts = [(run.path, run.key, run.name, run.finished) for run in checkpoints.listing().runs]
    order = {name: position for position, name in enumerate(zoo.SYSTEMS)}
    assert facts == sorted(facts, key=lambda row: (order.get(row[2], len(order)), *row[2:]))
    expected = [(path, run["key"], run["spec"]["name"], run["finished"]) for path, run in runs]
    assert sorted(facts) == sorted(row for row in expected if row[0].name != "copied-here")
    for wanted in {
        word for path, key, name, _ in expected for word in (path.name, name, key, key[:20], key[:12], key[:4])
    }:
        matches = [(path, run) for path, run in runs if wanted in (run["spec"]["name"], path.name)]
        matches = matches or [(path, run) for path, run in runs if run["key"].startswith(wanted)]
        newest = max(matches, key=lambda match: (match[1]["key"] == own.key, match[1]["finished"]))
        run = checkpoints.find(wanted)
        assert (run.key, run.finished) == (newest[1]["key"], newest[1]["finished"]), wanted


def naive_runs(root: Path) -> list[tuple[Path, Any]]:
    """Every folder with a run and what its `run.json` says."""
    return [(file.parent, json.loads(file.read_bytes())) for file in sorted(root.glob(f"*/{RUN}"))]


# ---- damage


@pytest.fixture(scope="module")
def real_spec(pictures: Path) -> RunSpec:
    name = f"folder:{pictures}"
    return RunSpec(TINY, Recipe(epochs=2, batch_size=12), name, datasets.load(name).fingerprint, 0, "custom")


@pytest.fixture(scope="module")
def finished_store(real_spec: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a real run, another run, and an unfinished one."""
    root = tmp_path_factory.mktemp("finished")
    list(execution.execute(real_spec, store=Store(root), device=CPU))
    write(Store(root), spec_of(name="neighbour"))
    unfinished = spec_of(seed=5, name="unfinished")
    Store(root).write_state(unfinished, state_of(unfinished, 1))
    return root


@pytest.fixture(scope="module")
def unfinished_store(real_spec: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, the real run stopped after its first epoch."""
    root = tmp_path_factory.mktemp("unfinished")
    events = execution.execute(real_spec, store=Store(root), device=CPU)
    next(event for event in events if isinstance(event, EpochEnded))
    events.close()  # type: ignore[attr-defined]
    write(Store(root), spec_of(name="neighbour"))
    return root


def _flip(file: Path, position: int, mask: int = 0xFF) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= mask
    file.write_bytes(bytes(content))


def _replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "emptied": lambda file: file.write_bytes(b""),
    "cut in half": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "first byte": lambda file: _flip(file, 0),
    "middle byte": lambda file: _flip(file, file.stat().st_size // 2),
    "last byte": lambda file: _flip(file, -1),
    "other JSON": lambda file: file.write_text("[1]"),
    "a JSON record": lambda file: file.write_text('{"key": 1}'),
    "nested JSON": lambda file: file.write_text("[" * 100_000),
    "noise": lambda file: file.write_bytes(np.random.default_rng(0).bytes(file.stat().st_size)),
    "deleted": Path.unlink,
    "a folder": _replace_by_folder,
}
READERS: dict[str, Callable[[Store, Run], object]] = {
    RUN: lambda checkpoints, run: checkpoints.find(run.key),
    WEIGHTS: lambda checkpoints, run: checkpoints.load(run.key),
    HISTORY: lambda checkpoints, run: run.history(),
    SCORES: lambda checkpoints, run: run.scores(),
    PREVIEW: lambda checkpoints, run: run.read(PREVIEW),
}


def neighbours_are_well(checkpoints: Store) -> None:
    listing = checkpoints.listing()
    assert "neighbour" in [run.name for run in listing.runs]
    checkpoints.load("neighbour")
    assert checkpoints.find("neighbour").scores().equals(table())
    for run in listing.unfinished:
        assert checkpoints.read_state(run.spec) is not None


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_told_and_set_aside_and_made_again(
    name: str, damage: str, real_spec: RunSpec, finished_store: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(finished_store, tmp_path / "store")
    checkpoints = Store(root)
    run = checkpoints.find(real_spec.key)
    weights = dict(run.model()._module.state_dict())
    DAMAGE[damage](run.path / name)

    damaged = checkpoints.listing().damaged
    with pytest.raises(StoreError) as caught:
        READERS[name](checkpoints, run)
    if (name, damage) != (RUN, "deleted"):  # a folder without one is no run, and nothing there is wrong
        assert any(f"{run.path.name}/{name}" in sentence for sentence in [*damaged, str(caught.value)])
    if damage != "deleted":
        assert (run.path / f"{name}.damaged").exists()
        assert not (run.path / name).exists()
    assert "\n" not in str(caught.value)
    neighbours_are_well(checkpoints)

    again = list(execution.execute(real_spec, store=checkpoints, device=CPU))[-1]
    assert isinstance(again, Finished)
    assert not again.cached
    assert all(READERS[name](checkpoints, again.run) is not None for name in READERS)
    assert same(dict(again.run.model()._module.state_dict()), weights)
    assert checkpoints.listing().damaged == []


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_state_is_told_and_set_aside_and_training_starts_anew(
    damage: str, real_spec: RunSpec, unfinished_store: Path, finished_store: Path, tmp_path: Path
) -> None:
    checkpoints = Store(shutil.copytree(unfinished_store, tmp_path / "store"))
    file = checkpoints.listing().unfinished[0].path / STATE
    DAMAGE[damage](file)
    if damage != "deleted":
        with pytest.raises(StoreError, match=f"{file.parent.name}/{STATE}"):
            checkpoints.read_state(real_spec)
        assert file.with_name(f"{STATE}.damaged").exists()
        assert not file.exists()
        assert any(f"{file.parent.name}/{STATE}" in sentence for sentence in checkpoints.listing().damaged)
    assert checkpoints.read_state(real_spec) is None
    neighbours_are_well(checkpoints)
    list(execution.execute(real_spec, store=checkpoints, device=CPU))
    expected = Store(finished_store).load(real_spec.key)
    assert same(dict(checkpoints.load(real_spec.key)._module.state_dict()), dict(expected._module.state_dict()))


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_listing_tells_a_damaged_state_and_still_lists_the_rest(
    damage: str, unfinished_store: Path, tmp_path: Path
) -> None:
    checkpoints = Store(shutil.copytree(unfinished_store, tmp_path / "store"))
    file = checkpoints.listing().unfinished[0].path / STATE
    DAMAGE[damage](file)
    listing = checkpoints.listing()
    assert [run.name for run in listing.runs] == ["neighbour"]
    if damage not in ("deleted", "middle byte", "last byte"):  # the listing reads the header alone
        assert len(listing.damaged) == 1
        assert f"{file.parent.name}/{STATE}" in listing.damaged[0]


@pytest.mark.parametrize("damage", ["emptied", "middle byte", "deleted", "a folder"])
def test_training_mends_a_damaged_run_that_nothing_has_read_yet(
    damage: str, real_spec: RunSpec, finished_store: Path, tmp_path: Path
) -> None:
    checkpoints = Store(shutil.copytree(finished_store, tmp_path / "store"))
    DAMAGE[damage](checkpoints.find(real_spec.key).path / RUN)
    assert isinstance(list(execution.execute(real_spec, store=checkpoints, device=CPU))[-1], Finished)
    assert checkpoints.find(real_spec.key).missing() == []


def _reads_the_same(changed: bytes, whole: bytes) -> bool:
    try:
        return bool(json.loads(changed) == json.loads(whole))
    except ValueError:
        return False


def test_a_change_of_any_byte_of_run_json_is_found(finished_store: Path, real_spec: RunSpec, tmp_path: Path) -> None:
    checkpoints = Store(shutil.copytree(finished_store, tmp_path / "store"))
    file = checkpoints.find(real_spec.key).path / RUN
    whole = file.read_bytes()
    positions = {*range(0, len(whole), max(1, len(whole) // 120)), len(whole) - 1}
    for position in sorted(positions):
        for mask in (0x01, 0xFF):
            file.write_bytes(whole)
            _flip(file, position, mask)
            if _reads_the_same(file.read_bytes(), whole):
                continue  # the seventeenth digit of a number, which no number can hold
            listing = checkpoints.listing()
            assert listing.damaged == [f"{file.parent.name}/{RUN} is damaged; it was set aside as {RUN}.damaged."]
            assert [run.name for run in listing.runs] == ["neighbour"]
            assert not file.exists()


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(position=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255), header=st.booleans())
@example(position=0.0, mask=1, header=True)
@example(position=0.0, mask=0x80, header=True)
def test_a_change_of_any_byte_of_a_state_is_found_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, position: float, mask: int, header: bool
) -> None:
    checkpoints, spec = Store(tmp_path_factory.mktemp("state")), spec_of()
    torch.manual_seed(0)
    state = state_of(spec)
    checkpoints.write_state(spec, state)
    file = checkpoints.listing().unfinished[0].path / STATE
    end = 8 + int.from_bytes(file.read_bytes()[:8], "little") if header else file.stat().st_size
    _flip(file, int(position * end), mask)
    back = None
    with contextlib.suppress(StoreError):
        back = checkpoints.read_state(spec)
    if back is None:
        assert file.with_name(f"{STATE}.damaged").exists()
        assert not file.exists()
        return
    # Only white space between the header's fields can change unnoticed.
    assert header
    assert (back.epoch, back.history) == (state.epoch, state.history)
    assert same(back.weights, state.weights)
    assert same(back.optimiser, state.optimiser)


def test_a_state_that_goes_away_while_the_store_is_listed_costs_nothing(
    unfinished_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run in another process finishes, and so removes its state, between the listing's look and its reading."""
    checkpoints = Store(shutil.copytree(unfinished_store, tmp_path / "store"))
    exists = Path.exists

    def seen_then_gone(path: Path, **options: Any) -> bool:
        answer = exists(path, **options)
        if path.name == STATE:
            path.unlink(missing_ok=True)
        return answer

    monkeypatch.setattr(Path, "exists", seen_then_gone)
    assert [run.name for run in checkpoints.listing().runs] == ["neighbour"]


# ---- what is read once


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Waits until files that were just written may be remembered."""
    monkeypatch.setattr(store, "SETTLED_NS", 20_000_000)
    return lambda: time.sleep(0.04)


def test_a_run_that_has_not_changed_is_read_once_for_all_stores(tmp_path: Path, settled: Callable[[], None]) -> None:
    run = write(Store(tmp_path), spec_of())
    settled()
    [first] = Store(tmp_path).listing().runs
    [again] = Store(tmp_path).listing().runs
    assert first == run
    assert again is first
    assert Store(tmp_path).find(run.key) is first
    assert Store(tmp_path).find("custom") is first
    assert Store(tmp_path).finished(spec_of()) is first


def test_a_run_that_has_just_been_written_is_read_again(tmp_path: Path) -> None:
    """It may be written again within the same step of the file system's clock."""
    write(Store(tmp_path), spec_of())
    assert Store(tmp_path).find("custom") is not Store(tmp_path).find("custom")


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", [RUN, WEIGHTS, HISTORY, SCORES, PREVIEW])
def test_damage_to_a_run_that_was_read_before_is_seen_at_once(
    name: str, damage: str, tmp_path: Path, settled: Callable[[], None]
) -> None:
    checkpoints = Store(tmp_path)
    run = write(checkpoints, spec_of())
    write(checkpoints, spec_of(name="neighbour", seed=1))
    settled()
    assert len(checkpoints.listing().runs) == 2
    size = (run.path / name).stat().st_size
    DAMAGE[damage](run.path / name)
    file = run.path / name
    resized = not file.is_file() or file.stat().st_size != size

    listing = Store(tmp_path).listing()
    if name == RUN:
        assert [run.name for run in listing.runs] == ["neighbour"]
        assert len(listing.damaged) == 1
        assert checkpoints.finished(spec_of()) is None
    else:
        assert [run.name for run in listing.runs] == ["custom", "neighbour"]
        # The listing compares sizes; a change of content is found when the file is read.
        assert [f"{run.path.name}/{name}" in sentence for sentence in listing.damaged] == [True] * resized
        assert (checkpoints.finished(spec_of()) is None) == resized
        with pytest.raises(StoreError, match=name):
            run.read(name)


@pytest.mark.parametrize("how", ["renamed into its place", "in place", "in place, with the old time"])
def test_a_run_swapped_for_another_of_the_same_size_is_seen_at_once(
    how: str, tmp_path: Path, settled: Callable[[], None]
) -> None:
    checkpoints, spec = Store(tmp_path), spec_of()
    run = write(checkpoints, spec)
    file, other = run.path / RUN, tmp_path / "other"
    facts = json.loads(file.read_bytes())
    del facts["sha256"]
    facts["environment"] = {"torch": "y"}
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
    content = json.dumps(facts | {"sha256": hashlib.sha256(canonical).hexdigest()}, indent=2).encode()
    assert len(content) == file.stat().st_size
    settled()
    assert checkpoints.find("custom").environment == {"torch": "x"}

    before = file.stat()
    if how == "renamed into its place":
        other.write_bytes(content)
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(file)
    else:
        file.write_bytes(content)
        if how == "in place, with the old time":
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
            assert file.stat().st_mtime_ns == before.st_mtime_ns
    for wait in (lambda: None, settled):  # at once it is read whatever is remembered, later only if it has changed
        wait()
        for again in (
            Store(tmp_path).listing().runs[0],
            checkpoints.find("custom"),
            checkpoints.find(spec.key),
            checkpoints.finished(spec),
        ):
            assert again is not None
            assert again.environment == {"torch": "y"}


def test_a_run_that_is_removed_or_made_again_is_seen_at_once(tmp_path: Path, settled: Callable[[], None]) -> None:
    checkpoints, spec = Store(tmp_path), spec_of()
    run = write(checkpoints, spec)
    settled()
    assert checkpoints.find("custom") == run
    shutil.rmtree(run.path)
    assert checkpoints.listing() == store.Listing()
    assert checkpoints.finished(spec) is None
    with pytest.raises(StoreError, match="none yet"):
        checkpoints.find(spec.key)
    again = write(checkpoints, spec)
    assert again.finished > run.finished
    assert checkpoints.find(spec.key) == again


def test_a_store_that_is_reached_by_two_paths_gives_each_its_own(
    tmp_path: Path, settled: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(Store(tmp_path / "one"), spec_of())
    write(Store(tmp_path / "other"), spec_of(1))
    settled()
    for root, seed in (("one", 0), ("other", 1)):
        monkeypatch.chdir(tmp_path / root)
        [run] = Store(Path()).listing().runs
        assert (run.spec.seed, run.path) == (seed, Path(spec_of(seed).folder))


def test_threads_that_list_while_a_run_is_written_again_see_whole_runs(
    tmp_path: Path, settled: Callable[[], None]
) -> None:
    checkpoints, spec, done = Store(tmp_path), spec_of(), threading.Event()
    write(checkpoints, spec_of(name="neighbour", seed=1))
    write(checkpoints, spec)
    settled()

    def look() -> list[str]:
        wrong = []
        while not done.is_set():
            listing = Store(tmp_path).listing()
            names = {run.name for run in listing.runs}
            # While its files change it is no run; a file of it may be missing or of the run before.
            if not {"neighbour"} <= names <= {"neighbour", "custom"}:
                wrong.append(str(names))
            wrong += [run.name for run in listing.runs if run.key != (spec if run.name == "custom" else run.spec).key]
        return wrong

    with ThreadPoolExecutor(2) as pool:
        looking = [pool.submit(look) for _ in range(2)]
        try:
            for _ in range(15):
                write(checkpoints, spec)
        finally:
            done.set()
    assert [future.result() for future in looking] == [[]] * 2
    assert not list(tmp_path.rglob("*.damaged"))
    assert checkpoints.listing().damaged == []


# ---- light runs


def test_a_light_run_is_whole_without_its_weights(tmp_path: Path) -> None:
    checkpoints, spec = Store(tmp_path), spec_of()
    checkpoints.write_state(spec, state_of(spec))
    run = write(checkpoints, spec, light=True)
    assert sorted(contents(run.path)) == sorted([RUN, HISTORY, SCORES, PREVIEW])
    assert (run.is_light, run.missing(), run.dtype) == (True, [], "float32")
    listing = Store(tmp_path).listing()
    assert listing == store.Listing(runs=[run])
    assert listing.full == []
    assert run.totals == Totals.of(table())
    pd.testing.assert_frame_equal(run.scores(), table())
    assert len(run.history()) == 2
    for ask in (run.model, lambda: checkpoints.load("custom"), lambda: run.read(WEIGHTS), lambda: run.digest(WEIGHTS)):
        with pytest.raises(StoreError, match=r"was stored without its weights\. Train it again in full"):
            ask()


def test_a_light_run_of_a_system_names_the_command_that_trains_it(tmp_path: Path) -> None:
    system = zoo.SYSTEMS["dense"]
    run = write(Store(tmp_path), RunSpec(system.architecture, system.recipe, "cifar10", "1" * 64, 0, "dense"), {}, True)
    with pytest.raises(StoreError, match=r"in full to get them: `python -m aecore train dense`, given cifar10\.$"):
        run.model()


def test_a_light_run_answers_only_those_who_need_no_weights(tmp_path: Path) -> None:
    checkpoints, spec = Store(tmp_path), spec_of()
    light = write(checkpoints, spec, light=True)
    assert checkpoints.finished(spec) is None
    assert checkpoints.finished(spec, light=True) == light
    full = write(checkpoints, spec)
    assert not full.is_light
    assert checkpoints.finished(spec) == checkpoints.finished(spec, light=True) == full
    assert same(dict(full.model().module.state_dict()), state_of(spec).weights)
    assert len(checkpoints.listing().runs) == 1


def test_reading_a_run_that_was_replaced_since_it_was_listed_damages_nothing(tmp_path: Path) -> None:
    checkpoints, spec = Store(tmp_path), spec_of()
    light = write(checkpoints, spec, light=True)
    full = checkpoints.finish(
        spec, state_of(spec, 3), Trained(state_of(spec).weights, table()[:2], Totals.of(table()), b"another", {})
    )
    for name in (HISTORY, SCORES, PREVIEW):
        with pytest.raises(StoreError, match=r"was replaced since it was listed: look again\."):
            light.read(name)
    assert checkpoints.listing() == store.Listing(runs=[full])
    assert checkpoints.finished(spec) == full
    (full.path / RUN).unlink()  # as while it is replaced once more
    with pytest.raises(StoreError, match="was replaced"):
        light.read(HISTORY)
    assert (full.path / HISTORY).exists()


@pytest.mark.parametrize("damage", ["emptied", "deleted", "a folder"])
def test_a_damaged_light_run_is_reported_and_no_longer_finished(damage: str, tmp_path: Path) -> None:
    checkpoints, spec = Store(tmp_path), spec_of()
    run = write(checkpoints, spec, light=True)
    DAMAGE[damage](run.path / SCORES)
    [sentence] = checkpoints.listing().damaged
    assert f"{run.path.name}/{SCORES} is missing or cut short." in sentence
    assert checkpoints.finished(spec, light=True) is None


def test_a_light_run_without_its_run_json_is_reported(tmp_path: Path) -> None:
    run = write(Store(tmp_path), spec_of(), light=True)
    (run.path / RUN).unlink()
    assert Store(tmp_path).listing().damaged == [
        f"{run.path.name}/{RUN} is missing. Train the same spec again to replace it."
    ]


def test_a_run_made_light_in_a_folder_of_a_damaged_full_one_leaves_no_weights_there(tmp_path: Path) -> None:
    checkpoints, spec = Store(tmp_path), spec_of()
    (write(checkpoints, spec).path / RUN).write_text("damaged")
    assert sorted(contents(write(checkpoints, spec, light=True).path)) == sorted([RUN, HISTORY, SCORES, PREVIEW])


def test_of_several_runs_of_a_name_one_with_weights_is_found_before_a_newer_light_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Store(tmp_path)
    finish_at(monkeypatch, 1, 2, 3)
    write(checkpoints, spec_of(0))
    full, light = write(checkpoints, spec_of(1)), write(checkpoints, spec_of(2), light=True)
    assert checkpoints.find("custom") == full
    assert checkpoints.find(light.key) == light


def test_figures_of_other_weights_are_named_and_a_light_run_has_none_to_compare(tmp_path: Path) -> None:
    checkpoints = Store(tmp_path)

    def own(name: str) -> RunSpec:
        system = zoo.SYSTEMS[name]
        return RunSpec(system.architecture, system.recipe, system.dataset, "1" * 64, 0, name)

    full, other = write(checkpoints, own("dense")), write(checkpoints, own("dense-deep"))
    write(checkpoints, own("conv-dense"), light=True)
    write(checkpoints, replace(own("shallow-strided"), seed=1))
    digests = {run.name: hashlib.sha256((run.path / WEIGHTS).read_bytes()).hexdigest() for run in (full, other)}
    assert checkpoints.with_other_weights(digests) == set()
    others = dict.fromkeys(["dense", "conv-dense", "shallow-strided", "denoise-030"], "0" * 64)
    assert checkpoints.with_other_weights(digests | others) == {"dense"}


# ---- folders that cannot be written


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """Makes a folder that really cannot be written: root needs a mount for it, everyone else a mode."""
    mounted: list[Path] = []

    def lock(folder: Path) -> Path:
        if os.geteuid():
            for path in [folder, *folder.rglob("*")]:
                path.chmod(path.stat().st_mode & 0o555)
            return folder
        for options in (["--bind", str(folder), str(folder)], ["-o", "remount,bind,ro", str(folder)]):
            if subprocess.run(["mount", *options], capture_output=True).returncode:
                return Path("/proc/sys")  # where no mount is allowed: a folder that takes no files even from root
            mounted.append(folder)
        return folder

    yield lock
    for folder in dict.fromkeys(mounted):
        subprocess.run(["umount", str(folder)], check=True)
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o700)


def test_a_store_that_cannot_be_written_says_so_and_still_reads(
    read_only: Callable[[Path], Path], tmp_path: Path
) -> None:
    checkpoints, spec = Store(tmp_path / "store"), spec_of()
    write(checkpoints, spec)
    with checkpoints.lock(spec_of(seed=1)):
        checkpoints.write_state(spec_of(seed=1), state_of(spec_of(seed=1)))
    before = contents(checkpoints.root)

    def hold(held: Store, wanted: RunSpec) -> None:
        with held.lock(wanted):
            pass

    locked = Store(read_only(checkpoints.root))
    attempts: list[Callable[[], object]] = [
        lambda: locked.write_state(spec_of(seed=1), state_of(spec_of(seed=1))),
        lambda: locked.write_state(spec_of(seed=2), state_of(spec_of(seed=2))),
        lambda: write(locked, spec_of(seed=1)),
        lambda: hold(locked, spec_of(seed=3)),
    ]
    for attempt in attempts:
        with pytest.raises(StoreError, match=r"cannot be (written|made) \("):
            attempt()
    assert contents(checkpoints.root) == before
    assert checkpoints.finished(spec) is not None
    assert checkpoints.load(spec.key).name == "custom"


def test_a_file_where_the_store_or_a_runs_folder_should_be_is_told(tmp_path: Path) -> None:
    spec = spec_of()
    for blocked, root in ((tmp_path / "file", tmp_path / "file"), (tmp_path / spec.folder, tmp_path)):
        blocked.write_text("in the way")
        with pytest.raises(StoreError, match="cannot be made"):
            Store(root).write_state(spec, state_of(spec))
        assert blocked.read_text() == "in the way"
    with pytest.raises(StoreError, match="cannot be written"), Store(tmp_path / "file").lock(spec):
        pass


def test_a_full_disk_is_told_and_what_was_there_is_kept(tmp_path: Path) -> None:
    """A real refusal of the system's: files may grow no further than a limit."""
    checkpoints, spec = Store(tmp_path), spec_of()
    checkpoints.write_state(spec, state_of(spec, 1))
    write(checkpoints, spec_of(name="neighbour", seed=1))
    before = contents(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(StoreError, match=rf"{STATE} cannot be written \(.*\); what was there before is kept\."):
            checkpoints.write_state(spec, state_of(spec, 2))
        with pytest.raises(StoreError, match="cannot be written"):
            write(checkpoints, spec_of(seed=2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(tmp_path) == before, "no .part is left either"
    back = checkpoints.read_state(spec)
    assert back is not None
    assert back.epoch == 1
    assert checkpoints.listing().damaged == []
    neighbours_are_well(checkpoints)


def test_tidy_removes_what_a_killed_process_left_of_this_run_alone(tmp_path: Path) -> None:
    checkpoints, spec, other = Store(tmp_path), spec_of(), spec_of(seed=1)
    left = [write(checkpoints, one).path / f".{STATE}.123.part" for one in (spec, other)]
    for file in left:
        file.write_bytes(b"half")
    before = contents(left[0].parent)
    checkpoints.tidy(spec)
    assert [file.exists() for file in left] == [False, True]
    assert contents(left[0].parent) == {name: before[name] for name in before if name != left[0].name}


def test_run_json_says_what_made_the_run_for_whoever_reads_it_without_us(tmp_path: Path) -> None:
    run = write(Store(tmp_path), spec_of())
    facts = json.loads((run.path / RUN).read_text())
    assert facts["spec"]["architecture"] == "conv4 | bn | conv3:k1:sigmoid"
    assert {name: entry["bytes"] for name, entry in facts["files"].items()} == {
        file.name: file.stat().st_size for file in run.path.iterdir() if file.name != RUN
    }


def test_a_run_of_another_version_is_reported_and_left_alone(finished_store: Path, tmp_path: Path) -> None:
    """Its checksum holds, so nothing is damaged: there is only a word in it that this version does not know."""
    root = tmp_path / "store"
    shutil.copytree(finished_store, root)
    run = Store(root).find("neighbour")
    facts = json.loads((run.path / store.RUN).read_text())
    del facts["sha256"]
    facts["spec"]["recipe"]["a-later-setting"] = 1
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
    text = json.dumps(facts | {"sha256": hashlib.sha256(canonical).hexdigest()})
    (run.path / store.RUN).write_text(text)
    listing = Store(root).listing()
    assert any(
        "run.json was written by another version of aecore; it is left alone." in sentence
        for sentence in listing.damaged
    )
    assert (run.path / store.RUN).read_text() == text


def test_two_folders_of_one_run_are_one_entry_and_a_sentence_names_the_second(tmp_path: Path) -> None:
    checkpoints = Store(tmp_path)
    run = write(checkpoints, spec_of())
    for name in ("a-copy", f"{run.path.name}.bak"):
        shutil.copytree(run.path, tmp_path / name)
    listing = checkpoints.listing()
    assert listing.runs == [run]
    assert listing.damaged == [
        f"{name} holds the same run as {run.path.name} and is left out: remove one of them."
        for name in ("a-copy", f"{run.path.name}.bak")
    ]
    shutil.rmtree(run.path)
    assert [copy.path.name for copy in checkpoints.listing().runs] == ["a-copy"]


@pytest.mark.parametrize("content", ["", "{}", '{"project": 1}', '{"cut', "[1, 2]", "\0"])
def test_what_the_store_did_not_write_is_left_alone(content: str, tmp_path: Path) -> None:
    (tmp_path / "other-tool").mkdir()
    for name in (RUN, STATE, WEIGHTS, "model.damaged"):
        (tmp_path / "other-tool" / name).write_text(content)
    before = contents(tmp_path)
    checkpoints = Store(tmp_path)
    assert checkpoints.listing() == store.Listing()
    with pytest.raises(StoreError, match="There is no run 'other'"):
        checkpoints.find("other")
    assert contents(tmp_path) == before


def test_a_folder_that_cannot_be_read_is_named_and_the_rest_listed(tmp_path: Path) -> None:
    """A link that leads to itself is refused to everybody, a folder without rights not to an administrator."""
    checkpoints = Store(tmp_path)
    run = write(checkpoints, spec_of())
    loop = tmp_path / f"custom-{'0' * 12}"
    loop.symlink_to(loop)
    [sentence] = checkpoints.listing().damaged
    assert re.fullmatch(rf"{loop.name}/{RUN} cannot be read \(.+\)\.", sentence)
    assert checkpoints.listing().runs == [run]
    assert checkpoints.find("custom") == run


def test_a_removed_run_is_gone_and_the_others_stay(tmp_path: Path) -> None:
    published = Store().find("shallow-maxpool")
    first, second = copied(published, tmp_path, epochs=7), copied(published, tmp_path, epochs=8)
    store = Store(tmp_path)
    assert len(store.listing().runs) == 2
    store.remove(first)
    store.remove(first)  # somebody else was faster
    assert [run.key for run in store.listing().runs] == [second.key]
    assert not [path for path in tmp_path.iterdir() if first.path.name in path.name]
    assert store.find(second.key).read("history.csv") == published.read("history.csv")
