"""A photograph as it would be seen: upright, in sRGB, over white; or one sentence on why a file is not one.

    read(content, "IMG_0001.jpg").pixels     # [3, H, W] uint8
    sample("coffee")                         # one of the photographs that scikit-image brings

Everything is done in memory, and the size is read before anything is decoded. Of what had to be decided on the way,
such as the first frame of a moving picture, the photograph has notes.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from importlib.util import find_spec
from io import BytesIO
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile

from aecore import AecoreError
from aecore.data.catalog import PHOTOGRAPHS, DatasetError
from aecore.data.decoding import PictureError, bits, decoded, opaque, reasons
from aecore.data.left_out import NOT_A_PICTURE

MOST_BYTES = 20_000_000
MOST_PIXELS = 50_000_000
LONGEST_NAME = 48  # characters that are shown of a file's name
SUFFIXES = ("png", "jpg", "jpeg", "webp", "avif", "heic", "heif", "tif", "tiff", "bmp", "gif")  # those to offer
_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF")
_MOVING = ("PNG", "WEBP", "AVIF", "GIF")
_LONGEST_END = 12  # characters that a shortened name ends in
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_GREY_SPACE, _COLOUR_SPACE, _PRINT_SPACE = "GRAY", "RGB ", "CMYK"  # as profiles name them
_SPACES = {"L": _GREY_SPACE, "RGB": _COLOUR_SPACE, "CMYK": _PRINT_SPACE}  # by Pillow's mode


class PhotographError(AecoreError):
    """A file is not taken as a photograph; the message says why."""


@dataclass(frozen=True, eq=False)
class Photograph:
    """The `pixels` `[3, H, W]` of a file in sRGB, its `title` for display, and `notes`, a sentence each.

    `digest` is the SHA-256 of the file.
    """

    pixels: NDArray[np.uint8]
    title: str
    digest: str
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Its height and width."""
        _, height, width = self.pixels.shape
        return height, width


def read(content: bytes, name: str) -> Photograph:
    """The photograph in the `content` of a file; raises `PhotographError` if it is none, whatever its `name` says."""
    title = shown(name)
    if len(content) > MOST_BYTES:
        size, most = len(content) / 1e6, MOST_BYTES / 1e6
        raise PhotographError(f"{title} has {size:,.1f} MB: at most {most:.0f} MB are taken.")
    if not content:
        raise PhotographError(f"{title} is empty.")
    try:
        with reasons(PurePath(title).suffix):
            pixels, notes = _read(content, title)
    except PictureError as error:
        kinds = ": PNG, JPEG, WebP, AVIF, HEIC, TIFF, BMP and GIF are read" * (error.reason == NOT_A_PICTURE)
        raise PhotographError(f"{title} {error.reason.one}{kinds}.") from error
    return Photograph(pixels, title, hashlib.sha256(content).hexdigest(), notes)


def sample(name: str) -> Photograph:
    """One of `PHOTOGRAPHS`; raises `DatasetError` where scikit-image lacks it."""
    file = files("skimage") / "data" / PHOTOGRAPHS[name]
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DatasetError(f"scikit-image lacks {file} ({error}): reinstall it.") from error
    return read(content, name)


def shown(name: str) -> str:
    """A file's name without folders, without what no page can show or what turns the text round, and not too long."""
    last = re.split(r"[/\\]", name)[-1]
    plain = "".join(
        character for character in last if unicodedata.category(character)[0] not in "CZ" or character == " "
    )
    plain = plain.strip() or "photograph"
    if len(plain) <= LONGEST_NAME:
        return plain
    return f"{plain[: LONGEST_NAME - _LONGEST_END - 1]}…{plain[-_LONGEST_END:]}"


def _read(content: bytes, title: str) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    open_file = partial(_opened, content, title)
    with open_file() as opened:
        width, height = opened.size
        profile = opened.info.get("icc_profile") or b""
        is_moving = opened.format in _MOVING and getattr(opened, "is_animated", False)
    if width * height > MOST_PIXELS:
        raise PhotographError(
            f"{title} has {width * height / 1e6:,.0f} megapixels ({width:,}×{height:,}): at most "
            f"{MOST_PIXELS / 1e6:.0f} are taken."
        )
    notes = ["It moves: the first frame is shown."] if is_moving else []
    stored = decoded(open_file)
    if stored.greatest is not None:
        depth = bits(stored.greatest)
        notes.append(f"Its values are stored in 16 bits; the upper 8 of {depth} are shown.")
    picture = stored.at(bits(stored.greatest or 0))
    picture, said = _in_srgb(picture, profile)
    pixels = np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))
    return pixels, (*notes, *said)


def _opened(content: bytes, title: str) -> ImageFile.ImageFile:
    if content[4:8] != b"ftyp" or content[8:12] not in _HEIF_BRANDS or b"avif" in content[8:64]:
        Image.init()  # registers every format
        return Image.open(BytesIO(content), formats=_FORMATS)
    if not find_spec("pillow_heif"):
        raise PhotographError(
            f"{title} is a HEIC file, which is not read here: `python -m pip install -r requirements-heic.txt` "
            "installs what reads it, or save it as JPEG."
        )
    from pillow_heif.as_plugin import HeifImageFile  # optional

    # Not registered with Pillow: the pictures of a folder should not depend on whether a photograph was read before.
    opened: ImageFile.ImageFile = HeifImageFile(BytesIO(content))  # type: ignore[no-untyped-call]
    return opened


def _in_srgb(picture: Image.Image, profile: bytes) -> tuple[Image.Image, list[str]]:
    """The picture in the colours of its `profile` as RGB over white, and what there is to say about it."""
    if picture.has_transparency_data:
        opacity = picture.convert("RGBA").getchannel("A")
        colours, notes = _converted(picture.convert("RGBA").convert("RGB"), profile)
        if opacity.getextrema() == (255, 255):
            return colours, notes
        colours.putalpha(opacity)
        return opaque(colours).convert("RGB"), ["Its transparent parts are shown over white.", *notes]
    if picture.mode not in _SPACES:
        picture = picture.convert("RGB")
    return _converted(picture, profile)


def _converted(picture: Image.Image, profile: bytes) -> tuple[Image.Image, list[str]]:
    """An opaque picture in a mode of `_SPACES` as RGB."""
    notes = []
    if profile:
        try:
            own = ImageCms.ImageCmsProfile(BytesIO(profile))
            if own.profile.xcolor_space != _SPACES[picture.mode]:
                raise ImageCms.PyCMSError("a profile for other colours")
            if "sRGB" in ImageCms.getProfileDescription(own):
                return picture.convert("RGB"), []  # as it is: conversion would round once more
            converted = ImageCms.profileToProfile(
                picture, own, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB"
            )
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            notes.append("Its colour profile cannot be read: its colours are taken for sRGB.")
        else:
            assert converted is not None, "it is converted in place only where that is asked for"
            return converted, ["Its colours were converted from its own profile to sRGB."]
    if picture.mode == "CMYK":
        notes.append("It was made for print (CMYK) without a profile: its colours are approximate.")
    return picture.convert("RGB"), notes
