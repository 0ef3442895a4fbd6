"""Devices: one that is not here is refused."""

import pytest

from aecore.training import devices
from aecore.training.events import TrainingError
from tests.aecore.training.little import CPU


def test_an_unknown_device_is_refused_with_those_that_are_here() -> None:
    for name in ("tpu", "cuda:99", ""):
        with pytest.raises(TrainingError, match=r"on this machine; here: .*cpu\."):
            devices.find_device(name)
    assert devices.find_device("cpu") == CPU
