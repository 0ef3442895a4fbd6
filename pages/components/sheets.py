"""The sheet: a row a picture; columns for the input, the noisy input and each model. Pixels are exact."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image

from pages.components.cached import Pixels

GAP = 2  # in pixels of the pictures


@dataclass(frozen=True)
class Column:
    """Pictures `[N, C, H, W]` under a heading, with a line below it and the colour that marks the model."""

    heading: str
    note: str
    pixels: Pixels
    color: str | None = None


def show(columns: Sequence[Column], rows: Sequence[str]) -> None:
    """Draw the sheet: one lossless PNG, enlarged in the browser by a whole factor without smoothing."""
    side = columns[0].pixels.shape[3]
    scale = 3 if len(columns) <= 6 else 2
    cell, gap = side * scale, GAP * scale
    heads = "".join(_head(column) for column in columns)
    names = "".join(f"<div>{html.escape(name)}</div>" for name in rows)
    wide = len(columns) * (cell + gap) - gap
    alt = html.escape(f"{len(rows)} pictures, columns: {', '.join(column.heading for column in columns)}")
    st.html(
        f"""
<style>
  .sheet {{ overflow-x: auto; }}
  .sheet > div {{ display: grid; grid-template-columns: 5.5rem {wide}px; row-gap: 6px; width: max-content; }}
  .sheet .heads {{ display: grid; grid-template-columns: repeat({len(columns)}, {cell}px); column-gap: {gap}px;
    grid-column: 2; font-size: 0.78rem; line-height: 1.25; align-items: end; }}
  .sheet .heads b {{ font-weight: 600; overflow-wrap: anywhere; display: block; }}
  .sheet .heads i {{ display: block; height: 3px; margin-top: 4px; }}
  .sheet .names {{ display: grid; grid-auto-rows: {cell}px; row-gap: {gap}px; font-size: 0.8rem; align-items: center; }}
  .sheet .names, .sheet .heads span {{ opacity: 0.75; }}
</style>
<div class="sheet" tabindex="0" aria-label="Sheet of pictures"><div>
  <div class="heads numbers">{heads}</div>
  <div class="names">{names}</div>
  <img class="pixels" width="{wide}" height="{len(rows) * (cell + gap) - gap}" alt="{alt}"
    src="data:image/png;base64,{base64.b64encode(png(columns)).decode()}">
</div></div>
"""
    )


def _head(column: Column) -> str:
    mark = f'<i style="background:{column.color}"></i>' if column.color else "<i></i>"
    return f"<div><b>{html.escape(column.heading)}</b><span>{html.escape(column.note)}</span>{mark}</div>"


def png(columns: Sequence[Column]) -> bytes:
    """The pictures side by side at their own size, `GAP` transparent pixels between them, as a PNG."""
    count, _, height, width = columns[0].pixels.shape
    sheet = np.zeros((count * (height + GAP) - GAP, len(columns) * (width + GAP) - GAP, 4), np.uint8)
    for across, column in enumerate(columns):
        for down, picture in enumerate(column.pixels):
            top, left = down * (height + GAP), across * (width + GAP)
            # A grey picture has one channel, which stands for all three.
            sheet[top : top + height, left : left + width, :3] = picture.transpose(1, 2, 0)
            sheet[top : top + height, left : left + width, 3] = 255
    file = io.BytesIO()
    # Noise hardly compresses: trying harder costs time at every move of the slider.
    Image.fromarray(sheet).save(file, "PNG", compress_level=1)
    return file.getvalue()
