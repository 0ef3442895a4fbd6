"""Runs and baselines are scored by name, one row each, with what the reader should know beside them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from aecore import AecoreError
from aecore.data import datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import to_float
from aecore.reconstructors import foreign, foreign_process
from aecore.runs.store import Store
from aecore.studies import score_table
from aecore.studies.score_table import Conditions, Remark, Row, Scored
from tests.aecore.reconstructors.plain_torch import plain_autoencoder

PUBLISHED = Store(Path(__file__).parents[3] / "checkpoints")


def test_a_row_holds_the_means_over_the_pictures() -> None:
    *progress, row = score_table.rows(["mean"], Conditions("sample", pictures=20))
    sample = datasets.load("sample")
    pixels = sample.test.pixels[:20].numpy() / 255
    errors = ((pixels - sample.train.pixels.numpy().mean(0) / 255) ** 2).mean((1, 2, 3))
    assert isinstance(row, Row)
    assert (row.name, row.dataset, row.noise, row.pictures, row.sampled) == ("mean", "sample", None, 20, True)
    assert list(row.means) == ["mse", "psnr", "ssim"]
    assert row.means["mse"].value == pytest.approx(errors.mean(), rel=1e-4)
    assert row.means["psnr"].value == pytest.approx((-10 * np.log10(errors)).mean(), abs=1e-3)
    assert row.psnr_pooled == pytest.approx(-10 * np.log10(errors.mean()), abs=1e-3)
    assert progress == [Scored("mean", 20, 20)]


def test_a_run_is_scored_under_the_noise_that_it_was_trained_on_unless_another_is_given() -> None:
    def noise_of(noise: Noise | None) -> Noise | None:
        *_, row = score_table.rows(["denoise-030"], Conditions("sample", noise, pictures=2), PUBLISHED)
        assert isinstance(row, Row)
        return row.noise

    assert noise_of(None) == Noise("gaussian", 0.3)
    assert noise_of(Noise("uniform", 0.1)) == Noise("uniform", 0.1)
    assert noise_of(Noise("uniform", 0.0)) is None


def test_a_metric_that_is_not_defined_for_the_pictures_is_left_out_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # without the weights of LPIPS
    conditions = Conditions("sample", pictures=2, metrics=("gmsd", "lpips", "mse"))
    events = list(score_table.rows(["identity", "mean"], conditions))
    assert [event.text.partition(" needs")[0] for event in events if isinstance(event, Remark)] == [
        "LPIPS is left out: LPIPS"
    ]
    assert [list(event.means) for event in events if isinstance(event, Row)] == [["mse", "psnr", "ssim", "gmsd"]] * 2


def test_an_unknown_name_is_refused_when_its_turn_comes() -> None:
    events = score_table.rows(["identity", "pca-x"], Conditions("sample", pictures=2), PUBLISHED)
    assert isinstance(next(events), Scored)
    assert isinstance(next(events), Row)
    with pytest.raises(AecoreError, match="pca-x"):
        next(events)


def test_a_model_from_elsewhere_has_the_scores_that_torch_gives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    module, content = plain_autoencoder()
    added = foreign.add(tmp_path, "theirs", content)
    noise = Noise("gaussian", 0.1)
    *_, row = score_table.rows([added.label], Conditions("sample", noise, pictures=20))
    assert isinstance(row, Row)
    clean = to_float(datasets.load("sample").test.pixels[:20])
    with torch.inference_mode():
        output = module(noisy(clean, noise, 0, range(20))).clamp(0, 1)
    errors = (output - clean).square().mean((1, 2, 3))
    assert row.means["mse"].value == pytest.approx(float(errors.mean()), rel=1e-5)
    assert row.means["psnr"].value == pytest.approx(float((-10 * errors.log10()).mean()), abs=1e-4)
    foreign_process.stop(added.sha256)
