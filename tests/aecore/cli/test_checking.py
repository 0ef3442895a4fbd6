"""`check`: what is wrong with a line, what would help, and what it would cost."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.scheduling.queue import Queue
from aecore.scheduling.speeds import Speeds
from tests.aecore.cli.commands import ROOT

LINE = "conv8:s2 | conv8 | up | conv3:k1:sigmoid"


def test_a_legal_line_is_shown_with_its_layers_and_totals(aecore: Any) -> None:
    done = aecore("check", LINE, "--json")
    facts, summary = done.json, Architecture.parse(LINE).summary()
    assert (done.status, done.err) == (0, "")
    assert (facts["legal"], facts["problems"], facts["advice"]) == (True, [], [])
    assert [row["position"] for row in facts["layers"]] == [1, 2, 3, 4]
    assert [row["output"] for row in facts["layers"]] == ["8×16×16", "8×16×16", "8×32×32", "3×32×32"]
    assert [row["receptive field"] for row in facts["layers"]] == ["3×3", "7×7", "7×7", "7×7"]
    assert (facts["parameters"], facts["macs"]) == (summary.parameters, summary.macs)
    assert (facts["code_size"], facts["code_ratio"], facts["dataset"]) == (2048, 2048 / 3072, "cifar10")
    text = aecore("check", LINE).out
    assert f"{summary.parameters:,} parameters, {summary.macs:,} MACs per picture." in text
    assert "Code: 8×16×16 = 2,048 numbers, 0.667× the picture's." in text
    assert "Seconds per epoch are not known: `--device cpu` measures the speed." in text


def test_every_problem_is_told_with_lines_that_are_without_it(aecore: Any) -> None:
    line = "conv8 | pol | conv8 | gn3 | up | conv3:k1"
    done = aecore("check", line)
    assert (done.status, done.err) == (1, "The line has 2 problems and cannot be trained.\n")
    lines = done.out.splitlines()
    assert lines[0].startswith("Layer 2 (`pol`): there is no such layer, did you mean `pool`?")
    assert lines[1] == "    Use `pool`: conv8 | pool | conv8 | gn3 | up | conv3:k1"
    assert "    Use `gn1`: conv8 | pol | conv8 | gn1 | up | conv3:k1" in lines
    done = aecore("check", line, "--json")
    assert done.status == 1
    assert [problem["position"] for problem in done.json["problems"]] == [2, 4]
    assert (done.json["legal"], done.json["parameters"], done.json["epochs"]) == (False, None, [])
    assert [row["position"] for row in done.json["layers"]] == [1, 3, 5, 6]
    assert [row["receptive field"] for row in done.json["layers"]] == ["3×3", None, None, None]
    mended = done.json["problems"][0]["repairs"][0]["line"].replace("gn3", "gn4")
    assert aecore("check", mended).status == 0
    assert aecore("check", "conv8").err == "The line has 1 problem and cannot be trained.\n"


@pytest.mark.parametrize("text", ["", "|", "🦊", "no-such-name", "x" * 10_000])
def test_any_text_is_answered(aecore: Any, text: str) -> None:
    done = aecore("check", text)
    assert done.status == 1
    assert done.out
    assert "Traceback" not in done.err


def test_advice_is_given_with_its_reason_and_source(aecore: Any) -> None:
    done = aecore("check", "conv8:s2 | deconv3:linear")
    assert done.status == 0
    assert "Layer 2: A kernel of 3 at stride 2 adds to some pixels more often" in done.out
    assert "(Odena, Dumoulin & Olah 2016" in done.out
    assert "    Use `deconv3:k4:linear` for layer 2: conv8:s2 | deconv3:k4:linear" in done.out


def test_names_of_systems_and_of_saved_architectures_stand_for_their_layers(aecore: Any) -> None:
    facts = aecore("check", "denoise-unet", "--json").json
    assert (facts["name"], facts["line"]) == ("denoise-unet", str(zoo.SYSTEMS["denoise-unet"].architecture))
    assert facts["batch_size"] == zoo.SYSTEMS["denoise-unet"].recipe.batch_size
    zoo.own_zoo().save("slim", Architecture.parse(LINE))
    assert aecore("check", "slim", "--json").json["line"] == LINE


# ---- seconds per epoch


def test_a_speed_that_was_measured_gives_the_seconds_of_an_epoch(aecore: Any) -> None:
    spec = RunSpec(Architecture.parse(LINE), Recipe(), "cifar10", "")
    Speeds(Queue().database).record(spec, "cpu", 1000.0)
    (epoch,) = aecore("check", LINE, "--json").json["epochs"]
    assert epoch["device"].startswith("cpu (")
    assert epoch["seconds"] == pytest.approx((45_000 + 5_000 / 3) / 1000)
    assert "46.7 s per epoch of CIFAR-10 on cpu (" in aecore("check", LINE).out
    (again,) = aecore("check", LINE, "--json", "--device", "cpu").json["epochs"]
    assert again == epoch


def test_finished_runs_give_a_rough_guess(aecore: Any, checkpoints: Path) -> None:
    for name in ("dense", "shallow-strided", "deep-strided-8"):
        (folder,) = (ROOT / "checkpoints").glob(f"{name}-" + "[0-9a-f]" * 12)
        (checkpoints / folder.name).mkdir(parents=True)
        for file in ("run.json", "history.csv"):
            shutil.copy(folder / file, checkpoints / folder.name)
    (epoch,) = aecore("check", LINE, "--json").json["epochs"]
    assert (epoch["device"], epoch["measured_here"]) == ("cpu", False)
    assert "a rough guess from 3 finished runs on 2 CPU cores" in aecore("check", LINE).out


def test_a_device_that_is_named_is_measured_and_the_speed_recorded(aecore: Any) -> None:
    (epoch,) = aecore("check", LINE, "--json", "--device", "cpu").json["epochs"]
    assert epoch["seconds"] == pytest.approx((45_000 + 5_000 / 3) / epoch["images_per_second"])
    spec = RunSpec(Architecture.parse(LINE), Recipe(), "cifar10", "")
    assert Speeds(Queue().database).find(spec, "cpu") == epoch["images_per_second"]


def test_what_has_nothing_to_train_is_legal_and_has_no_speed(aecore: Any) -> None:
    done = aecore("check", "pool | up", "--device", "cpu")
    assert done.status == 0
    assert "has nothing to train" in done.err
    assert "0 parameters, 0 MACs per picture." in done.out
    assert "per epoch of" not in done.out


def test_for_pictures_of_an_unusual_shape_no_epoch_is_estimated(aecore: Any) -> None:
    text = aecore("check", "3x20x20 | conv3", "--device", "cpu").out
    assert "No data set has pictures of 3×20×20." in text
    assert "per epoch" not in text
