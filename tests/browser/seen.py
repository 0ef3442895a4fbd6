"""What a browser shows: whether a page has settled, and the exact pixels of the sheet."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page, expect


def settled(page: Page) -> None:
    """Wait until nothing computes any more, and no exception is shown."""
    expect(page.get_by_test_id("stMainBlockContainer").locator("h1")).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def sheet(page: Page) -> Locator:
    """The sheet of Compare, once it is drawn."""
    drawn = page.locator(".sheet[data-drawn]")
    expect(drawn).to_be_visible()
    return drawn


def headings(page: Page) -> list[str]:
    """The names above the sheet's columns."""
    return sheet(page).locator(".head b").all_inner_texts()


def cell(page: Page, row: int, column: int) -> NDArray[np.uint8]:
    """The pixels `[H, W, 3]` of the picture in a cell, which its canvas holds enlarged by a whole factor."""
    count = len(headings(page))
    drawn = sheet(page).locator(".cell canvas").nth(row * count + column)
    pixels = drawn_on(drawn)
    scale = round(len(pixels) / int(sheet(page).get_attribute("data-height") or 0))
    own = pixels[::scale, ::scale]
    assert np.array_equal(own.repeat(scale, 0).repeat(scale, 1), pixels)
    return own


def drawn_on(canvas: Locator) -> NDArray[np.uint8]:
    """The pixels `[H, W, 3]` that a canvas holds, once they are painted."""
    (pixels,) = all_drawn_on(canvas)
    return pixels


def all_drawn_on(canvases: Locator) -> list[NDArray[np.uint8]]:
    """The same of several canvases at one moment."""
    painted = "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    addresses = canvases.evaluate_all(f"async (all) => {{ {painted}; return all.map((one) => one.toDataURL()); }}")
    files = [io.BytesIO(base64.b64decode(address.partition(",")[2])) for address in addresses]
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


def photographed(locator: Locator) -> NDArray[np.uint8]:
    """The pixels `[H, W, 3]` on the screen."""
    return np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB"))
