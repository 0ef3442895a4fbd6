"""Pictures beside each other, each above what belongs to it, with a note below. Pixels are exact."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image

from pages.components import png
from pages.components.cached import Pixels

_STYLE = """
<style>
  .strip { display: flex; flex-wrap: wrap; gap: 10px 8px; }
  .strip figure { margin: 0; display: grid; gap: 3px; align-content: start; }
  .strip figcaption { font-size: 0.75rem; line-height: 1.3; overflow: hidden; text-overflow: ellipsis; }
  .strip figcaption span { opacity: 0.75; }
</style>
"""


@dataclass(frozen=True)
class Column:
    """Pictures `[H, W, 3]` of any size below each other, each with what it shows in words, and a note of two lines."""

    pictures: Sequence[tuple[Pixels, str]]
    note: str
    detail: str = ""


def show(columns: Sequence[Column], side: int) -> None:
    """Draw the columns; each picture is enlarged by the largest whole factor that keeps it within `side` pixels."""
    drawn = "".join(_figure(column, side) for column in columns)
    st.html(f'{_STYLE}<div class="strip numbers">{drawn}</div>')


def _figure(column: Column, side: int) -> str:
    images = "".join(_image(picture, alt, side) for picture, alt in column.pictures)
    detail = f"<br><span>{html.escape(column.detail)}</span>" if column.detail else ""
    caption = f'<figcaption style="width:{side}px">{html.escape(column.note)}{detail}</figcaption>'
    return f"<figure>{images}{caption}</figure>"


def _image(picture: Pixels, alt: str, side: int) -> str:
    height, width = picture.shape[:2]
    scale = max(1, side // max(height, width))
    source = png.address(Image.fromarray(np.ascontiguousarray(picture)))
    size = f'width="{width * scale}" height="{height * scale}"'
    return f'<img class="pixels" {size} alt="{html.escape(alt)}" title="{html.escape(alt)}" src="{source}">'
