"""A codec of a trained model: its bytes become the picture that its numbers stand for, and nothing else does."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.reconstructors.rate_coder import SETTINGS_PER_RATE, RateCoder, StreamError
from aecore.reconstructors.trained import Model

LINE = "conv8:s2 | conv6:s2:linear | entropy4:h16 | up4 | conv3"


def model_of(line: str = LINE) -> Model:
    torch.manual_seed(0)
    architecture = Architecture.parse(line)
    weights = architecture.module().state_dict()
    for name, tensor in weights.items():
        if "prior" in name:
            tensor.normal_(0, 0.2)
        elif name.endswith("gains"):  # so that numbers up to 20 occur
            tensor.add_(2)
    return Model(RunSpec(architecture, Recipe(), "sample", "0" * 64), weights)


@pytest.fixture(scope="module")
def coder() -> RateCoder:
    return RateCoder(model_of())


def drawn(pictures: int, seed: int = 0) -> Tensor:
    return torch.rand(pictures, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def expected(coder: RateCoder, pictures: Tensor, setting: int) -> tuple[Tensor, Tensor]:
    """The pictures that the rounded numbers stand for, and the bits that the model says they take."""
    modules, rates = coder.model.module, torch.full((len(pictures),), setting / SETTINGS_PER_RATE)
    with torch.inference_mode():
        numbers = modules[2].rounded(modules[:2](pictures), rates)
        return modules[3:](modules[2].restored(numbers, rates)), modules[2].bits(numbers, rates)


@settings(max_examples=20, deadline=None)
@given(setting=st.integers(0, 3 * SETTINGS_PER_RATE), seed=st.integers(0, 1000), pictures=st.integers(1, 4))
def test_the_bytes_become_the_picture_of_the_rounded_code(setting: int, seed: int, pictures: int) -> None:
    coder = RateCoder(model_of())
    clean = drawn(pictures, seed)
    streams = coder.pack(clean, setting)
    output, bits = expected(coder, clean, setting)
    torch.testing.assert_close(coder.unpack(streams, setting), output)
    sizes = 8 * torch.tensor([len(stream) for stream in streams])
    # A byte for the rate and up to nine bits for the end. The coder's tables end at 24 bits for one number, and round
    # means and scales.
    assert (sizes < bits * 1.01 + 8 + 9 + 8).all()


def test_the_highest_rate_is_what_a_call_of_the_model_gives(coder: RateCoder) -> None:
    pictures = drawn(3)
    highest = len(coder.settings) - 1
    torch.testing.assert_close(coder.unpack(coder.pack(pictures, highest), highest), coder.model(pictures))


def test_a_stream_does_not_depend_on_the_pictures_beside_it(coder: RateCoder) -> None:
    pictures = drawn(130)  # more than a batch
    together = coder.pack(pictures, 12)
    assert together[101:104] == coder.pack(pictures[101:104], 12)
    torch.testing.assert_close(coder.unpack(together, 12)[101:104], coder.unpack(together[101:104], 12))


def test_settings_lie_between_the_rates_of_the_model(coder: RateCoder) -> None:
    assert (coder.rates[0], coder.rates[-1], len(coder.rates)) == (0, 3, 3 * SETTINGS_PER_RATE + 1)
    assert coder.settings[-1] == "rate 3 of 3"
    for setting in range(len(coder.settings)):
        assert coder.pack(drawn(1), setting)[0][: coder.header(setting)] == bytes([setting])


def test_a_code_of_one_position_has_sets_without_numbers() -> None:
    coder = RateCoder(model_of("avgpool32 | conv6:k1:linear | entropy4:h16 | up32 | conv3"))
    pictures = drawn(2)
    torch.testing.assert_close(coder.unpack(coder.pack(pictures, 16), 16), expected(coder, pictures, 16)[0])


def test_what_is_no_stream_is_refused(coder: RateCoder) -> None:
    streams = coder.pack(drawn(2), 8)
    for wrong, said in (
        ([b""], "nothing"),
        ([streams[0], b""], "nothing"),
        ([streams[0], *coder.pack(drawn(1), 0)], "setting 0"),
        ([b"\xff" + streams[0]], "setting 255"),
    ):
        with pytest.raises(StreamError, match=f"of custom at setting 8 begins with this number, not {said}"):
            coder.unpack(wrong, 8)
    for line in ("conv8:s2 | up | conv3", "conv8 | skip | conv8:s2 | entropy4:h8 | up | add | conv3"):
        model = model_of(line)
        assert not model.spec.architecture.entropy_model
        with pytest.raises(StreamError, match="needs a layer `entropy` that no skip bypasses"):
            RateCoder(model)


def test_a_damaged_stream_is_another_picture_and_no_error(coder: RateCoder) -> None:
    stream = coder.pack(drawn(1), 8)[0]
    damaged = stream[:5] + bytes([stream[5] ^ 255]) + stream[6:]
    assert coder.unpack([damaged], 8).shape == (1, 3, 32, 32)
    assert coder.unpack([stream[:3]], 8).isfinite().all()
