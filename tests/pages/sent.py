"""What a page sends to the lenses in the browser."""

import json
from typing import Any

import numpy as np
from streamlit.testing.v1 import AppTest


def sheets(app: AppTest) -> list[tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """The header of every sheet, and by heading the pictures of its columns, `[N, C, H, W]` from 0 to 255."""
    lenses = [element.proto for element in app.get("bidi_component") if element.proto.component_name == "lens"]
    return [_sheet(lens.bytes) for lens in lenses if lens.bytes]


def unpacked(sent: bytes) -> tuple[dict[str, Any], bytes]:
    """A header, and what comes after it."""
    length = int.from_bytes(sent[:4], "little")
    return json.loads(sent[4 : 4 + length]), sent[4 + length :]


def _sheet(sent: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    header, content = unpacked(sent)
    headings = [column["heading"] for column in header["columns"]]
    shape = len(headings), len(header["rows"]), header["channels"], header["height"], header["width"]
    pixels = np.frombuffer(content, np.uint8).reshape(shape).astype(np.int16)
    return header, dict(zip(headings, pixels, strict=True))
