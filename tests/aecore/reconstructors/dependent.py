"""What the tests of PCA fit."""

import numpy as np
import torch
from torch import Tensor


def drawn(count: int, seed: int = 0, shape: tuple[int, int, int] = (2, 3, 4)) -> Tensor:
    """Pictures whose values depend on each other, `[N, C, H, W]` uint8."""
    draw = np.random.default_rng(seed)
    size = int(np.prod(shape))
    mixed = draw.normal(size=(count, size)) @ draw.normal(size=(size, size))
    return torch.from_numpy((128 + 20 * mixed).clip(0, 255).astype(np.uint8).reshape(count, *shape))
