"""Sheets for every position of a slider, so that the pictures follow it in the browser while it moves.

    held = series([columns_at(position) for position in positions], sentences)
    Sheet(…, series=followed(held, ".st-key-budget", position, sentences[position]))
    hold(held)                                              below everything else, since it takes the place of a line

They are sent once for all positions: Streamlit does not repeat a message that the browser has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pages.components.browser_parts import packed
from pages.components.lens.component import COMPONENTS
from pages.components.lens.sheets import Column


@dataclass(frozen=True)
class Series:
    """What `series.js` reads, and the `name` by which a sheet asks for it: the beginning of its SHA-256."""

    name: str
    content: bytes


def followed(held: Series | None, slider: str, position: int, sentence: str) -> dict[str, Any]:
    """What a sheet knows of its slider: the selector of its container, its position, and the sentence to show there.

    The pictures follow it where the series is `held`.
    """
    return {"name": held.name if held else None, "slider": slider, "position": position, "sentence": sentence}


def series(frames: Sequence[Sequence[Column]], sentences: Sequence[str]) -> Series:
    """The columns at every position of a slider, which differ only in pictures, notes, captions, numbers and marks; and
    the sentence below them.

    A picture that is at several positions is sent once.
    """
    pictures = dict[bytes, int]()  # their places in the content
    columns = []
    for place in range(len(frames[0])):
        at = [columns[place] for columns in frames]
        rows = [_row(at, row, pictures) for row in range(len(at[0].pixels))]
        columns.append({"notes": [column.note for column in at], "rows": rows})
    content = packed({"columns": columns, "sentences": sentences, "pictures": len(pictures)}, *pictures)
    name = hashlib.sha256(content).hexdigest()[:16]
    return Series(name, packed({"name": name}, content))


def _row(at: Sequence[Column], row: int, pictures: dict[bytes, int]) -> Mapping[str, Any]:
    """The cells of one row of a column at every position: the cells that differ, and which of them is where."""
    cells = dict[str, int]()
    which = []
    for column in at:
        place = pictures.setdefault(column.pixels[row].tobytes(), len(pictures))
        caption = column.captions[row] if column.captions else ()
        cell = json.dumps([place, caption, column.numbers[row]])
        which.append(cells.setdefault(cell, len(cells)))
    best = [bool(column.best and column.best[row]) for column in at]
    return {"cells": [json.loads(cell) for cell in cells], "which": which, "best": best}


def hold(held: Series) -> None:
    """Send a series to the browser; draws nothing."""
    COMPONENTS["series"](key="series", data=held.content)
