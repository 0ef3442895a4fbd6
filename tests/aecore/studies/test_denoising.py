"""Published curves of denoisers: asked by name and level, and refused where they belong to something else."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from aecore.files import figures
from aecore.files.figures import PublishedError
from aecore.runs.store import Store
from aecore.studies import denoising
from aecore.studies.denoising import Bits
from tests.aecore.studies.published_denoising import CURVES

ROOT = Path(__file__).parents[3]


def test_curves_are_asked_by_name_and_level() -> None:
    assert CURVES.names == ["blur", "wiener"]
    assert [point.level for point in CURVES.of("wiener")] == [0.1, 0.3]
    assert CURVES.at("wiener", 0.3) == CURVES.points[1]
    assert CURVES.at("wiener", 0.2) is None


def test_curves_of_another_data_set_or_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "denoising-cifar10.json"
    figures.write(path, asdict(replace(CURVES, dataset="mnist")))
    with pytest.raises(PublishedError, match="was measured on mnist"):
        denoising.curves("cifar10", tmp_path)
    facts = asdict(CURVES)
    facts["points"][0].pop("margin")
    figures.write(path, facts)
    with pytest.raises(PublishedError, match="was written by another version of aecore"):
        denoising.curves("cifar10", tmp_path)


def test_a_run_that_is_here_with_other_weights_is_left_out(tmp_path: Path) -> None:
    run = Store(ROOT / "checkpoints").find("denoise-030")
    shutil.copytree(run.path, tmp_path / run.path.name)
    both = replace(CURVES, points=(replace(CURVES.points[0], name="denoise-030"), *CURVES.points))
    for weights, seen in ((run.files["weights.safetensors"]["sha256"], both), ("0" * 64, CURVES)):
        figures.write(tmp_path / "denoising-cifar10.json", asdict(replace(both, weights={"denoise-030": weights})))
        assert denoising.curves("cifar10", tmp_path).points == seen.points


def test_bits_come_back_and_those_of_other_weights_are_left_out(tmp_path: Path) -> None:
    run = Store(ROOT / "checkpoints").find("denoise-unet")
    shutil.copytree(run.path, tmp_path / run.path.name)
    bits = Bits("no network", 9, 4.7, 0.04, 4.71), Bits("denoise-unet", 9, 4.5, 0.04, 4.51, (0.04, 1.2))
    for weights, seen in ((run.files["weights.safetensors"]["sha256"], bits), ("0" * 64, bits[:1])):
        published = replace(CURVES, bits=bits, weights={"denoise-unet": weights})
        figures.write(tmp_path / "denoising-cifar10.json", asdict(published))
        assert denoising.curves("cifar10", tmp_path).bits == seen


def test_missing_curves_say_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(PublishedError, match=r"denoising-cifar10\.json is missing: `python -m aecore denoising`"):
        denoising.curves("cifar10", tmp_path)
