"""Lossless pictures for the browser."""

from __future__ import annotations

import base64
import io

from PIL import Image


def encoded(picture: Image.Image, compress_level: int = 6) -> bytes:
    """A PNG file; a lower `compress_level` (0 to 9) is faster and larger."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=compress_level)
    return file.getvalue()


def address(picture: Image.Image) -> str:
    """The picture itself as an address, for an `img` or a table."""
    return f"data:image/png;base64,{base64.b64encode(encoded(picture)).decode()}"
