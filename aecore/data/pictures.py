"""A picture file as 32×32 pixels, or the reason why it is not one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from aecore.data.left_out import FORBIDDEN, FRACTIONS, INTEGERS, NOT_A_PICTURE, TOO_LARGE, UNDECODED, Reason

Pixels = NDArray[np.uint8]  # [3, 32, 32]
DEPTHS = (8, 10, 12, 14, 16)  # bits per value that sensors and files have


class PictureError(Exception):
    """A file that is not taken, for a `reason`."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.one)
        self.reason = reason


@dataclass(frozen=True)
class Picture:
    """The `pixels` of a file, by the number of bits that its values are taken to have: one of `DEPTHS`.

    Where the file says which value is white, they are the same for all. Otherwise the values are stored in 16 bits,
    `greatest` is the greatest of them, and there are no pixels for fewer bits than it needs.
    """

    pixels: Mapping[int, Pixels]
    greatest: int | None = None


def bits(greatest: int) -> int:
    """The least of `DEPTHS` that holds the value `greatest`."""
    return next(depth for depth in DEPTHS if greatest < 2**depth)


def read_picture(file: Path) -> Picture:
    """The centre square of a picture file; raises `PictureError` for any other file.

    Values of more than 8 bits are stored in 16, of which sensors fill 10, 12 or 14. A TIFF that packs 12 bits, and a
    Netpbm file, say which value is white. Any other file leaves it open: the sBIT of a PNG is the precision of values
    that fill the whole range. The MaxSampleValue of a TIFF counts as one of its values.
    Values with a fraction are taken if all of them are from 0, black, to 1, white.
    """
    try:
        return _read(file)
    except PictureError:
        raise
    except PermissionError as error:
        raise PictureError(FORBIDDEN) from error
    except UnidentifiedImageError as error:
        suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
        raise PictureError(UNDECODED if file.suffix.lower() in suffixes else NOT_A_PICTURE) from error
    except Image.DecompressionBombError as error:
        raise PictureError(TOO_LARGE) from error
    except Exception as error:  # Pillow's decoders raise errors of many types
        raise PictureError(UNDECODED) from error


def _read(file: Path) -> Picture:
    with Image.open(file) as opened:
        tags, raw_mode, is_netpbm = getattr(opened, "tag_v2", {}), _raw_mode(opened), opened.format == "PPM"
        # Decodes a 12-megapixel JPEG at an eighth of its size: 20 ms instead of 150, pixels differ by 0.07 of 255.
        opened.draft(None, (128, 128))
        picture = ImageOps.exif_transpose(opened)
    sample_bits = tags.get(_BITS_PER_SAMPLE, ())
    if 16 in sample_bits and tags.get(_PLANES) == _SEPARATE:
        raise PictureError(UNDECODED)  # Pillow takes them for planes of 8 bits, and mixes them up
    if picture.mode.startswith("I;16"):
        values = np.asarray(picture).astype(np.uint16)
        if sample_bits == (12,):
            return _plain(Image.fromarray((values >> 4).astype(np.uint8)))
        return _deep(values, tags)
    if raw_mode in _LOWER_BYTES:
        return _deep(np.asarray(picture) * np.uint16(256) + _lower_bytes(file), tags)
    if picture.mode == "I" and is_netpbm:  # Pillow has scaled the values from the file's own white to 16 bits
        return _plain(Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)))
    if picture.mode == "I":
        raise PictureError(INTEGERS)
    if picture.mode == "F":
        fractions = np.asarray(picture)
        if not ((fractions >= 0) & (fractions <= 1)).all():
            raise PictureError(FRACTIONS)
        return _plain(Image.fromarray(np.rint(fractions * 255).astype(np.uint8)))
    return _plain(picture)


# Tags of TIFF.
_BITS_PER_SAMPLE, _MAX_SAMPLE_VALUE, _PLANES = 258, 281, 284
_SEPARATE = 2

# Of colours with 16 bits Pillow keeps the upper byte, and the lower one if it takes the order of bytes for the other.
_LOWER_BYTES = {
    f"{colours};16{order}": f"{colours};16{other}"
    for colours in ("RGB", "RGBA")
    for order, other in {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}.items()
}


def _raw_mode(picture: ImageFile.ImageFile) -> str:
    """How the values are stored in the file, in Pillow's terms."""
    settings = picture.tile[0].args if picture.tile else None
    return settings if isinstance(settings, str) else str(settings[0]) if settings else ""


def _lower_bytes(file: Path) -> NDArray[np.uint8]:
    with Image.open(file) as opened:
        swapped = _LOWER_BYTES[_raw_mode(opened)]
        opened.tile = [
            tile._replace(args=swapped if isinstance(tile.args, str) else (swapped, *(tile.args or ())[1:]))
            for tile in opened.tile
        ]
        return np.asarray(ImageOps.exif_transpose(opened))


def _plain(picture: Image.Image) -> Picture:
    return Picture(dict.fromkeys(DEPTHS, _square(picture)))


def _deep(values: NDArray[np.uint16], tags: Mapping[int, tuple[int, ...]]) -> Picture:
    """A picture of 16-bit `values` [H, W] or [H, W, C], where a fourth channel is the opacity."""
    colours = values[..., :3] if values.ndim == 3 else values
    greatest = min(max(int(colours.max()), *tags.get(_MAX_SAMPLE_VALUE, (0,))), 2**16 - 1)
    return Picture(
        {
            depth: _square(Image.fromarray(np.minimum(values >> depth - 8, 255).astype(np.uint8)))
            for depth in DEPTHS
            if depth >= bits(greatest)
        },
        greatest,
    )


def _square(picture: Image.Image) -> Pixels:
    if picture.has_transparency_data:
        # The colours of transparent pixels are arbitrary; a white page is the usual background.
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    square = ImageOps.fit(picture.convert("RGB"), (32, 32), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))
