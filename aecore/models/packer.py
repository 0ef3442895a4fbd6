"""The interface of everything that turns a picture into bytes and back, at several settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Packer(Protocol):
    """Packs pictures into streams of bytes, one per picture, and unpacks them.

    A setting is an index of `settings`. What all pictures share, such as weights and tables, is in no stream.
    """

    @property
    def name(self) -> str:
        """Its name in texts."""

    @property
    def settings(self) -> Sequence[str]:
        """Its settings in words, from few bytes to many."""

    def header(self, setting: int) -> int:
        """How many bytes of every stream say nothing of its picture."""

    def pack(self, pictures: Tensor, setting: int) -> list[bytes]:
        """The streams of `[N, C, H, W]` pictures in `[0, 1]`."""

    def unpack(self, streams: Sequence[bytes], setting: int) -> Tensor:
        """The pictures of streams that were packed at the same setting, `[N, C, H, W]` float32, not clamped."""
