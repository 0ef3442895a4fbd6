"""A picture file decoded: upright, with the values that are stored in it; or the reason why it cannot be."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from aecore import AecoreError
from aecore.data.left_out import FORBIDDEN, FRACTIONS, INTEGERS, NOT_A_PICTURE, TOO_LARGE, UNDECODED, Reason

DEPTHS = (8, 10, 12, 14, 16)  # bits per value that sensors and files have

Opener: TypeAlias = Callable[[], ImageFile.ImageFile]  # opens the file, without decoding it


class PictureError(Exception):
    """A file that is not taken, for a `reason`."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.one)
        self.reason = reason


def bits(greatest: int) -> int:
    """The least of `DEPTHS` that holds the value `greatest`."""
    return next(depth for depth in DEPTHS if greatest < 2**depth)


@dataclass(frozen=True)
class Decoded:
    """A picture as the file says it: values of 8 bits, or the `greatest` of those that are stored in 16.

    `values` are those of 16 bits, `[H, W]` or `[H, W, C]`, where a fourth channel is the opacity.
    """

    picture: Image.Image
    values: NDArray[np.uint16] | None = None
    greatest: int | None = None

    @property
    def depths(self) -> tuple[int, ...]:
        """The numbers of bits that its values can be taken to have."""
        return tuple(depth for depth in DEPTHS if depth >= bits(self.greatest or 0))

    def at(self, depth: int) -> Image.Image:
        """The picture in 8 bits, where the values of 16 are taken to have `depth` bits."""
        if self.values is None:
            return self.picture
        return Image.fromarray(np.minimum(self.values >> depth - 8, 255).astype(np.uint8))


@contextmanager
def reasons(suffix: str) -> Iterator[None]:
    """Turns whatever is raised while a file is decoded, whose name ends in `suffix`, into a `PictureError`."""
    try:
        yield
    except (PictureError, AecoreError):
        raise
    except PermissionError as error:
        raise PictureError(FORBIDDEN) from error
    except UnidentifiedImageError as error:
        suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
        raise PictureError(UNDECODED if suffix.lower() in suffixes else NOT_A_PICTURE) from error
    except Image.DecompressionBombError as error:
        raise PictureError(TOO_LARGE) from error
    except Exception as error:  # Pillow's decoders raise errors of many types
        raise PictureError(UNDECODED) from error


def decoded(open_file: Opener, draft: tuple[int, int] | None = None) -> Decoded:
    """Decode a file, turned upright; with a `draft` size a JPEG is decoded at a fraction that is not smaller.

    Values of more than 8 bits are stored in 16, of which sensors fill 10, 12 or 14. A TIFF that packs 12 bits, and a
    Netpbm file, say which value is white. Any other file leaves it open: the sBIT of a PNG is the precision of values
    that fill the whole range. The MaxSampleValue of a TIFF counts as one of its values.
    Values with a fraction are taken if all of them are from 0, black, to 1, white.
    """
    with open_file() as opened:
        tags, raw_mode, is_netpbm = getattr(opened, "tag_v2", {}), _raw_mode(opened), opened.format == "PPM"
        if draft:
            opened.draft(None, draft)
        picture = ImageOps.exif_transpose(opened)
    sample_bits = tags.get(_BITS_PER_SAMPLE, ())
    if 16 in sample_bits and tags.get(_PLANES) == _SEPARATE:
        raise PictureError(UNDECODED)  # Pillow takes them for planes of 8 bits, and mixes them up
    if picture.mode.startswith("I;16"):
        values = np.asarray(picture).astype(np.uint16)
        if sample_bits == (12,):
            return Decoded(Image.fromarray((values >> 4).astype(np.uint8)))
        return _deep(picture, values, tags)
    if raw_mode in _LOWER_BYTES:
        return _deep(picture, np.asarray(picture) * np.uint16(256) + _lower_bytes(open_file), tags)
    if picture.mode == "I" and is_netpbm:  # Pillow has scaled the values from the file's own white to 16 bits
        return Decoded(Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)))
    if picture.mode == "I":
        raise PictureError(INTEGERS)
    if picture.mode == "F":
        fractions = np.asarray(picture)
        if not ((fractions >= 0) & (fractions <= 1)).all():
            raise PictureError(FRACTIONS)
        return Decoded(Image.fromarray(np.rint(fractions * 255).astype(np.uint8)))
    return Decoded(picture)


def opaque(picture: Image.Image) -> Image.Image:
    """The picture over white, if parts of it are transparent."""
    if not picture.has_transparency_data:
        return picture
    # The colours of transparent pixels are arbitrary; a white page is the usual background.
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


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


def _lower_bytes(open_file: Opener) -> NDArray[np.uint8]:
    with open_file() as opened:
        swapped = _LOWER_BYTES[_raw_mode(opened)]
        opened.tile = [
            tile._replace(args=swapped if isinstance(tile.args, str) else (swapped, *(tile.args or ())[1:]))
            for tile in opened.tile
        ]
        return np.asarray(ImageOps.exif_transpose(opened))


def _deep(picture: Image.Image, values: NDArray[np.uint16], tags: Mapping[int, tuple[int, ...]]) -> Decoded:
    colours = values[..., :3] if values.ndim == 3 else values
    return Decoded(picture, values, min(max(int(colours.max()), *tags.get(_MAX_SAMPLE_VALUE, (0,))), 2**16 - 1))
