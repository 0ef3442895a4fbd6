"""Measuring the curve of PCA: on the test pictures, and published whole or not at all."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from aecore.cli.main import main
from aecore.data.splits import Dataset, Split
from aecore.files.figures import PublishedError
from aecore.studies import pca_measurement
from aecore.studies.pca_curves import Curve, pca_curve
from tests.aecore.reconstructors.dependent import drawn


def test_the_published_sizes_rise_from_the_mean_picture_to_one_short_of_all() -> None:
    sizes = pca_measurement.curve_sizes(3072)
    assert sizes == sorted(set(sizes))
    assert (sizes[0], sizes[-1]) == (0, 3071)
    assert {64, 100, 256, 512, 1024, 2048} <= set(sizes)
    assert max(pca_measurement.curve_sizes(784)) == 783


def test_a_curve_is_measured_on_the_test_pictures() -> None:
    train, validation, test = (
        Split(drawn(count, seed, (3, 8, 8)), torch.zeros(count, dtype=torch.int64))
        for seed, count in enumerate((33, 3, 4))
    )
    dataset = Dataset("small", "Small", (), (3, 8, 8), lambda: (train, validation), lambda: (test,))
    curve = pca_measurement.measure(dataset)
    assert curve.fingerprint == dataset.fingerprint
    assert "33 training pictures" in curve.method
    assert curve.mse[0] > curve.mse[20]


def test_the_command_publishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = Curve("cifar10", "f", "PCA", (0, 1), (0.5, 0.25))
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "new"))
    monkeypatch.setattr(pca_measurement, "measure", lambda dataset: replace(curve, dataset=dataset.name))
    assert main(["baselines"]) == 0
    assert "pca-mnist.json" in capsys.readouterr().err
    assert pca_curve("cifar10", tmp_path / "new") == curve
    assert not list((tmp_path / "new").glob(".*")), "nothing half-written is left"


def test_a_curve_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pca_measurement, "measure", lambda dataset: Curve(dataset.name, "", "", (0,), (0.5,)))
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishedError, match="AECORE_CHECKPOINTS"):
        pca_measurement.publish(tmp_path / "file")
