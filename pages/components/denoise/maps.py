"""Maps of numbers over a picture's pixels, one denoiser beside another. Pixels are exact, colours have one scale."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import plotly.colors
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from pages.components import png
from pages.components.cached import Pixels

Kind = Literal["signed", "positive"]
# As the errors of the sheet: both keep their order for colour-blind people. Red is above zero, blue below.
_SCALES: dict[Kind, list[str]] = {
    "signed": plotly.colors.diverging.RdBu[::-1],
    "positive": plotly.colors.sequential.Cividis,
}
_ROUND = [mantissa * 10**exponent for exponent in range(-4, 1) for mantissa in (1, 1.5, 2, 3, 5, 7)]
_WIDE = 5  # columns that fit at four times their size

_STYLE = """
<style>
  .maps { overflow-x: auto; }
  .maps table { border-collapse: collapse; font-size: 0.8rem; line-height: 1.35; margin: 0; width: auto; }
  .maps :is(td, th) { border: 0; padding: 0 8px 6px 0; text-align: left; vertical-align: top; font-weight: 400; }
  .maps thead th { font-weight: 600; vertical-align: bottom; }
  .maps tbody th { opacity: 0.7; max-width: 6.5rem; min-width: 4.5rem; }
  .maps thead i { display: block; height: 3px; margin-top: 3px; }
  .maps .at { position: relative; width: max-content; line-height: 0; }
  .maps .at b { position: absolute; outline: 2px solid #fff; box-shadow: 0 0 0 4px #000; }
  .scale { display: flex; gap: 0.5rem; align-items: center; font-size: 0.8rem; flex-wrap: wrap; }
  .scale div { width: 160px; height: 10px; }
  .scale span { opacity: 0.7; }
</style>
"""


@dataclass(frozen=True)
class Scale:
    """How numbers become colours: from 0, or as far below it, to `highest`."""

    kind: Kind
    highest: float

    @classmethod
    def of(cls, kind: Kind, maps: Sequence[NDArray[np.float32]]) -> Scale:
        """One scale for all of `maps`, that ends at a round number."""
        highest = max(float(np.abs(each).max()) for each in maps)
        return cls(kind, next((each for each in _ROUND if each >= highest), highest))

    def colored(self, values: NDArray[np.float32]) -> Pixels:
        """`[H, W]` numbers as colours `[H, W, 3]`."""
        share = values / self.highest if self.kind == "positive" else (values / self.highest + 1) / 2
        anchors = np.array([plotly.colors.unlabel_rgb(each) for each in _labelled(self.kind)])  # [colours, 3]
        places = np.linspace(0, 1, len(anchors))
        channels = [np.interp(share, places, anchors[:, channel]) for channel in range(3)]
        return np.asarray(np.stack(channels, axis=-1).round().astype(np.uint8))

    def legend(self, meaning: str) -> str:
        """The scale as a bar, in HTML, with what it means."""
        low = "0" if self.kind == "positive" else f"−{self.highest:g}"
        bar = f"linear-gradient(90deg, {', '.join(_SCALES[self.kind])})"
        return (
            f'<div class="scale numbers">{low}<div style="background:{html.escape(bar)}"></div>{self.highest:g}'
            f"<span>{html.escape(meaning)}</span></div>"
        )


def _labelled(kind: Kind) -> list[str]:
    """The scale's colours, all written as `rgb(…)`."""
    colors, _ = plotly.colors.convert_colors_to_same_type(_SCALES[kind])
    return list(colors)


@dataclass(frozen=True)
class Column:
    """A heading, the colour that marks a denoiser, and a cell a row: pictures `[H, W, 3]`, or words."""

    heading: str
    cells: Sequence[Pixels | str]
    color: str = "transparent"


def show(rows: Sequence[str], columns: Sequence[Column], legends: Sequence[str], pixel: tuple[int, int] | None) -> None:
    """Draw a table of maps, enlarged by a whole factor without smoothing, with `pixel` (row, column) framed in its
    first column."""
    scale = 4 if len(columns) <= _WIDE else 3
    head = "".join(
        f'<th scope="col">{html.escape(each.heading)}<i style="background:{each.color}"></i></th>' for each in columns
    )
    body = ""
    for place, name in enumerate(rows):
        cells = "".join(
            f"<td>{_cell(each, place, name, scale, pixel if each is columns[0] else None)}</td>" for each in columns
        )
        body += f'<tr><th scope="row">{html.escape(name)}</th>{cells}</tr>'
    st.html(
        f'{_STYLE}<div class="maps numbers" tabindex="0"><table><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{''.join(legends)}"
    )


def _cell(column: Column, place: int, row: str, scale: int, pixel: tuple[int, int] | None) -> str:
    content = column.cells[place]
    if isinstance(content, str):
        return html.escape(content)
    height, width = (side * scale for side in content.shape[:2])
    frame = ""
    if pixel:
        frame = f'<b style="top:{pixel[0] * scale}px;left:{pixel[1] * scale}px;width:{scale}px;height:{scale}px"></b>'
    return (
        f'<div class="at"><img class="pixels" width="{width}" height="{height}" '
        f'alt="{html.escape(f"{row}, {column.heading}")}" src="{png.address(Image.fromarray(content))}">{frame}</div>'
    )
