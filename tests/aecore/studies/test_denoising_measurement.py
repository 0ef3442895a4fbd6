"""Measuring denoisers level by level: a point is what the scores say, and it is measured once."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from aecore.data import datasets
from aecore.data.noise import Noise
from aecore.data.splits import Dataset, Split
from aecore.measuring.intervals import paired_differences
from aecore.measuring.scoring import score
from aecore.models import zoo
from aecore.runs import execution
from aecore.runs.store import Store
from aecore.studies import bits_measurement, by_name, denoising, denoising_measurement
from aecore.studies.denoising import Bits, Point
from aecore.training.initialisation import build
from tests import optional
from tests.aecore.finished import finish
from tests.aecore.studies.published_denoising import CURVES

ROOT = Path(__file__).parents[3]
PICTURES = 40
NAMES = ["noisy", "blur", "wavelet"]


@pytest.fixture(scope="module")
def sample() -> Dataset:
    return datasets.load("sample")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def points(sample: Dataset, store: Store) -> list[Point]:
    levels = {0.1: PICTURES, 0.0: 10}
    return [point for *_, measured in denoising_measurement.measure(sample, store, NAMES, levels) for point in measured]


def table(sample: Dataset, store: Store, name: str) -> pd.DataFrame:
    noise = Noise("gaussian", 0.1)
    reconstruct = by_name.find("identity" if name == "noisy" else name, sample, noise, store)
    split = Split(sample.test.pixels[:PICTURES], sample.test.labels[:PICTURES])
    return pd.concat(score(reconstruct, split, noise, denoising.SEED), ignore_index=True)


def test_a_point_is_what_the_scores_say(sample: Dataset, store: Store, points: list[Point]) -> None:
    for name in NAMES:
        (point,) = (point for point in points if point.name == name and point.level == 0.1)
        rows = table(sample, store, name)
        assert point.pictures == PICTURES
        assert point.psnr == pytest.approx(rows["psnr"].mean(), abs=1e-3)
        assert point.ssim == pytest.approx(rows["ssim"].mean(), abs=1e-3)
    noisy, blur, _ = (point.psnr for point in points if point.level == 0.1)
    assert noisy is not None
    assert blur is not None
    assert 20 <= noisy < 21  # clamped like every output: what leaves the range comes a little nearer
    assert blur > noisy + 2


def test_what_gives_the_picture_back_exactly_has_no_decibels(points: list[Point]) -> None:
    exact = {point.name: point.psnr for point in points if point.level == 0}
    assert exact["noisy"] is None
    assert exact["blur"] is None
    assert exact["wavelet"] is not None


def test_differences_are_those_of_the_same_pictures(
    sample: Dataset, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denoising_measurement, "REFERENCES", ("blur",))
    points = [
        point
        for *_, measured in denoising_measurement.measure(sample, store, NAMES, {0.1: PICTURES})
        for point in measured
    ]
    pair = pd.DataFrame({name: table(sample, store, name)["psnr"] for name in ("wavelet", "blur")})
    (expected,) = paired_differences(pair)
    (over,) = (point.over["blur"] for point in points if point.name == "wavelet")
    assert over == pytest.approx((expected.mean, expected.low, expected.high), abs=1e-3)
    assert all("blur" not in point.over for point in points if point.name == "blur")


def test_what_was_measured_is_not_measured_again(
    sample: Dataset, store: Store, points: list[Point], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_name, "find", None)
    again = [
        point
        for *_, measured in denoising_measurement.measure(sample, store, NAMES, {0.1: PICTURES, 0.0: 10})
        for point in measured
    ]
    assert again == points


@optional.needs_bm3d
def test_slow_ones_are_measured_on_the_first_pictures(
    sample: Dataset, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denoising_measurement, "SUBSET", 6)
    (*_, last) = denoising_measurement.measure(sample, store, ["blur", "bm3d"], {0.1: PICTURES})
    assert {point.name: point.pictures for point in last[2]} == {"blur": PICTURES, "bm3d": 6}


@optional.needs_bm3d
def test_curves_come_back_from_their_file_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoising_measurement, "measure", lambda *_: iter([("", 0.1, list(CURVES.points))]))
    bits = Bits("no network", 9, 4.7, 0.04, 4.71), Bits("denoise-unet", 9, 4.5, 0.04, 4.51, (0.04, 1.2))
    monkeypatch.setattr(bits_measurement, "measure", lambda *_: iter(bits))
    said = list[str]()
    made = denoising_measurement.publish(Store(tmp_path), "sample", said.append)
    assert said == [
        "σ 0.1 is measured.",
        "no network: 4.700 bits per value",
        "denoise-unet: 4.500 bits per value",
    ]
    assert denoising.curves("sample", tmp_path) == made
    assert made.points == CURVES.points
    assert made.bits == bits
    code = "import sys; from pathlib import Path; from aecore.studies import denoising; "
    code += f"denoising.curves('sample', Path({str(tmp_path)!r})); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_other_weights_of_the_same_run_are_measured_anew(sample: Dataset, tmp_path: Path) -> None:
    store, scores = Store(tmp_path), []
    for seed in (0, 1):
        run = execution.plan(zoo.find("denoise-030"), dataset="sample", epochs=1, images=100)
        module = build(run.architecture, run.recipe, seed, torch.device("cpu"))
        shutil.rmtree(tmp_path / run.folder, ignore_errors=True)
        finish(store, run, module.state_dict())
        scores.append(denoising_measurement.scored("denoise-030", sample, 0.1, store, 5))
    assert not torch.equal(*scores)
