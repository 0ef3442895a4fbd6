"""The panes: a photograph and every output of it under one view, which is zoomed and moved in the browser.

The browser fetches each picture by its address, so that one which has not changed is not sent again. Of a large
photograph it gets all of it reduced, and the part in view as it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import Z_HUFFMAN_ONLY

import numpy as np
import streamlit as st
from PIL import Image
from streamlit import runtime

from aecore.data.photographs import Photograph
from pages.components import png
from pages.components.browser_parts import newer
from pages.components.cached import Pixels
from pages.components.lens.component import COMPONENTS

MOST = 1_000_000  # pixels of a picture that is sent
KEY = "panes"
_VERSIONS = 3  # of each picture that can be fetched: the browser may still be fetching the one before
_ADDRESSES = "addresses of photographs"

Rectangle = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True)
class Shown:
    """A picture under a `name`, with a `note` beside it and the colour that marks its model.

    Without `pixels` `[3, H, W]` it is not there yet. `whole` is its file, from `file_of`.
    """

    name: str
    note: str
    pixels: Pixels | None
    whole: bytes | None
    color: str | None = None


def factor(size: tuple[int, int]) -> int:
    """By which a photograph of this height and width is reduced, so that it has at most `MOST` pixels."""
    height, width = size
    return max(1, math.ceil(math.sqrt(height * width / MOST)))


def file_of(pixels: Pixels) -> bytes:
    """A PNG of a picture `[3, H, W]`, reduced by its `factor` to the means of as many pixels."""
    reduced = Image.fromarray(png.in_colour(pixels)).reduce(factor(pixels.shape[1:]))
    return png.encoded(reduced, compress_type=Z_HUFFMAN_ONLY)


def show(pictures: Sequence[Shown], photograph: Photograph, view: str, slider: str, redraw: Callable[[], None]) -> None:
    """Draw the panes in one of their views; the first of the `pictures` is the original.

    While the noise's slider, which has this key, is held, the others are dimmed. `redraw` is called before the page is
    drawn again because another part of a large photograph came into view.
    """
    height, width = photograph.size
    rectangle = _asked(photograph)
    header = {
        "photograph": photograph.digest,
        "width": width,
        "height": height,
        "factor": factor(photograph.size),
        "most": MOST,
        "view": view,
        "slider": f".st-key-{slider}",
        "about": " ".join([f"{photograph.title}, {width:,}×{height:,} pixels.", *photograph.notes]),
        "part": rectangle,
        "columns": [_described(picture, place, rectangle) for place, picture in enumerate(pictures)],
    }
    header["number"] = newer(KEY, json.dumps(header))
    COMPONENTS["lens"](key=KEY, data=header, default={"part": None}, on_part_change=redraw)


def _described(picture: Shown, place: int, rectangle: Rectangle | None) -> dict[str, Any]:
    facts = {"heading": picture.name, "note": picture.note, "color": picture.color, "whole": None, "part": None}
    if picture.pixels is not None and picture.whole is not None:
        facts["whole"] = _address(picture.whole, f"whole {place}")
        if rectangle:
            left, top, right, bottom = rectangle
            inside = np.ascontiguousarray(picture.pixels[:, top:bottom, left:right])
            file = png.encoded(Image.fromarray(png.in_colour(inside)), compress_type=Z_HUFFMAN_ONLY)
            facts["part"] = _address(file, f"part {place}")
    return facts


def _asked(photograph: Photograph) -> Rectangle | None:
    """The part of a large photograph that the browser has asked for, if it is one of this photograph."""
    asked: Any = (st.session_state.get(KEY) or {}).get("part")
    height, width = photograph.size
    try:
        left, top, right, bottom = (int(number) for number in asked["rectangle"])
        legal = 0 <= left < right <= width and 0 <= top < bottom <= height and (right - left) * (bottom - top) <= MOST
        return (left, top, right, bottom) if legal and asked["photograph"] == photograph.digest else None
    except (TypeError, ValueError, KeyError, OverflowError):
        return None


def _address(file: bytes, place: str) -> str:
    """Where the browser fetches a PNG from, which takes the `place` of another one."""
    if not runtime.exists():  # a test without a server
        return "/no-server"
    before: dict[str, tuple[int, int]] = st.session_state.setdefault(_ADDRESSES, {})
    content, version = hash(file), 0
    if place in before:
        version = before[place][1] + (before[place][0] != content)
    before[place] = content, version
    coordinates = f"photograph {place} {version % _VERSIONS}"
    return runtime.get_instance().media_file_mgr.add(file, "image/png", coordinates)
