"""The rules of a whole line: what is too much is told with the most that is not."""

import re

import pytest

from aecore.models import rules
from aecore.models.architecture import Architecture
from aecore.models.layers import LARGEST_OUTPUT
from aecore.models.rules import MOST_LAYERS, MOST_MACS, MacsError
from aecore.models.zoo import SYSTEMS


def test_the_largest_system_is_far_below_the_limits() -> None:
    largest = max(system.architecture.macs for system in SYSTEMS.values())
    assert 7 < MOST_MACS / largest < 9, "as the comment beside the limit says"


@pytest.mark.parametrize("count", [1, MOST_LAYERS])
def test_so_many_layers_are_built(count: int) -> None:
    assert rules.number_of_layers(count) is None
    Architecture.parse(" | ".join(["conv3"] * count))


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 32, 32), (1, 4096, 4096)])
def test_pictures_may_have_this_shape(shape: tuple[int, ...]) -> None:
    assert rules.picture(shape) is None


@pytest.mark.parametrize("shape", [(), (3,), (3, 32), (0, 32, 32), (1, 1, LARGEST_OUTPUT + 1), (1, 1, 1, 1)])
def test_pictures_may_not_have_this_shape(shape: tuple[int, ...]) -> None:
    assert "channels × height × width" in str(rules.picture(shape))


@pytest.mark.parametrize("text", ["conv512 | conv512 | conv3", "conv64:k5 | conv900:k5 | conv3", "conv512 | conv3:k33"])
def test_what_takes_too_many_macs_names_the_most_that_fits(text: str) -> None:
    architecture = Architecture.parse(text)
    error = rules.macs(architecture.steps, architecture.input_shape, 10**9)
    assert isinstance(error, MacsError)
    heaviest = max(architecture.steps, key=lambda step: step.macs)
    assert error.position == heaviest.position
    words = text.split(" | ")
    if words[-1] == str(heaviest.layer):  # it decides the pictures' shape, so only its own share is known
        assert error.instead == ("conv1:k33",)
        return
    (fitting,) = error.instead
    assert f"at most `{fitting}` fits" in str(error)
    channels = int(re.findall(r"[0-9]+", fitting)[0])
    for more, fits in ((0, True), (1, False)):
        words[error.position - 1] = fitting.replace(str(channels), str(channels + more), 1)
        assert (Architecture.parse(" | ".join(words)).macs <= 10**9) is fits


def test_at_the_limit_nothing_is_said() -> None:
    architecture = SYSTEMS["denoise-unet"].architecture
    steps, shape = architecture.steps, architecture.input_shape
    assert rules.macs(steps, shape, architecture.macs) is None
    assert rules.macs(steps, shape, architecture.macs - 1) is not None
    needed = sum(step.training_bytes for step in steps)
    assert rules.memory(steps, shape, needed) is None
    assert rules.memory(steps, shape, needed - 1) is not None
    assert rules.side(shape, 32) is None
    assert "at most 31 pixels" in str(rules.side(shape, 31))
