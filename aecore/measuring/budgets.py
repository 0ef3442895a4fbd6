"""The best picture within a number of bytes: every setting of a packer is tried, in real bytes.

outcomes = measure(packer, pictures)     the length of every stream, and the picture that it decodes to
outcomes.best_within(300)                the setting of each picture with the smallest error within 300 bytes
best_within(packer, picture, 300)        the same for one picture
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from aecore import AecoreError
from aecore.measuring.metrics import mse
from aecore.models.packer import Packer


class BudgetError(AecoreError):
    """There is nothing to choose from; the message says why."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What settings do to the same pictures.

    `sizes` `[settings, N]` int64 are the bytes of the streams, `headers` `[settings]` how many of them are header,
    `errors` `[settings, N]` float64 the MSE, and `pixels` `[settings, N, C, H, W]` uint8 the decoded pictures.
    """

    sizes: Tensor
    headers: Tensor
    errors: Tensor
    pixels: Tensor

    def best_within(self, budget: int) -> Tensor:
        """The setting of each picture with the smallest error among those of at most `budget` bytes, `[N]` int64.

        Of equal errors it is the shortest stream. −1 where every stream is longer.
        """
        errors = self.errors.masked_fill(self.sizes > budget, inf).nan_to_num(inf, inf)
        least = errors.amin(0)
        sizes = self.sizes.masked_fill(errors > least, self.sizes.max() + 1)
        return sizes.argmin(0).masked_fill(least.isinf(), -1)

    @property
    def smallest(self) -> Tensor:
        """The bytes of the shortest stream of each picture, `[N]` int64."""
        return self.sizes.amin(0)


@dataclass(frozen=True, eq=False)
class Best:
    """The best picture within a budget: its `setting`, the bytes of its stream, its MSE, and its pixels `[C, H, W]`."""

    setting: int
    size: int
    error: float
    pixels: Tensor


def measure(packer: Packer, pictures: Tensor, settings: Sequence[int] | None = None) -> Outcomes:
    """Pack and unpack `[N, C, H, W]` pictures in `[0, 1]` at all settings, or at some `settings`.

    Raises `BudgetError` without pictures or settings, and what the packer raises.
    """
    tried = range(len(packer.settings)) if settings is None else settings
    if not tried or not len(pictures):
        raise BudgetError("A budget is measured on at least one picture and one setting.")
    sizes, errors, pixels = list[Tensor](), list[Tensor](), list[Tensor]()
    for setting in tried:
        streams = packer.pack(pictures, setting)
        decoded = packer.unpack(streams, setting)
        sizes.append(torch.tensor([len(stream) for stream in streams]))
        errors.append(mse(decoded, pictures).double())
        pixels.append((decoded.clamp(0, 1) * 255).round().to(torch.uint8))
    headers = torch.tensor([packer.header(setting) for setting in tried])
    return Outcomes(torch.stack(sizes), headers, torch.stack(errors), torch.stack(pixels))


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """The outcomes of more settings on the same pictures, in their order."""
    return Outcomes(
        torch.cat([part.sizes for part in parts]),
        torch.cat([part.headers for part in parts]),
        torch.cat([part.errors for part in parts]),
        torch.cat([part.pixels for part in parts]),
    )


def best_within(packer: Packer, picture: Tensor, budget: int) -> Best | None:
    """The best picture that `packer` can give back of one `[C, H, W]` within `budget` bytes; None if none is so short.

    Raises what the packer raises.
    """
    outcomes = measure(packer, picture[None])
    setting = int(outcomes.best_within(budget))
    if setting < 0:
        return None
    return Best(
        setting, int(outcomes.sizes[setting, 0]), float(outcomes.errors[setting, 0]), outcomes.pixels[setting, 0]
    )
