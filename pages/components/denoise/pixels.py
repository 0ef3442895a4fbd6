"""A picture in which a pixel is picked by clicking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st
from PIL import Image

from pages.components import png
from pages.components.cached import Pixels

SCALE = 4
_KEY = "pixel"
_HTML = """
<button type="button" aria-label="Pick a pixel: click, or use the arrow keys"><img alt=""><b></b></button>
"""
_CSS = """
button { position: relative; padding: 0; border: 0; background: none; line-height: 0; cursor: crosshair; }
img { image-rendering: pixelated; display: block; }
b { position: absolute; outline: 2px solid #fff; box-shadow: 0 0 0 4px #000; pointer-events: none; }
"""

_component = st.components.v2.component(
    "pixel", html=_HTML, css=_CSS, js=Path(__file__).with_name("pixel.js").read_text()
)


def pick(picture: Pixels, place: tuple[int, int], picked: Callable[[int, int], None]) -> None:
    """Show a picture `[H, W, 3]` with the pixel at `place` (row, column) framed; call `picked` with another one."""

    def changed() -> None:
        if value := st.session_state[_KEY].get("picked"):
            picked(int(value[0]), int(value[1]))

    height, width = picture.shape[:2]
    row, column = place
    _component(
        key=_KEY,
        data={
            "address": png.address(Image.fromarray(picture)),
            "width": width,
            "height": height,
            "scale": SCALE if width <= 48 else 2,
            "row": row,
            "column": column,
        },
        on_picked_change=changed,
        width="content",
    )
