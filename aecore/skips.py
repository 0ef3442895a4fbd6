"""What carries a tensor past other layers: the torch side of `skip`, `add` and `concat`."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Remember(nn.Identity):
    """What comes in is kept until the next `Join` that is not another one's."""


class Join(nn.Module):
    """The sum of what comes in and what was kept, or both as channels of one map."""

    def __init__(self, *, concatenates: bool) -> None:
        super().__init__()
        self._concatenates = concatenates

    def forward(self, values: Tensor, kept: Tensor) -> Tensor:
        """Both `[N, …]`; `[N, C + C′, H, W]` where they are concatenated."""
        return torch.cat([values, kept], 1) if self._concatenates else values + kept


class Sequence(nn.Sequential):
    """`nn.Sequential` with brackets: a `Remember` opens one, the `Join` that closes it is given what came in there."""

    def forward(self, values: Tensor) -> Tensor:
        kept: list[Tensor] = []
        for module in self:
            values = module(values, kept.pop()) if isinstance(module, Join) else module(values)
            if isinstance(module, Remember):
                kept.append(values)
        return values
