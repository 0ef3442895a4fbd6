"""Speed: measured by training on random pictures, and refused where there is nothing to train."""

from math import isfinite
from time import perf_counter

import pytest
import torch

from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.training import speed
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_matrices_are_multiplied_as_fast_as_the_clock_says(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """All calls together take no less time than so many multiplications at the median speed, but for half of them."""
    monkeypatch.setattr(speed, "MATRIX", 128)
    started = perf_counter()
    rate = speed.multiplications_per_second("cpu", dtype, seconds=0.02)
    spent = perf_counter() - started
    assert rate > 0
    assert rate * spent >= 128**3 * speed.FEWEST_CALLS / 2


def test_reconstructions_are_counted_in_pictures() -> None:
    architecture = Architecture.parse("3x8x8 | conv4 | conv3")
    calls = list[int]()

    class Counted(torch.nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            calls.append(len(pictures))
            return pictures

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Architecture, "module", lambda _: Counted())
        rate = speed.reconstructions_per_second(architecture, "cpu", pictures=7, seconds=0.0)
    assert calls == [7] * speed.FEWEST_CALLS
    assert isfinite(rate)
    assert rate > 0
