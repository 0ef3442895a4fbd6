"""What everything that reconstructs offers: a trained model, PCA, a codec, a filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Reconstructor(Protocol):
    """Anything that gives pictures back: a trained model, a codec, a filter."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def code_size(self) -> int:
        """Numbers in its code."""

    def __call__(self, pictures: Tensor) -> Tensor:
        """`[N, C, H, W]` in `[0, 1]` to the same shape."""


class Coder(Protocol):
    """A reconstructor that can be taken apart at its code."""

    @property
    def name(self) -> str:
        """What people call it."""

    def encode(self, pictures: Tensor) -> Tensor:
        """The codes of `[N, C, H, W]` pictures, `[N, …]`."""

    def decode(self, codes: Tensor) -> Tensor:
        """The pictures that codes stand for, not clamped."""


class Differentiable(Protocol):
    """A reconstructor that torch computes from end to end."""

    @property
    def name(self) -> str:
        """What people call it."""

    def differentiable(self, pictures: Tensor) -> Tensor:
        """What a call gives, with gradients."""
