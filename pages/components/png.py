"""Lossless pictures for the browser."""

from __future__ import annotations

import base64
import io
from zlib import Z_DEFAULT_STRATEGY

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def in_colour(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture `[C, H, W]` as `[H, W, 3]`; a single channel is repeated three times."""
    return np.ascontiguousarray(np.broadcast_to(picture, (3, *picture.shape[1:])).transpose(1, 2, 0))


def encoded(picture: Image.Image, compress_type: int = Z_DEFAULT_STRATEGY) -> bytes:
    """A PNG file, compressed by one of zlib's strategies."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_type=compress_type)
    return file.getvalue()


def address(picture: Image.Image) -> str:
    """The picture as a data URL, for an `img` or a table."""
    return f"data:image/png;base64,{base64.b64encode(encoded(picture)).decode()}"
