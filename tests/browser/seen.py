"""What a browser shows: whether a page has settled, the exact pixels of the sheet; and how a person chooses."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import FloatRect, Locator, Page, expect


def settled(page: Page) -> None:
    """Wait until nothing computes any more, and no exception is shown."""
    expect(page.get_by_test_id("stMainBlockContainer").locator("h1")).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def choose(page: Page, label: str, option: str) -> None:
    """Choose an option by typing its name, which must be the best match.

    A click may be lost: Streamlit's list moves under the pointer while it opens.
    """
    box = page.get_by_role("combobox", name=label, exact=True)
    box.fill(option)
    expect(page.get_by_role("option").first).to_have_text(option)
    box.press("Enter")


def box(locator: Locator) -> FloatRect:
    """Where an element is on the screen. It has no place while it is drawn anew, as after its pixels have come."""
    for _ in range(10):
        expect(locator).to_be_visible()
        if place := locator.bounding_box():
            return place
    raise AssertionError(f"{locator} is drawn again and again")


def sheet(page: Page) -> Locator:
    """The sheet of Compare, once it is drawn."""
    drawn = page.locator(".sheet[data-drawn]")
    expect(drawn).to_be_visible()
    return drawn


def headings(page: Page) -> list[str]:
    """The names above the sheet's columns."""
    return sheet(page).locator(".head b").all_inner_texts()


def cell(page: Page, row: int, column: int) -> NDArray[np.uint8]:
    """The pixels `[H, W, 3]` of the picture in a cell, which is drawn enlarged by a whole factor."""
    pixels = cells(page)[row * len(headings(page)) + column]
    scale = round(len(pixels) / int(sheet(page).get_attribute("data-height") or 0))
    own = pixels[::scale, ::scale]
    assert np.array_equal(own.repeat(scale, 0).repeat(scale, 1), pixels)
    return own


def cells(page: Page) -> list[NDArray[np.uint8]]:
    """The pixels `[H, W, 3]` of every cell of the sheet at one moment, row by row, as they are drawn."""
    address, places = sheet(page).evaluate(_DRAWN)
    every = _decoded(address)
    return [every[top : top + height, left : left + width] for left, top, width, height in places]


_PAINTED = "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
_DRAWN = f"""async (sheet) => {{
  {_PAINTED};
  const surface = sheet.querySelector(".surface");
  const from = surface.getBoundingClientRect();
  const places = [...sheet.querySelectorAll(".cell")].map((cell) => {{
    const {{ left, top, width, height }} = cell.getBoundingClientRect();
    return [left - from.left, top - from.top, width, height].map((side) => Math.round(side * devicePixelRatio));
  }});
  return [surface.toDataURL(), places];
}}"""


def drawn_on(canvas: Locator) -> NDArray[np.uint8]:
    """The pixels `[H, W, 3]` that a canvas holds, once they are painted."""
    return _decoded(canvas.evaluate(f"async (canvas) => {{ {_PAINTED}; return canvas.toDataURL(); }}"))


def _decoded(address: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"))


def photographed(locator: Locator) -> NDArray[np.uint8]:
    """The pixels `[H, W, 3]` on the screen."""
    return np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB"))
