"""The sheet: one row per picture; columns for the original, the noisy picture and each model. Pixels are exact."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from zlib import Z_HUFFMAN_ONLY

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from aecore.measuring.totals import Totals, psnr_text
from pages.components import errors, png
from pages.components.browser_parts import newer, packed
from pages.components.cached import Pixels
from pages.components.colour_scales import Kind
from pages.components.lens.component import COMPONENTS

# Pixels of the saved file: between pictures, left of them for their names, and above them for the headings.
GAP = 6
MARGIN = 90
HEAD = 40
WIDE = 6  # columns of a saved sheet at three times their size; more are enlarged twice

Role = Literal["clean", "noisy", "output"]


@dataclass(frozen=True)
class Column:
    """Pictures `[N, C, H, W]` under a heading with a `note` below it, and the colour that marks the model.

    `numbers` holds, for each picture, the names and values to show when it is enlarged. `key` is the contestant's; its
    pictures are grey while they are `computing`, and dim while better ones may come. `captions` are two lines below
    each picture, and `best` marks those that are the best of their row.
    """

    heading: str
    note: str
    pixels: Pixels
    numbers: Sequence[Sequence[tuple[str, str]]]
    role: Role = "output"
    color: str | None = None
    key: str | None = None
    computing: bool = False
    dim: bool = False
    captions: Sequence[tuple[str, str]] = ()
    best: Sequence[bool] = ()


@dataclass(frozen=True)
class Sheet:
    """Columns, of which the first holds the clean pictures, and rows that name each picture in two parts.

    `view` is one of `errors.VIEWS`, and `picked` the row to enlarge. With `live` the browser follows the noise slider
    (see `live.described`), and with `series` another slider (see `series`). A sheet that lies `across` has a column per
    picture instead.
    """

    columns: Sequence[Column]
    rows: Sequence[tuple[str, str]]
    view: str = "Pictures"
    picked: int | None = None
    live: Mapping[str, Any] | None = None
    across: bool = False
    series: Mapping[str, Any] | None = None


def show(sheet: Sheet, place: str = "sheet") -> None:
    """Draw a sheet at a `place` of the page, enlarged in the browser by a whole factor without smoothing."""
    header, content = described(sheet), pixels(sheet)
    header["number"] = newer(place, json.dumps(header), content)
    COMPONENTS["lens"](key=place, data=packed(header, content))


def described(sheet: Sheet) -> dict[str, Any]:
    """What the browser needs to know of a sheet, beside its pixels."""
    _, channels, height, width = sheet.columns[0].pixels.shape
    return {
        "channels": channels,
        "height": height,
        "width": width,
        "view": sheet.view,
        "picked": sheet.picked,
        "across": sheet.across,
        "rows": sheet.rows,
        "columns": [
            {
                "heading": column.heading,
                "note": column.note,
                "color": column.color,
                "role": column.role,
                "key": column.key,
                "computing": column.computing,
                "numbers": column.numbers,
            }
            | ({"captions": column.captions, "best": column.best} if column.captions else {})
            | ({"dim": True} if column.dim else {})
            for column in sheet.columns
        ],
        "colours": colours(sheet.view),
        "live": sheet.live,
    } | ({"series": sheet.series} if sheet.series else {})


def colours(view: str) -> dict[str, Any] | None:
    """How a view of errors is coloured; None for every other view."""
    kind = errors.VIEWS[view]
    return kind and errors.described(kind)


def psnr_of(scores: pd.DataFrame) -> str:
    """The note below a heading: the pooled PSNR of the pictures of a column."""
    return psnr_text(Totals.of(scores).psnr_pooled)


def numbers_of(scores: pd.DataFrame) -> list[list[tuple[str, str]]]:
    """The numbers of the pictures of a column."""
    return [
        [("MSE", f"{mse:.3g}"), ("PSNR", psnr_text(psnr, 2)), ("SSIM", f"{ssim:.3f}")]
        for mse, psnr, ssim in zip(scores["mse"], scores["psnr"], scores["ssim"], strict=True)
    ]


def pixels(sheet: Sheet) -> bytes:
    """The values of every picture, one byte per value: column by column, row by row, each as `[C, H, W]`."""
    return b"".join(column.pixels.tobytes() for column in sheet.columns)


def saved(shown: Sheet) -> bytes:
    """The sheet as a PNG file with its headings, enlarged by the whole factor of the page's ordinary view.

    In a view of errors it shows their colours; in every other one the pictures.
    """
    columns, rows = _colored(shown.columns, errors.VIEWS[shown.view]), shown.rows
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


def _colored(columns: Sequence[Column], kind: Kind | None) -> Sequence[Column]:
    """The columns with the errors of their pictures in colour, if there is a kind of error."""
    clean = columns[0].pixels
    outputs = [column.pixels for column in columns if column.role == "output" and not column.computing]
    # The noisy pictures count only where nothing else does: their errors would dim the others.
    counted = outputs or [column.pixels for column in columns[1:] if column.role == "noisy"]
    if kind is None or not counted:
        return columns
    scale = errors.scale_of(kind, counted, clean)
    return [
        column if column.role == "clean" else replace(column, pixels=errors.colored(scale, column.pixels, clean))
        for column in columns
    ]


def _scale(columns: Sequence[Column]) -> int:
    return 3 if len(columns) <= WIDE else 2


def _png(pixels: Pixels) -> bytes:
    # Noise hardly compresses: searching it for repeats costs time at every move of the slider.
    return png.encoded(Image.fromarray(pixels), compress_type=Z_HUFFMAN_ONLY)
