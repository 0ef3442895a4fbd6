"""The slider of the noise while it is held down, and what the sheet shows meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect

from tests.browser.seen import cells, settled, sheet

Level = Callable[[float], None]


class Track(NamedTuple):
    """Where on the screen the levels of a slider are: `left` is that of `lowest`."""

    left: float
    width: float
    height: float  # from the top of the page
    lowest: float
    highest: float

    def place(self, level: float) -> tuple[float, float]:
        """Of a level."""
        return self.left + self.width * (level - self.lowest) / (self.highest - self.lowest), self.height


def slider(page: Page, key: str = "level") -> Locator:
    """The slider of the noise, by the key of its widget."""
    return page.locator(f".st-key-{key} input[type=range]")


def track(page: Page, key: str = "level") -> Track:
    """Where the slider's levels are on the screen."""
    facts = slider(page, key).evaluate(
        """(input) => {
          const box = input.closest("[data-rac][style*=left]").parentElement.getBoundingClientRect();
          return [box.left, box.width, box.top + box.height / 2, Number(input.min), Number(input.max)];
        }"""
    )
    return Track(*facts)


@contextmanager
def held(page: Page, key: str = "level") -> Iterator[Level]:
    """Hold the slider down with the mouse: gives what moves it to a level. It is released at the end."""
    handle = slider(page, key)
    expect(handle).to_have_count(1)  # another one, of another range, may still be on its way out
    along = track(page, key)
    page.mouse.move(*along.place(float(handle.input_value())))
    page.mouse.down()

    def to(level: float) -> None:
        page.mouse.move(*along.place(level))
        expect(handle).to_have_value(f"{level:g}")

    yield to
    page.mouse.up()


def drawn(page: Page, after: str | None = None) -> str:
    """The number of the server's pictures on the sheet, once there are newer ones than those of the number `after`."""
    other = f':not([data-drawn="{after}"])' if after else ""
    expect(page.locator(f".sheet[data-drawn]{other}")).to_be_visible()
    return sheet(page).get_attribute("data-drawn") or ""


@contextmanager
def answered(page: Page) -> Iterator[None]:
    """Wait until the server's pictures have come of what is done inside, and nothing computes any more."""
    before = drawn(page)
    yield
    drawn(page, after=before)
    settled(page)


def ready(page: Page, state: str = "ready") -> None:
    """Wait until the sheet follows the slider, or with the state `off` until it says that it does not."""
    settled(page)
    expect(page.locator(f".sheet[data-live={state}]")).to_be_visible()


def at(page: Page, level: float) -> None:
    """Wait until the browser's own pictures of a level are shown."""
    expect(page.locator(f'.sheet[data-level="{level:g}"]')).to_be_visible()


class Shown(NamedTuple):
    """What a sheet shows: a heading, a note and the pixels `[H, W, 3]` of every picture, by column."""

    headings: list[str]
    notes: list[str]
    pixels: list[list[NDArray[np.uint8]]]
    numbers: dict[str, str]  # of the enlarged picture


def shown(page: Page) -> Shown:
    """What the sheet shows now, as it is enlarged."""
    drawn = sheet(page)
    headings, notes = (drawn.locator(f".head {tag}").all_inner_texts() for tag in ("b", "span"))
    every = cells(page)
    columns = [every[place :: len(headings)] for place in range(len(headings))]
    terms, values = (drawn.locator(f".panel {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return Shown(headings, notes, columns, dict(zip(terms, values, strict=True)))


def farthest(one: Shown, other: Shown) -> int:
    """By how much the pictures of two sheets are apart at most, of 255."""
    assert one.headings == other.headings
    return max(
        int(np.abs(own.astype(int) - its).max())
        for column, others in zip(one.pixels, other.pixels, strict=True)
        for own, its in zip(column, others, strict=True)
    )
