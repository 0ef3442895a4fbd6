"""The interfaces of everything that reconstructs pictures: trained models, PCA, codecs, denoisers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Reconstructor(Protocol):
    """Maps pictures to pictures of the same shape."""

    @property
    def name(self) -> str:
        """Its name in texts."""

    @property
    def code_size(self) -> int | None:
        """How many numbers its code has; None if it has no code."""

    def __call__(self, pictures: Tensor) -> Tensor:
        """`[N, C, H, W]` in `[0, 1]` to the same shape."""


class Coder(Protocol):
    """A reconstructor with a separate encoder and decoder."""

    @property
    def name(self) -> str:
        """Its name in texts."""

    def encode(self, pictures: Tensor) -> Tensor:
        """The codes of `[N, C, H, W]` pictures, `[N, …]`."""

    def decode(self, codes: Tensor) -> Tensor:
        """The pictures of `codes`, not clamped."""


class Differentiable(Protocol):
    """A reconstructor that torch can differentiate."""

    @property
    def name(self) -> str:
        """Its name in texts."""

    def differentiable(self, pictures: Tensor) -> Tensor:
        """The same output as a call, with gradients."""
