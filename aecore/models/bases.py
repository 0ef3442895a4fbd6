"""What modules can do during training besides computing: draw random numbers, and add a term to the loss."""

from __future__ import annotations

from torch import Generator, Tensor, nn


class Stochastic(nn.Module):
    """A module that draws random numbers during training, from `generator`, which is seeded for each epoch."""

    generator: Generator | None = None


class Penalised(nn.Module):
    """A module that adds a term to the loss: `penalty`, a scalar from the last forward pass in training mode."""

    penalty: Tensor | None = None

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
