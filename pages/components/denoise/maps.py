"""Maps of numbers over the pixels of a picture, one column per denoiser. No map is smoothed."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from pages.components import png
from pages.components.cached import Pixels
from pages.components.colour_scales import ColourScale, Kind

_WIDE = 5  # columns that fit at four times their size

_STYLE = """
<style>
  .maps { overflow-x: auto; }
  .maps table { border-collapse: collapse; font-size: 0.8rem; line-height: 1.35; margin: 0; width: auto; }
  .maps :is(td, th) { border: 0; padding: 0 8px 6px 0; text-align: left; vertical-align: top; font-weight: 400; }
  .maps thead th { font-weight: 600; vertical-align: bottom; }
  .maps tbody th { opacity: 0.7; max-width: 6.5rem; min-width: 4.5rem; }
  .maps thead i { display: block; height: 3px; margin-top: 3px; }
</style>
"""


def scale_of(kind: Kind, maps: Sequence[NDArray[np.float32]]) -> ColourScale:
    """One scale for all of `maps`."""
    return ColourScale.up_to(kind, max(float(np.abs(values).max()) for values in maps))


@dataclass(frozen=True)
class Column:
    """A heading, the colour that marks the denoiser, and one cell per row: a picture `[H, W, 3]`, or words."""

    heading: str
    cells: Sequence[Pixels | str]
    color: str = "transparent"


def show(rows: Sequence[str], columns: Sequence[Column], legends: Sequence[str]) -> None:
    """Draw a table of maps, enlarged by a whole factor."""
    scale = 4 if len(columns) <= _WIDE else 3
    head = "".join(
        f'<th scope="col">{html.escape(column.heading)}<i style="background:{column.color}"></i></th>'
        for column in columns
    )
    body = ""
    for place, name in enumerate(rows):
        cells = "".join(f"<td>{_cell(column, place, name, scale)}</td>" for column in columns)
        body += f'<tr><th scope="row">{html.escape(name)}</th>{cells}</tr>'
    st.html(
        f'{_STYLE}<div class="maps numbers" tabindex="0"><table><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{''.join(legends)}"
    )


def _cell(column: Column, place: int, row: str, scale: int) -> str:
    content = column.cells[place]
    if isinstance(content, str):
        return html.escape(content)
    height, width = (side * scale for side in content.shape[:2])
    return (
        f'<img class="pixels" width="{width}" height="{height}" '
        f'alt="{html.escape(f"{row}, {column.heading}")}" src="{png.address(Image.fromarray(content))}">'
    )
