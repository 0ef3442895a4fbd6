"""`score`: runs and baselines on test pictures."""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from scipy import stats

from aecore.data import datasets
from aecore.data.splits import Split
from aecore.measuring import legibility
from aecore.measuring.metrics import BASIC, METRICS
from aecore.measuring.scoring import score
from aecore.models import zoo
from aecore.runs import execution, store
from aecore.runs.store import Store
from aecore.training.initialisation import build
from tests.aecore.cli.commands import LAYERS
from tests.aecore.finished import finish


def test_a_score_on_pictures_of_another_shape_is_refused(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    spec = execution.plan(zoo.SYSTEMS["mnist-dense"], dataset="mnist")
    model = build(spec.architecture, spec.recipe, 0, torch.device("cpu"))
    finish(Store(checkpoints), spec, dict(model.state_dict()))
    done = aecore("score", "mnist-dense", "--dataset", f"folder:{pictures}")
    assert done.status == 1
    assert re.fullmatch(r"mnist-dense takes pictures of 1×28×28; those of .* are 3×32×32\.\n", done.err)


def test_a_score_on_pictures_that_have_changed_since_says_so(aecore: Any, pictures: Path, checkpoints: Path) -> None:
    aecore("train", LAYERS, "--dataset", f"folder:{pictures}", "--epochs", 1)
    assert "has changed" not in aecore("score", "custom").err
    next(pictures.rglob("*.png")).unlink()
    done = aecore("score", "custom", "--json")
    assert done.status == 0
    assert "has changed since custom was trained: some test pictures may be among those it learned from." in done.err


def test_json_has_no_number_where_a_picture_comes_back_without_error(aecore: Any) -> None:
    done = aecore("score", "identity", "--dataset", "sample", "--images", 3, "--json")
    [row] = json.loads(done.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (row["MSE"], row["PSNR pooled"], row["PSNR mean"], row["SSIM"]) == (0, None, None, 1)


@pytest.fixture
def score_published(aecore: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """`python -m aecore score …` of published runs, where no network's weights are."""
    monkeypatch.delenv("AECORE_CHECKPOINTS")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return partial(aecore, "score")


def test_other_metrics_are_columns_with_what_they_mean(score_published: Any) -> None:
    command = ["shallow-maxpool", "--dataset", "sample", "--metrics", "haarpsi,gmsd"]
    [row] = score_published(*command, "--json").json
    test = datasets.load("sample").test
    rows = pd.concat(score(store.load("shallow-maxpool"), test, metrics=("gmsd", "haarpsi")))
    assert (row["GMSD"], row["HaarPSI"]) == (
        pytest.approx(rows["gmsd"].mean(), rel=1e-3),
        pytest.approx(rows["haarpsi"].mean(), rel=1e-3),
    )
    assert not [name for name in row if "±" in name]
    done = score_published(*command)
    assert done.out.splitlines()[0].split()[-3:] == ["SSIM", "HaarPSI", "GMSD"]
    assert done.out.splitlines()[2:] == [
        f"{METRICS[name].title}: {METRICS[name].meaning}" for name in ("haarpsi", "gmsd")
    ]


def test_the_means_of_a_few_pictures_come_with_their_intervals(score_published: Any) -> None:
    command = ["shallow-maxpool", "--dataset", "sample", "--images", 30, "--metrics", "gmsd"]
    [row] = score_published(*command, "--json").json
    test = datasets.load("sample").test
    few = Split(test.pixels[:30], test.labels[:30])
    rows = pd.concat(score(store.load("shallow-maxpool"), few, metrics=(*BASIC, "gmsd")))
    for title, name in [("MSE", "mse"), ("PSNR mean", "psnr"), ("SSIM", "ssim"), ("GMSD", "gmsd")]:
        expected = stats.t.ppf(0.975, 29) * stats.sem(rows[name])
        assert row[f"± {title}"] == pytest.approx(expected, rel=0.06)
    assert "±: half the 95% interval of the mean, by Student's t over the pictures." in score_published(*command).out
    [alone] = score_published("shallow-maxpool", "--dataset", "sample", "--images", 1, "--json").json
    assert alone["± MSE"] is None


def test_all_metrics_are_those_that_can_be_computed(score_published: Any) -> None:
    command = ["shallow-maxpool", "--dataset", "sample", "--images", 2, "--metrics", "all"]
    done = score_published(*command, "--json")
    assert done.status == 0
    titles = [METRICS[name].title for name in METRICS if name not in (*BASIC, "lpips", "dists", "legible")]
    assert [name for name in done.json[0] if name in titles] == titles
    assert done.err.count("is left out: ") == 3
    assert "Class read is left out: There is no classifier for these pictures: " in done.err
    assert "LPIPS is left out: LPIPS needs vgg16-397923af.pth and lpips_weights.pt in " in done.err
    head, row = score_published(*command).out.splitlines()[:2]
    assert all(f" {title}  " in f"{head}  " for title in titles)
    assert [float(cell) for cell in row.split()[3:]] == list(done.json[0].values())[3:]


def test_the_class_is_read_from_the_pictures_of_the_classifier(score_published: Any) -> None:
    command = ["dense", "identity", "--dataset", "cifar10-excerpt", "--images", 60, "--metrics", "legible", "--json"]
    done = score_published(*command)
    assert (done.status, done.err) == (0, "")
    test = datasets.load("cifar10-excerpt").test
    expected = legibility.accuracy(store.load("dense"), Split(test.pixels[:60], test.labels[:60]))
    assert done.json[0]["Class read"] == pytest.approx(expected, abs=5e-5)
    assert done.json[0]["Class read"] < done.json[1]["Class read"] <= 1


def test_what_is_not_defined_for_digits_is_left_out_once(
    score_published: Any, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AECORE_DATA", str(real_data))
    command = ["mnist-dense", "mnist-dense", "--images", 3, "--metrics", "mdsi,gmsd", "--json"]
    done = score_published(*command)
    assert done.status == 0
    assert [("GMSD" in row, "MDSI" in row) for row in done.json] == [(True, False)] * 2
    assert done.err.count("MDSI is left out: MDSI needs pictures of 3 channels, got 1×28×28.") == 1


def test_an_unknown_metric_is_told_with_the_legal_ones(score_published: Any) -> None:
    done = score_published("shallow-maxpool", "--metrics", "gmsd,vsy")
    assert (done.status, done.out) == (1, "")
    assert "There is no metric 'vsy': did you mean vsi? Metrics: mse, psnr, ssim, gmsd, " in done.err
    assert len(done.err.strip().splitlines()) == 1
