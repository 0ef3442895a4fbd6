"""JPEG, WebP and AVIF as reconstructors: pictures are encoded as files in memory and decoded again.

    find("jpeg-75")(pictures)               reconstructions
    find("jpeg-75").file_sizes(pictures)    bytes per file
    find("jpeg-75").header                  bytes of the smallest possible file

Pillow writes and reads the files. A file is not a code of numbers, so `code_size` is the size of the picture.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from math import prod
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from aecore import AecoreError
from aecore.models.architecture import CIFAR_SHAPE
from aecore.models.layers import Shape, shape_text

BEST_QUALITY = 100
USUAL_QUALITY = 75
_MODES = {1: "L", 3: "RGB"}
_GREY = 128


class CodecError(AecoreError):
    """A codec does not exist or cannot encode these pictures; the message names what would be right."""


@dataclass(frozen=True)
class Format:
    """A file format: its lowest quality, the pixels of its longest side, and the options of its encoder.

    `colour` holds further options for pictures in colour. `bytes_per_pixel` is the memory that writing and reading such
    a picture takes, as measured on 2 to 8 megapixels.
    """

    title: str
    lowest: int
    longest: int
    options: Mapping[str, Any]
    colour: Mapping[str, Any]
    bytes_per_pixel: float = 0.0

    def nearest(self, quality: int) -> int:
        """The legal quality that is nearest to `quality`."""
        return min(max(quality, self.lowest), BEST_QUALITY)


# Colours are kept at full resolution (4:4:4) if the format supports it, since all numbers of a picture are scored: it
# gains JPEG about 0.8 dB on CIFAR-10 at the bits of quality 75. WebP always halves them in both directions (4:2:0).
FORMATS: dict[str, Format] = {
    "jpeg": Format("JPEG", 1, 65_500, {"optimize": True}, {"subsampling": "4:4:4"}, 30),
    "webp": Format("WebP", 0, 16_383, {"lossless": False, "method": 6}, {}, 40),
    "avif": Format("AVIF", 0, 65_536, {"codec": "aom", "speed": 6, "max_threads": 1}, {"subsampling": "4:4:4"}, 48),
}


@dataclass(frozen=True)
class Codec:
    """A file format at a quality, for pictures of `shape`; raises `CodecError` if there is no such codec."""

    kind: str
    quality: int
    shape: Shape = CIFAR_SHAPE
    any_size: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.kind not in FORMATS:
            raise CodecError(_unknown(self.name))
        file_format = FORMATS[self.kind]
        if not file_format.lowest <= self.quality <= BEST_QUALITY:
            raise CodecError(
                f"{file_format.title} has qualities from {file_format.lowest} to {BEST_QUALITY}, not {self.quality}: "
                f"the nearest is {self.kind}-{file_format.nearest(self.quality)}."
            )
        if self.shape[0] not in _MODES:
            raise CodecError(f"{file_format.title} takes pictures of 1 or 3 channels, not {shape_text(self.shape)}.")

    @property
    def name(self) -> str:
        """Its name in texts."""
        return f"{self.kind}-{self.quality}"

    @property
    def code_size(self) -> int:
        """How many numbers the picture has: a file is not a code of numbers. See `file_sizes`."""
        return prod(self.shape)

    @property
    def bytes_per_pixel(self) -> float:
        """The memory that a picture takes per pixel while it is written and read."""
        return FORMATS[self.kind].bytes_per_pixel

    def __call__(self, pictures: Tensor) -> Tensor:
        """Reconstruct `[N, C, H, W]` pictures, clamped to `[0, 1]` and rounded to 8 bits; float32 of the same shape."""
        return self.decode(self.encode(pictures))

    def file_sizes(self, pictures: Tensor) -> Tensor:
        """The size of each picture's file in bytes, header included, `[N]` int64."""
        return torch.tensor([len(file) for file in self.encode(pictures)], dtype=torch.int64)

    @cached_property
    def header(self) -> int:
        """Bytes that a file of this shape and quality needs before it shows anything.

        Measured as the file of a uniformly grey picture: the container, the quantisation tables and the few bits of the
        grey. It excludes Huffman tables that are optimised for a picture, since they carry information about it.
        """
        grey = np.full((*self.shape[1:], self.shape[0]), _GREY, np.uint8)
        return len(self._encoded(grey))

    def encode(self, pictures: Tensor) -> list[bytes]:
        """One file per picture of `[N, C, H, W]`; raises `CodecError` for another number of channels."""
        if pictures.shape[1] != self.shape[0]:
            raise CodecError(
                f"{self.name} was made for pictures of {shape_text(self.shape)}, not {shape_text(pictures.shape[1:])}."
            )
        pixels = (pictures.detach().clamp(0, 1) * 255).round().to(torch.uint8)
        return [self._encoded(picture) for picture in pixels.permute(0, 2, 3, 1).numpy()]

    def decode(self, files: Sequence[bytes]) -> Tensor:
        """The pictures in `files`, all of one size, `[N, C, H, W]` float32 in `[0, 1]`."""
        # [N, H, W, C] → [N, C, H, W]
        pixels = torch.from_numpy(np.stack([self._decoded(file) for file in files])).permute(0, 3, 1, 2)
        return pixels.to(torch.float32, memory_format=torch.contiguous_format) / 255

    def _encoded(self, pixels: np.ndarray) -> bytes:
        """The file of uint8 `pixels` `[H, W, C]`."""
        file_format = FORMATS[self.kind]
        Image.init()  # registers the formats of those plugins whose library is installed
        if self.kind.upper() not in Image.SAVE:
            raise CodecError(
                f"This Pillow does not support {file_format.title}: install one that does, or choose JPEG."
            )
        if max(pixels.shape[:2]) > file_format.longest:
            raise CodecError(
                f"{file_format.title} takes pictures of at most {file_format.longest:,} pixels per side, not "
                f"{pixels.shape[1]:,}×{pixels.shape[0]:,}."
            )
        buffer, grey = BytesIO(), self.shape[0] == 1
        picture = Image.fromarray(pixels[..., 0] if grey else pixels)
        options = {**file_format.options, **({} if grey else file_format.colour)}
        try:
            picture.save(buffer, self.kind, quality=self.quality, **options)
        except OSError:
            # For optimised tables Pillow gives JPEG a byte per pixel or two, and noise may take more. The tables of the
            # standard make the file larger; the picture stays the same.
            buffer = BytesIO()
            picture.save(buffer, self.kind, quality=self.quality, **options | {"optimize": False})
        return buffer.getvalue()

    def _decoded(self, file: bytes) -> np.ndarray:
        """The uint8 pixels `[H, W, C]` in `file`."""
        with Image.open(BytesIO(file), formats=[self.kind]) as picture:
            pixels = np.asarray(picture.convert(_MODES[self.shape[0]]))
        return pixels.reshape(*pixels.shape[:2], self.shape[0])


EXAMPLES = tuple(f"{kind}-{USUAL_QUALITY}" for kind in FORMATS)


def is_known(name: str) -> bool:
    """Whether `name` is a format with a number; `find` raises if that is not a legal quality."""
    return re.fullmatch(rf"({'|'.join(FORMATS)})-[0-9]+", name) is not None


def find(name: str, shape: Shape = CIFAR_SHAPE) -> Codec:
    """The codec of a format and a quality, such as `jpeg-75`; `CodecError` suggests the nearest name."""
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
    ranges = ", ".join(f"{kind}-{file_format.lowest} to {kind}-{BEST_QUALITY}" for kind, file_format in FORMATS.items())
    return f"There is no codec {name!r}: {hint}Codecs: {ranges}."
