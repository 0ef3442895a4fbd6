"""The sheet: one row per picture; columns for the original, the noisy picture and each model. Pixels are exact."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import Z_HUFFMAN_ONLY

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw, ImageFont

from pages.components import png
from pages.components.browser_parts import part
from pages.components.cached import Pixels

# Pixels of the saved file: between pictures, left of them for their names, and above them for the headings.
GAP = 6
MARGIN = 90
HEAD = 40
WIDE = 6  # columns of a saved sheet at three times their size; more are enlarged twice
_SENT = "sheet sent"

_component = part("sheet", Path(__file__).parent)


@dataclass(frozen=True)
class Column:
    """Pictures `[N, C, H, W]` under a heading with a `note` below it, and the colour that marks the model.

    `numbers` holds, for each picture, the names and values to show when it is enlarged.
    """

    heading: str
    note: str
    pixels: Pixels
    numbers: Sequence[Sequence[tuple[str, str]]]
    color: str | None = None


def show(columns: Sequence[Column], rows: Sequence[tuple[str, str]], *, wipe: bool, picked: int | None) -> None:
    """Draw the sheet, enlarged in the browser by a whole factor without smoothing.

    `rows` names each picture in two parts. `picked` is the row to enlarge. With `wipe` another column's
    picture covers the left part of the large one, as far as a slider says.
    """
    header = {
        "side": columns[0].pixels.shape[3],
        "wipe": wipe,
        "picked": picked,
        "rows": rows,
        "columns": [{"heading": column.heading, "note": column.note, "color": column.color} for column in columns],
        "numbers": [[column.numbers[row] for column in columns] for row in range(len(rows))],
    }
    pixels = np.concatenate([np.concatenate(list(column.pixels), axis=1) for column in columns], axis=2)
    picture = _png(png.in_colour(pixels))
    text = json.dumps({"number": _number(header, picture), **header}).encode()
    _component(key="sheet", data=len(text).to_bytes(4, "little") + text + picture)


def _number(*content: object) -> int:
    """A number that rises with every change of the sheet, by which the browser knows what is newer.

    It begins at the time, in milliseconds: a page that is still open when the server starts again expects a larger one.
    """
    before, number = st.session_state.get(_SENT, ((), 0))
    if content != before:
        number = max(number + 1, int(time.time() * 1000))
        st.session_state[_SENT] = content, number
    return int(number)


def saved(columns: Sequence[Column], rows: Sequence[tuple[str, str]]) -> bytes:
    """The sheet as a PNG file with its headings, enlarged by the whole factor of the page's ordinary view."""
    scale, (count, _, height, width) = _scale(columns), columns[0].pixels.shape
    across, down = width * scale + GAP, height * scale + GAP
    sheet = Image.new("RGB", (MARGIN + len(columns) * across, HEAD + count * down), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for row, name in enumerate(rows):
        draw.text((4, HEAD + row * down + height * scale / 2), "\n".join(name), "black", font, anchor="lm")
    for place, column in enumerate(columns):
        left = MARGIN + place * across
        # A long name is broken at its dash rather than cut.
        heading = column.heading if font.getlength(column.heading) <= across else column.heading.replace("-", "-\n", 1)
        draw.text((left, HEAD - 4), heading, "black", font, anchor="ld", spacing=1)
        for row, picture in enumerate(column.pixels):
            tile = png.in_colour(picture).repeat(scale, 0).repeat(scale, 1)
            sheet.paste(Image.fromarray(tile), (left, HEAD + row * down))
    return _png(np.asarray(sheet))


def _scale(columns: Sequence[Column]) -> int:
    return 3 if len(columns) <= WIDE else 2


def _png(pixels: Pixels) -> bytes:
    # Noise hardly compresses: searching it for repeats costs time at every move of the slider.
    return png.encoded(Image.fromarray(pixels), compress_type=Z_HUFFMAN_ONLY)
