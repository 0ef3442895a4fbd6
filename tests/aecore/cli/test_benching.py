"""`bench` measures this machine, and what it measured is known to later estimates."""

import json
from typing import Any

import pytest

from aecore.models import zoo
from aecore.models.recipe import RunSpec
from aecore.scheduling.queue import Queue
from aecore.scheduling.speeds import Speeds
from aecore.training import speed
from tests.aecore.cli.commands import LAYERS


@pytest.fixture(autouse=True)
def _briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aecore.cli.benching.SECONDS", 0.05)
    monkeypatch.setattr(speed, "MATRIX", 128)


def test_the_figures_of_a_system_agree_with_each_other(aecore: Any) -> None:
    done = aecore("bench", LAYERS, "--device", "cpu", "--json")
    assert done.status == 0, done.err
    figures = json.loads(done.out)
    [row] = figures["systems"]
    start = zoo.from_text(LAYERS)
    macs = start.architecture.macs
    assert row["in"] == "float32"
    assert row["GFLOP/s"] == pytest.approx(6 * macs * row["training, images/s"] / 1e9)
    assert row["share"] == pytest.approx(row["GFLOP/s"] / figures["matrices, GFLOP/s"]["float32"])
    spec = RunSpec(start.architecture, start.recipe, start.dataset, "", name=start.name)
    assert Speeds(Queue().database).find(spec, "cpu") == pytest.approx(row["training, images/s"])


def test_without_names_there_is_a_system_of_each_kind(aecore: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aecore.cli.benching.SYSTEMS", ("mnist-dense", LAYERS))
    done = aecore("bench", "--device", "cpu")
    assert done.status == 0, done.err
    heading, *rows = done.out.splitlines()
    assert heading.split()[:2] == ["name", "training,"]
    assert [row.split()[0] for row in rows] == ["mnist-dense", "custom"]
    assert "GFLOP/s in float32" in done.err


def test_what_is_unknown_is_refused_before_anything_is_measured(aecore: Any) -> None:
    done = aecore("bench", LAYERS, "no-such-system")
    assert done.status == 1
    assert "There is no system" in done.err
    assert "Measuring" not in done.err
