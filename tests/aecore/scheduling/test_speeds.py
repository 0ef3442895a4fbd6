"""Measured speeds: the last one of an architecture, batch size and device, on this hardware alone."""

import pytest

from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.scheduling import speeds
from aecore.scheduling.queue import Queue
from aecore.scheduling.speeds import Speeds


def spec_of(layers: str = "conv8 | conv3", **recipe: int) -> RunSpec:
    return RunSpec(Architecture.parse(layers), Recipe(**recipe), "sample", "0" * 64)


def test_the_last_measurement_counts_and_only_for_what_was_measured(idle: Queue) -> None:
    measured = Speeds(idle.database)
    assert measured.find(spec_of(), "cpu") is None
    measured.record(spec_of(), "cpu", 100.0)
    measured.record(spec_of(epochs=7), "cpu", 200.0)
    assert measured.find(spec_of(epochs=9), "cpu") == 200.0
    assert measured.find(spec_of(batch_size=50), "cpu") is None
    assert measured.find(spec_of("conv9 | conv3"), "cpu") is None


def test_every_device_is_listed_with_its_hardware_the_fastest_first(
    idle: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = Speeds(idle.database)
    assert measured.all(spec_of()) == {}
    for hardware, device, speed in (("2 cores", "cpu", 100.0), ("H100", "cuda:0", 300.0), ("8 cores", "cpu", 200.0)):
        monkeypatch.setattr(speeds, "accelerator", lambda device, runs, hardware=hardware: hardware)
        measured.record(spec_of(), device, speed)
    assert list(measured.all(spec_of()).items()) == [
        (("cuda:0", "H100"), 300.0),
        (("cpu", "8 cores"), 200.0),
        (("cpu", "2 cores"), 100.0),
    ]
    assert measured.all(spec_of(batch_size=50)) == {}


def test_what_other_hardware_did_is_kept_apart(idle: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = Speeds(idle.database)
    for hardware, speed in (("A100", 100.0), ("H100", 300.0)):
        monkeypatch.setattr(speeds, "accelerator", lambda device, runs, hardware=hardware: f"{hardware} as {device}")
        assert measured.find(spec_of(), "cuda:0") is None
        measured.record(spec_of(), "cuda:0", speed)
        assert measured.find(spec_of(), "cuda:0") == speed
        assert measured.find(spec_of(), "cuda:1") is None
