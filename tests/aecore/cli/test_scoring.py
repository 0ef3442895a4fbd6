"""`score`: runs and baselines on test pictures."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from aecore.models import zoo
from aecore.runs import execution
from aecore.runs.store import Store
from aecore.training.initialisation import build
from tests.aecore.cli.commands import LAYERS, finish


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
