"""A look trains as a run does, on fewer pictures, for as long as it is allowed; nothing is stored."""

import io
from dataclasses import replace
from math import prod

import numpy as np
import pytest
import torch
from PIL import Image

from aecore.data import datasets
from aecore.data.catalog import SAMPLE
from aecore.data.splits import to_float
from aecore.measuring.totals import decibels
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.runs import looks
from aecore.runs.execution import PREVIEW_PICTURES
from aecore.training.events import TrainingError

LINE = "conv8 | conv8:s2 | up | conv3:k1:sigmoid"
CPU = torch.device("cpu")


def spec_of(line: str = LINE, **recipe: object) -> RunSpec:
    return RunSpec(Architecture.parse(line), Recipe(**recipe), SAMPLE, "")  # type: ignore[arg-type]


def rows(png: bytes) -> list[np.ndarray]:
    """The rows of a preview, [32, 256, 3] each."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    return [pixels[top : top + 32] for top in range(0, len(pixels), 32)]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few pictures that a busy machine too passes through them many times a second."""
    monkeypatch.setattr(looks, "MOST", 100)


@pytest.mark.usefixtures("few")
def test_a_look_sees_the_untrained_model_and_then_how_it_learns() -> None:
    glances = list(looks.look(spec_of(batch_size=20), datasets.load(SAMPLE), CPU, seconds=1.0))
    first, last = glances[0], glances[-1]
    assert (first.seconds, first.pictures, first.images_per_second) == (0.0, 0, 0.0)
    assert len(glances) > 2
    assert last.seconds >= 1.0
    assert all(before.seconds < 1.0 for before in glances[:-1])
    assert last.psnr > first.psnr
    assert last.images_per_second > 0
    assert [glance.pictures for glance in glances] == [index * looks.MOST for index in range(len(glances))]
    original, untrained = rows(first.png)
    expected = datasets.load(SAMPLE).test.pixels[:PREVIEW_PICTURES].numpy()
    assert np.array_equal(original, np.concatenate(expected.transpose(0, 2, 3, 1), axis=1))
    again, learned = rows(last.png)
    assert np.array_equal(again, original)
    errors = [np.square(row.astype(float) - original).mean() for row in (untrained, learned)]
    assert errors[1] < errors[0]


def test_the_untrained_psnr_is_that_of_the_initial_weights() -> None:
    sample, spec = datasets.load(SAMPLE), spec_of()
    glance = next(looks.look(spec, sample, CPU))
    clean = to_float(sample.validation.pixels[: looks.VALIDATION])
    error = (looks.untrained(spec)(clean).clamp(0, 1) - clean).square().mean()
    assert glance.psnr == pytest.approx(decibels(float(error)), abs=1e-4)


def test_what_takes_long_learns_from_fewer_pictures() -> None:
    assert looks.pictures_per_epoch(spec_of()) == looks.MOST
    wide = spec_of("conv64 | conv64 | conv3:sigmoid")
    assert looks.FEWEST <= looks.pictures_per_epoch(wide) < looks.MOST
    assert looks.pictures_per_epoch(wide) == looks.EPOCH_MACS // wide.architecture.macs


def test_batches_shrink_where_their_activations_would_not_fit() -> None:
    assert looks.affordable(spec_of()) == spec_of()
    deep = spec_of(" | ".join(["conv256", *["bn"] * 190, "conv3:k1:sigmoid"]))
    fewer = looks.affordable(deep)
    numbers = sum(prod(step.output_shape) for step in deep.architecture.steps)
    assert fewer.recipe.batch_size < deep.recipe.batch_size
    assert 2 <= fewer.recipe.batch_size <= looks.BATCH_BYTES / (8 * numbers)
    assert replace(fewer, recipe=deep.recipe) == deep


@pytest.mark.usefixtures("few")
def test_a_schedule_and_a_number_of_epochs_do_not_end_a_look() -> None:
    glances = looks.look(spec_of(epochs=1, schedule="cosine", images=100), datasets.load(SAMPLE), CPU, seconds=1.0)
    assert len(list(glances)) > 2


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(TrainingError, match="nothing to train"):
        list(looks.look(spec_of("pool | up"), datasets.load(SAMPLE), CPU, seconds=0.1))
