"""JPEG, WebP and AVIF as reconstructors: a picture becomes a file in memory, and the file a picture again.

    find("jpeg-75")(pictures)          what comes back
    find("jpeg-75").bytes(pictures)    how large each file is
    find("jpeg-75").header             how much of that a file without a picture takes

Pillow writes and reads the files. A codec's numbers are not its code, so its `code_size` is the picture's own.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from aecore import AecoreError
from aecore.models.architecture import CIFAR_SHAPE
from aecore.models.layers import Shape, shape_text

File = bytes  # one whole, header included
BEST_QUALITY = 100
USUAL_QUALITY = 75
_MODES = {1: "L", 3: "RGB"}
_GREY = 128


class CodecError(AecoreError):
    """There is no such codec, or it cannot code these pictures; the text names what would be right."""


@dataclass(frozen=True)
class Format:
    """A file format: the lowest quality it knows, and what its encoder is told beside the quality.

    `colour` is what it is told of pictures with colours only.
    """

    title: str
    lowest: int
    options: Mapping[str, Any]
    colour: Mapping[str, Any]

    def nearest(self, quality: int) -> int:
        """The quality that this format knows and that is nearest."""
        return min(max(quality, self.lowest), BEST_QUALITY)


# Colours are kept at every pixel where the format can: pictures are judged by all their numbers, and at the bits of
# quality 75 this brings JPEG about 0.8 dB nearer on CIFAR-10. WebP always halves them in both directions (4:2:0).
FORMATS: dict[str, Format] = {
    "jpeg": Format("JPEG", 1, {"optimize": True}, {"subsampling": "4:4:4"}),
    "webp": Format("WebP", 0, {"lossless": False, "method": 6}, {}),
    "avif": Format("AVIF", 0, {"codec": "aom", "speed": 6, "max_threads": 1}, {"subsampling": "4:4:4"}),
}


@dataclass(frozen=True)
class Codec:
    """A file format at a quality, for pictures of `shape`; raises `CodecError` where there is no such thing."""

    kind: str
    quality: int
    shape: Shape = CIFAR_SHAPE

    def __post_init__(self) -> None:
        if self.kind not in FORMATS:
            raise CodecError(_unknown(self.name))
        format = FORMATS[self.kind]
        if not format.lowest <= self.quality <= BEST_QUALITY:
            raise CodecError(
                f"{format.title} has qualities from {format.lowest} to {BEST_QUALITY}, not {self.quality}: "
                f"the nearest is {self.kind}-{format.nearest(self.quality)}."
            )
        if self.shape[0] not in _MODES:
            raise CodecError(f"{format.title} takes pictures of 1 or 3 channels, not {shape_text(self.shape)}.")

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.kind}-{self.quality}"

    @property
    def code_size(self) -> int:
        """Numbers in the picture: a file is no code of numbers, and `bytes` tells its size."""
        return prod(self.shape)

    def __call__(self, pictures: Tensor) -> Tensor:
        """Reconstruct `[N, C, H, W]` pictures, clamped to `[0, 1]` and rounded to 8 bits; float32 of the same shape."""
        return self.decode(self.encode(pictures))

    def bytes(self, pictures: Tensor) -> Tensor:
        """The size of each picture's file in bytes, header included, `[N]` int64."""

        return torch.tensor([len(file) for file in self.encode(pictures)], dtype=torch.int64)

    @cached_property
    def header(self) -> int:
        """What any picture of this shape costs at this quality before it shows anything, in bytes.

        It is the whole file of a picture that is grey all over: the container, the quantisation tables and the few
        bits that say so. Huffman tables that are made for a picture are not in it; they tell of that picture.
        """
        grey = np.full((*self.shape[1:], self.shape[0]), _GREY, np.uint8)
        return len(self._file(grey))

    def encode(self, pictures: Tensor) -> list[File]:
        """A file for each of `[N, C, H, W]` pictures; raises `CodecError` for channels other than this codec's."""

        if pictures.shape[1] != self.shape[0]:
            raise CodecError(
                f"{self.name} was made for pictures of {shape_text(self.shape)}, not {shape_text(pictures.shape[1:])}."
            )
        pixels = (pictures.detach().clamp(0, 1) * 255).round().to(torch.uint8)
        return [self._file(each) for each in pixels.permute(0, 2, 3, 1).numpy()]

    def decode(self, files: Sequence[File]) -> Tensor:
        """The pictures in `files`, all of one size, `[N, C, H, W]` float32 in `[0, 1]`."""

        # [N, H, W, C] → [N, C, H, W]
        pixels = torch.from_numpy(np.stack([self._pixels(file) for file in files])).permute(0, 3, 1, 2)
        return pixels.to(torch.float32, memory_format=torch.contiguous_format) / 255

    def _file(self, pixels: np.ndarray) -> File:
        """The file of uint8 `pixels` `[H, W, C]`."""
        format = FORMATS[self.kind]
        Image.init()  # of the plugins, whose formats are registered only if their library is there
        if self.kind.upper() not in Image.SAVE:
            raise CodecError(f"This Pillow knows no {format.title}: install one that does, or choose JPEG.")
        buffer, grey = BytesIO(), self.shape[0] == 1
        picture = Image.fromarray(pixels[..., 0] if grey else pixels)
        options = {**format.options, **({} if grey else format.colour)}
        picture.save(buffer, self.kind, quality=self.quality, **options)
        return buffer.getvalue()

    def _pixels(self, file: File) -> np.ndarray:
        """The uint8 pixels `[H, W, C]` in `file`."""
        with Image.open(BytesIO(file), formats=[self.kind]) as picture:
            pixels = np.asarray(picture.convert(_MODES[self.shape[0]]))
        return pixels.reshape(*pixels.shape[:2], self.shape[0])


EXAMPLES = tuple(f"{kind}-{USUAL_QUALITY}" for kind in FORMATS)


def is_known(name: str) -> bool:
    """Whether this is a format's name with a number, be it a quality or not: `find` tells."""
    return re.fullmatch(rf"({'|'.join(FORMATS)})-[0-9]+", name) is not None


def find(name: str, shape: Shape = CIFAR_SHAPE) -> Codec:
    """The codec called `name`, a format and a quality, such as `jpeg-75`; `CodecError` suggests the nearest."""
    match = re.fullmatch(r"([a-z]+)-([0-9]{1,9})", name)
    if match is None:
        raise CodecError(_unknown(name))
    return Codec(match[1], int(match[2]), shape)


def _unknown(name: str) -> str:
    kind, _, quality = name.lower().partition("-")
    hint = ""
    if near := difflib.get_close_matches(kind, FORMATS, n=1):
        asked = int(quality) if re.fullmatch(r"[0-9]{1,9}", quality) else USUAL_QUALITY
        hint = f"did you mean {near[0]}-{FORMATS[near[0]].nearest(asked)}? "
    ranges = ", ".join(f"{each}-{format.lowest} to {each}-{BEST_QUALITY}" for each, format in FORMATS.items())
    return f"There is no codec {name!r}: {hint}Codecs: {ranges}."
