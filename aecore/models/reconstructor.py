"""The interfaces of everything that reconstructs pictures: trained models, PCA, codecs, denoisers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

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

    @property
    def any_size(self) -> bool:
        """Whether it takes pictures of every size, and not only of the size that it was made for."""

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


@dataclass(frozen=True)
class Reach:
    """Which pixels of a picture a pixel of the output depends on: those at most `pixels` away along either axis.

    None stands for all of them. Height and width must be multiples of `stride`; moved by that many pixels, a picture
    gives the same output, moved.

    Where the reach is assumed because it is not known, a picture of up to `part` pixels per side is not divided, and a
    larger one is given in parts of that size.
    """

    pixels: int | None
    stride: int = 1
    part: int | None = None


@runtime_checkable
class Measured(Protocol):
    """A reconstructor for pictures of every size that knows how much memory one pass takes."""

    @property
    def bytes_per_pixel(self) -> float:
        """The memory of one pass per pixel of the picture, besides the picture itself."""


@runtime_checkable
class Local(Protocol):
    """A reconstructor for pictures of every size that knows its reach, so that it can be given a picture in parts."""

    @property
    def reach(self) -> Reach:
        """Which pixels its outputs depend on."""
