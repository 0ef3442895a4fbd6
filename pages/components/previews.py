"""Previews of runs, the first test pictures with their reconstructions: shown without data set or torch."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import streamlit as st
from PIL import Image

from aecore.runs.store import PREVIEW, Run, StoreError
from pages.components import look, png

Shown = TypeVar("Shown")

WIDTH = 324  # five CIFAR-10 pictures at twice their size, which a phone shows whole
SCALE = 2
GAP = 1


def show(run: Run) -> None:
    """Show the first test pictures and their reconstructions below them; a warning names a damaged file."""
    try:
        sheet, rows = _sheet(run.read(PREVIEW), run.spec.architecture.input_shape[1])
    except StoreError as error:
        st.warning(str(error), icon=":material/broken_image:")
        return
    names = ["original", "reconstruction"] if rows == 2 else ["original", "noisy", "reconstruction"]
    alt = html.escape(f"Test pictures of {look.dataset(run.spec.dataset)}: {', '.join(names)}")
    # Not `st.image`: Streamlit drops its files while a page that is redrawn still asks for them.
    st.html(
        f'<img class="pixels preview" width="{sheet.width}" height="{sheet.height}" alt="{alt}" '
        f'src="{png.address(sheet)}">'
    )


def _sheet(stored: bytes, side: int) -> tuple[Image.Image, int]:
    """The first pictures of a preview, enlarged by a whole factor, with hairlines between them; and how many rows."""
    pictures = Image.open(io.BytesIO(stored))
    rows = pictures.height // side
    scale = SCALE if side <= 32 else 1
    step = scale * side + GAP
    count = min(pictures.width // side, (WIDTH + GAP) // step)
    # Transparent hairlines take the page's background, light or dark.
    sheet = Image.new("RGBA", (count * step - GAP, rows * step - GAP))
    for row in range(rows):
        for column in range(count):
            box = (column * side, row * side, (column + 1) * side, (row + 1) * side)
            tile = pictures.crop(box).resize((scale * side, scale * side), Image.Resampling.NEAREST)
            sheet.paste(tile, (column * step, row * step))
    return sheet, rows


def spread(shown: Sequence[Shown], most: int) -> list[Shown]:
    """The first and the last of what was seen, and some between: at most so many."""
    places = np.unique(np.linspace(0, len(shown) - 1, min(most, len(shown))).round().astype(int))
    return [shown[place] for place in places]


def rows(shown: Sequence[tuple[str, bytes, int]], side: int) -> None:
    """Rows of previews below each other, by name: a preview, and which row of its pictures, `side` pixels high."""
    scale = SCALE if side <= 32 else 1
    lines = "".join(
        f'<span>{html.escape(name)}</span><img class="pixels" width="{width * scale}" height="{side * scale}" '
        f'alt="Test pictures, {html.escape(name)}" src="{address}">'
        for name, (width, address) in ((name, _row(preview, row, side)) for name, preview, row in shown)
    )
    st.html(
        '<div style="overflow-x:auto" tabindex="0"><div class="numbers" style="display:grid;row-gap:3px;'
        f'grid-template-columns:4.5rem max-content;align-items:center;font-size:.8rem">{lines}</div></div>'
    )


@st.cache_data(max_entries=512, show_spinner=False)
def _row(preview: bytes, row: int, side: int) -> tuple[int, str]:
    """One row of a preview: its width in pixels and its address."""
    pictures = Image.open(io.BytesIO(preview))
    return pictures.width, png.address(pictures.crop((0, row * side, pictures.width, (row + 1) * side)))
