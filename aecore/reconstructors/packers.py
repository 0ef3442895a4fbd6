"""Image codecs and quantised codes as packers: pictures become streams of bytes, and pictures again.

Files("jpeg", (10, 50, 90))                    a codec; its settings are qualities
QuantisedCodes(coder, shape, alphabets, …)     an encoder and a decoder; its settings are ways to quantise the code
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import torch
from torch import Tensor

from aecore.measuring.entropy import Alphabet
from aecore.models.architecture import CIFAR_SHAPE
from aecore.models.layers import Shape
from aecore.models.reconstructor import Coder
from aecore.reconstructors.codecs import Codec


@dataclass(frozen=True)
class Files:
    """An image codec, for pictures of `shape`: a stream is a whole file. The `qualities` rise.

    Raises `CodecError` if there is no such codec.
    """

    kind: str
    qualities: tuple[int, ...]
    shape: Shape = CIFAR_SHAPE

    def __post_init__(self) -> None:
        _ = self._codecs

    @property
    def name(self) -> str:
        """Its name in texts."""
        return self.kind

    @cached_property
    def settings(self) -> tuple[str, ...]:
        """Its settings in words, from few bytes to many."""
        return tuple(f"quality {quality}" for quality in self.qualities)

    def header(self, setting: int) -> int:
        """The bytes of the smallest file at this quality: see `Codec.header`."""
        return self._codecs[setting].header

    def pack(self, pictures: Tensor, setting: int) -> list[bytes]:
        """The files of `[N, C, H, W]` pictures."""
        return self._codecs[setting].encode(pictures)

    def unpack(self, streams: Sequence[bytes], setting: int) -> Tensor:
        """The pictures in files, `[N, C, H, W]`."""
        return self._codecs[setting].decode(streams)

    @cached_property
    def _codecs(self) -> tuple[Codec, ...]:
        return tuple(Codec(self.kind, quality, self.shape) for quality in self.qualities)


@dataclass(frozen=True, eq=False)
class QuantisedCodes:
    """An encoder and a decoder whose codes, numbers of `shape`, are rounded to the levels of an alphabet and packed.

    There is one alphabet per setting. One that has fewer components than the code packs the first ones only, and the
    decoder must accept a code that is cut short.
    """

    coder: Coder
    shape: Shape
    alphabets: tuple[Alphabet, ...]
    settings: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name in texts."""
        return self.coder.name

    def header(self, setting: int) -> int:
        """None: the length of a code is known, and the tables are shared by all pictures."""
        return 0

    def pack(self, pictures: Tensor, setting: int) -> list[bytes]:
        """The entropy-coded codes of `[N, C, H, W]` pictures."""
        alphabet = self.alphabets[setting]
        with torch.inference_mode():
            codes = self.coder.encode(pictures)[:, : len(alphabet.tables)]
        return alphabet.pack(alphabet.levels(by_component(codes)))

    def unpack(self, streams: Sequence[bytes], setting: int) -> Tensor:
        """The pictures of packed codes, `[N, C, H, W]`."""
        alphabet = self.alphabets[setting]
        values = alphabet.values(alphabet.unpack(streams, prod(self.shape[1:])))
        # [components, N, places] → [N, components, …]
        codes = torch.from_numpy(values).transpose(0, 1).reshape(len(streams), len(values), *self.shape[1:])
        with torch.inference_mode():
            return self.coder.decode(codes.contiguous())


def by_component(codes: Tensor) -> np.ndarray:
    """Codes `[N, components, …]` as `[components, N, places]`: see `Alphabet`."""
    numbers: np.ndarray = codes.reshape(*codes.shape[:2], -1).transpose(0, 1).contiguous().numpy()
    return numbers
