"""Speed: measured by training on random pictures, and refused where there is nothing to train."""

from math import isfinite

import pytest

from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.training.events import TrainingError
from aecore.training.speed import images_per_second


def spec_of(layers: str, **recipe: object) -> RunSpec:
    return RunSpec(Architecture.parse(layers), Recipe(**recipe), "nowhere", "0" * 64)  # type: ignore[arg-type]


def test_a_speed_is_measured_without_the_data_and_without_training_to_the_end() -> None:
    speed = images_per_second(spec_of("3x8x8 | conv3", epochs=10_000, batch_size=10), "cpu", seconds=0.01)
    assert isfinite(speed)
    assert speed > 0


def test_what_cannot_be_trained_there_is_refused() -> None:
    with pytest.raises(TrainingError, match="has nothing to train"):
        images_per_second(spec_of("3x8x8 | pool | up"), "cpu")
    with pytest.raises(TrainingError, match="There is no device 'tpu'"):
        images_per_second(spec_of("3x8x8 | conv3"), "tpu")
