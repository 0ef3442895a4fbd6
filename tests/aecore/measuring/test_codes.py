"""The codes of pictures, compared with the model's own, taken at once."""

import torch

from aecore.data import datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import to_float
from aecore.measuring import codes
from aecore.runs.store import Store


def test_codes_are_those_of_the_encoder_in_half_precision() -> None:
    model, pixels = Store().load("shallow-strided"), datasets.load("sample").test.pixels[:3]
    expected = model.encode(to_float(pixels))
    taken = codes.codes(model, pixels)
    assert taken.dtype == torch.float16
    assert taken.shape == (3, 32, 16, 16)
    assert torch.equal(taken, expected.half())


def test_batches_follow_each_other_and_are_exact() -> None:
    model, pixels = Store().load("compress-64"), datasets.load("cifar10-excerpt").test.pixels[:600]
    batches = list(codes.in_batches(model, pixels))
    assert [len(batch) for batch in batches] == [500, 100]
    torch.testing.assert_close(torch.cat(batches), model.encode(to_float(pixels)), rtol=1e-4, atol=1e-4)


def test_each_picture_gets_the_noise_of_its_index() -> None:
    model, pixels = Store().load("denoise-030"), datasets.load("cifar10-excerpt").test.pixels[:502]
    noise = Noise("gaussian", 0.3)
    expected = model.encode(noisy(to_float(pixels[500:]), noise, 7, (500, 501)))
    taken = torch.cat(list(codes.in_batches(model, pixels, noise, 7)))[500:]
    torch.testing.assert_close(taken, expected, rtol=1e-4, atol=1e-4)
    (part,) = codes.in_batches(model, pixels[500:], noise, 7, first=500)
    torch.testing.assert_close(part, expected, rtol=1e-4, atol=1e-4)


class Loud:
    """A coder whose code is beyond what half precision holds."""

    name = "loud"

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.flatten(1)[:, :2] * torch.tensor([1e9, -1e9])

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return codes


def test_no_number_becomes_infinite() -> None:
    pixels = torch.full((1, 1, 2, 2), 255, dtype=torch.uint8)
    assert codes.codes(Loud(), pixels).tolist() == [[65504.0, -65504.0]]
