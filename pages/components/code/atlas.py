"""One picture of all pictures of a data set, from which the browser cuts thumbnails; and a strip of a few, exact."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pages.components import png
from pages.components.cached import Pixels

LARGEST = 4096  # pixels of a side: every browser's graphics take so many


@dataclass(frozen=True)
class Atlas:
    """Pictures in rows of `columns`, each of `height` by `width` pixels, as a lossless file.

    They are reduced where they would not fit otherwise; `is_exact` says whether they are not.
    """

    file: bytes
    columns: int
    height: int
    width: int
    is_exact: bool


def atlas(pixels: Pixels) -> Atlas:
    """The atlas of pictures `[N, C, H, W]`."""
    count, _, height, width = pixels.shape
    columns = math.ceil(math.sqrt(count * height / width))  # about as high as wide
    rows = math.ceil(count / columns)
    down, across = min(height, LARGEST // rows), min(width, LARGEST // columns)
    is_exact = (down, across) == (height, width)
    if not is_exact:
        share = min(down / height, across / width)
        down, across = max(1, int(height * share)), max(1, int(width * share))
    sheet = np.zeros((rows * down, columns * across, 3), np.uint8)
    # [rows, down, columns, across, 3] on the same memory, so that no second sheet is needed
    places = sheet.reshape(rows, down, columns, across, 3)
    for index, picture in enumerate(pixels):
        tile = picture.transpose(1, 2, 0)  # one channel is repeated as it is written
        if not is_exact:
            reduced = Image.fromarray(png.in_colour(picture)).resize((across, down), Image.Resampling.BOX)
            tile = np.asarray(reduced)
        places[index // columns, :, index % columns] = tile
    file = io.BytesIO()
    # The quickest setting: searching for more takes ten times as long and saves a tenth.
    Image.fromarray(sheet).save(file, "WEBP", lossless=True, method=0, quality=0, exact=True)
    return Atlas(file.getvalue(), columns, down, across, is_exact)


def strip(pixels: Pixels) -> bytes:
    """A PNG of pictures `[N, C, H, W]` beside each other."""
    return png.encoded(Image.fromarray(png.in_colour(np.concatenate(list(pixels), axis=2))))
