"""The checksum over tensors: it depends on every name, type, shape and value, and on nothing else."""

import hashlib

import torch
from torch import Tensor

from aecore.files.tensors import digest

WEIGHT = torch.arange(6, dtype=torch.float32).reshape(2, 3)
BIAS = torch.tensor([1, 2], dtype=torch.int64)


def test_the_order_of_the_names_and_of_the_memory_does_not_matter() -> None:
    expected = digest({"weight": WEIGHT, "bias": BIAS}, b"before")
    assert digest({"bias": BIAS, "weight": WEIGHT}, b"before") == expected
    strided = WEIGHT.T.contiguous().T
    assert not strided.is_contiguous()
    assert digest({"bias": BIAS, "weight": strided}, b"before") == expected


def test_every_name_type_shape_and_value_matters_and_what_comes_before() -> None:
    changed = WEIGHT.clone()
    changed[1, 2] = torch.nextafter(changed[1, 2], torch.tensor(9.0))
    others: list[dict[str, Tensor]] = [
        {"weight": WEIGHT},
        {"weight": WEIGHT, "gain": BIAS},
        {"weight": WEIGHT, "bias": BIAS.int()},
        {"weight": WEIGHT.flatten(), "bias": BIAS},
        {"weight": changed, "bias": BIAS},
        {},
    ]
    digests = {digest(tensors, b"") for tensors in others}
    digests |= {digest({"weight": WEIGHT, "bias": BIAS}, before) for before in (b"", b"before")}
    assert len(digests) == len(others) + 2


def test_it_is_sha_256_of_what_the_docstring_names() -> None:
    content = b"before" + b"bias torch.int64 (2,)" + BIAS.numpy().tobytes()
    assert digest({"bias": BIAS}, b"before") == hashlib.sha256(content).hexdigest()
