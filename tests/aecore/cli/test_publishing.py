"""`publish`: only the systems' own runs, and their table."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from aecore.models import zoo
from aecore.runs import execution
from aecore.runs.events import Finished
from aecore.runs.store import Run, Store
from tests.aecore.cli.commands import files
from tests.aecore.finished import finish, without_noise_version


def test_only_the_systems_own_runs_are_published(aecore: Any, checkpoints: Path) -> None:
    store, half = Store(checkpoints), {"none": torch.zeros(1).half()}
    dense, shallow = (zoo.find(name) for name in ("dense", "shallow-strided"))
    finish(store, execution.plan(dense, dataset="cifar10", seed=1), half)
    finish(store, execution.plan(shallow, dataset="sample"), half)
    finish(store, execution.plan(zoo.find("deep-strided-8"), dataset="cifar10"), half)
    done = aecore("publish", "deep-strided-8")
    assert done.status == 0
    assert "| deep-strided-8 |" in done.out
    assert "| dense |" not in done.out
    assert "| shallow-strided |" not in done.out


def test_publishing_takes_what_is_in_the_store_and_prints_a_line_a_system(aecore: Any, checkpoints: Path) -> None:
    for system in zoo.SYSTEMS.values():
        finish(Store(checkpoints), execution.plan(system, dataset=system.dataset), {"none": torch.zeros(1).half()})
    before = files(checkpoints)
    done = aecore("publish")
    assert done.status == 0
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.out.splitlines()]
    compressors = [name for name in zoo.SYSTEMS if re.fullmatch("compress-[0-9]+", name)]
    assert [line[0] for line in lines[2:] if line[0] in zoo.SYSTEMS] == [*zoo.SYSTEMS, *compressors]
    row = next(line for line in lines if line[0] == "shallow-strided-bn")
    assert row == ["shallow-strided-bn", "8,192", "28,931", "20.00", "20.00", "0.500", "12", "30.2"]
    assert files(checkpoints) == before


def test_publishing_scores_anew_what_was_scored_under_older_noise(
    aecore: Any, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, anew = Store(checkpoints), list[str]()
    names = ("dense", "denoise-030", "denoise-100")
    for name in names:
        finish(store, execution.plan(zoo.find(name), dataset="cifar10"), {"none": torch.zeros(1).half()})
    for name in ("dense", "denoise-100"):
        without_noise_version(store.find(name))

    def rescored(run: Run, store: Store) -> Iterator[Finished]:
        anew.append(run.name)
        yield Finished(run, cached=False)

    monkeypatch.setattr(execution, "rescored", rescored)
    assert aecore("publish", *names).status == 0
    assert anew == ["denoise-100"]
