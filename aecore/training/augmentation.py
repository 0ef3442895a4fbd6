"""Changes of a picture that leave it as likely as before, so that a model sees more pictures than there are."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def mirrored(pictures: Tensor, generator: Generator) -> Tensor:
    """`pictures` `[N, C, H, W]`, each mirrored left to right with probability 1/2, drawn from `generator`."""
    draw = torch.empty(len(pictures), 1, 1, 1, device=pictures.device).uniform_(generator=generator)
    return torch.where(draw < 0.5, pictures.flip(3), pictures)
