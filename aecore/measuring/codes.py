"""The codes of pictures, batch by batch or all at once."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from aecore.data.noise import Noise, noisy
from aecore.data.splits import to_float
from aecore.models.reconstructor import Coder

BATCH = 500


def in_batches(
    model: Coder, pixels: Tensor, noise: Noise | None = None, seed: int = 0, first: int = 0
) -> Iterator[Tensor]:
    """The codes of uint8 `pixels` `[N, C, H, W]` in float32, 500 pictures at a time: `[n, …]`.

    With `noise` the model gets the noisy pictures, each with the draw of its index; `first` is that of the first
    picture. Raises what the model's `encode` raises, as `NoCodeError` for a model without a code.
    """
    with torch.inference_mode():
        for start in range(0, len(pixels), BATCH):
            batch = pixels[start : start + BATCH]
            indices = range(first + start, first + start + len(batch))
            yield model.encode(noisy(to_float(batch), noise, seed, indices))


def codes(model: Coder, pixels: Tensor, noise: Noise | None = None, seed: int = 0) -> Tensor:
    """The codes of uint8 `pixels` `[N, C, H, W]`, all at once: float16 `[N, …]`, in the shape of the model's code.

    Half precision, because 10,000 codes of 32×16×16 numbers would take 328 MB in float32. Its relative error, at most
    2⁻¹¹, is not seen in a map or a distance; what is decoded again should come from `in_batches`. Numbers beyond
    ±65,504 become that. Arguments and errors as for `in_batches`.
    """
    most = torch.finfo(torch.float16).max
    return torch.cat([batch.clamp(-most, most).half() for batch in in_batches(model, pixels, noise, seed)])
