"""Measuring the study of resolution: codes at so many bits, outputs reduced, JPEG at the same bits, and the sheet."""

import base64
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from aecore.data.splits import to_float
from aecore.measuring.totals import decibels
from aecore.models import zoo
from aecore.models.recipe import RunSpec
from aecore.reconstructors.trained import Model
from aecore.runs import execution
from aecore.runs.store import Store
from aecore.studies import resolution_measurement as measurement
from aecore.studies.resolution import LAST, published
from aecore.training import initialisation

CPU = torch.device("cpu")


def untrained(side: int) -> Model:
    spec = measurement.spec("deep-strided-8", side, 0)
    return Model(spec, initialisation.build(spec.architecture, spec.recipe, 0, CPU).state_dict())


def test_a_run_is_a_systems_on_the_scenes_of_a_size() -> None:
    spec = measurement.spec("shallow-strided", 96, 3)
    assert spec.architecture.layers == zoo.SYSTEMS["shallow-strided"].architecture.layers
    assert (spec.dataset, spec.architecture.input_shape, spec.seed) == ("scenes-96", (3, 96, 96), 3)
    assert spec.recipe.learning_rate == zoo.SYSTEMS["shallow-strided"].recipe.learning_rate


def test_a_stored_code_loses_nothing_at_many_bits_and_more_at_few(monkeypatch: pytest.MonkeyPatch) -> None:
    model, dataset = untrained(32), measurement.scenes(32)
    clean = to_float(dataset.test.pixels[: measurement.STORED])
    exact = decibels(float((model(clean).clamp(0, 1) - clean).square().mean()))
    heights = {}
    for bits in (2.0, 12.0):
        monkeypatch.setattr(measurement, "BITS", bits)
        outputs = list[torch.Tensor]()
        decode = model.decode

        def noted(codes: torch.Tensor, decode: Any = decode, outputs: list[torch.Tensor] = outputs) -> torch.Tensor:
            outputs.append(decode(codes))
            return outputs[-1]

        monkeypatch.setattr(model, "decode", noted)
        heights[bits] = measurement.stored(model, dataset)
        monkeypatch.setattr(model, "decode", decode)
        # What comes back is the error of the last pictures that were decoded.
        error = float((outputs[-1].clamp(0, 1) - clean).square().mean())
        assert heights[bits] == pytest.approx(decibels(error), abs=1e-4)
    assert heights[12.0] == pytest.approx(exact, abs=0.01)
    assert abs(heights[2.0] - exact) > abs(heights[12.0] - exact)


def test_reduced_outputs_are_compared_with_the_smallest_scenes() -> None:
    large = to_float(measurement.scenes(96).test.pixels)
    # The scenes themselves differ from the smaller ones by rounding alone.
    assert measurement.reduced(large) > 55
    blocks = large.reshape(len(large), 3, 32, 3, 32, 3).mean((3, 5))
    error = (blocks + 0.1).clamp(0, 1) - to_float(measurement.scenes(32).test.pixels)
    shifted = (blocks + 0.1).clamp(0, 1).repeat_interleave(3, 2).repeat_interleave(3, 3)
    assert measurement.reduced(shifted) == pytest.approx(decibels(float(error.square().mean())), abs=1e-3)


def test_jpeg_is_measured_at_the_same_bits() -> None:
    pixels = measurement.scenes(32).test.pixels[: measurement.STORED].permute(0, 2, 3, 1).numpy()
    points = []
    for quality in (95, 100):
        options = {"quality": quality, "optimize": True, "subsampling": "4:4:4"}
        sizes, errors = [], []
        for picture in [np.full((32, 32, 3), 128, np.uint8), *pixels]:
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "JPEG", **options)
            sizes.append(len(file.getvalue()))
            errors.append(np.square((np.asarray(Image.open(file), float) - picture) / 255).mean())
        points.append((8 * (np.mean(sizes[1:]) - sizes[0]) / 32**2, decibels(float(np.mean(errors[1:])))))
    (few, low), (many, high) = points
    assert few < measurement.BITS < many
    assert low < measurement.reference(32).jpeg < high
    assert measurement.reference(32).enlarged is None


def test_enlarged_scenes_lack_what_only_the_larger_ones_show() -> None:
    medium, large = (measurement.reference(side).enlarged for side in (64, 96))
    assert medium is not None
    assert large is not None
    nearest = to_float(measurement.scenes(32).test.pixels).repeat_interleave(3, 2).repeat_interleave(3, 3)
    error = float((nearest - to_float(measurement.scenes(96).test.pixels)).square().mean())
    assert decibels(error) < large < medium


@pytest.mark.slow
def test_publishing_trains_measures_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(name: str, side: int, seed: int) -> RunSpec:
        return execution.plan(
            zoo.SYSTEMS[name], dataset=f"scenes-{side}", seed=seed, epochs=1, batch_size=20, images=40
        )

    monkeypatch.setattr(measurement, "spec", short)
    for name, value in {
        "NAMES": ("shallow-strided",),
        "SEEDS": range(2),
        "LEARNING": 20,
        "STORED": 20,
        "ROUNDS": 1,
    }.items():
        monkeypatch.setattr(measurement, name, value)
    store, said = Store(tmp_path), list[str]()
    study = measurement.publish(store, progress=said.append)
    assert published(tmp_path) == study
    assert not store.listing().runs, "the runs are in a store of their own"
    inner = Store(tmp_path / measurement.FOLDER)
    assert len(inner.listing().runs) == 3 * 2
    cell = study.cell("shallow-strided", 96)
    run = measurement.trained(inner, "shallow-strided", 96, 1)
    scores = run.scores()
    assert cell.psnr[1] == pytest.approx(decibels(float(scores["mse"].mean())), abs=1e-3)
    assert cell.ssim[1] == pytest.approx(float(scores["ssim"].mean()), abs=1e-3)
    assert all(cell.seconds > 0 for cell in study.cells)
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(study.scenes[0].sheet))).convert("RGB"))
    number = study.scenes[0].number
    for left, side in ((0, 96), (96, 64), (160, 32)):
        picture = measurement.scenes(side).test.pixels[number].permute(1, 2, 0).numpy()
        assert np.array_equal(sheet[:side, left : left + side], picture)
        model = measurement.trained(inner, "shallow-strided", side, 0).model()
        output = (
            model(to_float(measurement.scenes(side).test.pixels[number : number + 1]))[0].clamp(0, 1) * 255
        ).round()
        shown = sheet[LAST : LAST + side, left : left + side].astype(int)
        assert np.abs(shown - output.permute(1, 2, 0).numpy().astype(int)).max() <= 1
    before = {path: path.stat().st_mtime_ns for path in inner.root.rglob("*.safetensors")}
    again = measurement.publish(store, progress=said.append)
    timeless = [replace(one, cells=tuple(replace(cell, seconds=0) for cell in one.cells)) for one in (again, study)]
    assert timeless[0] == timeless[1], "what was trained and measured is taken from the store"
    assert {path: path.stat().st_mtime_ns for path in inner.root.rglob("*.safetensors")} == before
