"""Bytes in a real browser: the slider, what it changes, and what comes back after the page is loaded again."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.seen import headings, settled, sheet


def open_(page: Page, address: str) -> None:
    """Open the page, and wait until every coder is done."""
    page.goto(address)
    packed(page)


def packed(page: Page) -> None:
    settled(page)
    sheet(page)
    expect(page.get_by_text("Packing every setting")).to_have_count(0)


def sizes(page: Page) -> list[int]:
    """The bytes below the pictures that fit, row by row."""
    lines = sheet(page).locator(".caption span:first-child").all_inner_texts()
    return [int(line.removesuffix(" B").replace(",", "")) for line in lines if line.endswith(" B")]


def move(page: Page, key: str) -> None:
    """Move the slider by a key, and wait for the pictures that come of it."""
    before = sheet(page).get_attribute("data-drawn")
    page.get_by_role("slider", name="Bytes per picture").press(key)
    expect(page.locator(f'.sheet[data-drawn]:not([data-drawn="{before}"])')).to_be_visible()
    settled(page)


def budget(page: Page) -> int:
    """That of the address, which leaves out the first one."""
    given = re.search(r"b-budget=(\d+)", page.url)
    return int(given[1]) if given else 144


def test_the_slider_changes_what_fits_and_a_reload_keeps_it(page: Page, dashboard: str) -> None:
    open_(page, f"{dashboard}/bytes?b-coders=JPEG&b-coders=WebP&b-count=3&b-budget=384")
    assert headings(page) == ["original", "JPEG", "WebP"]
    assert max(sizes(page)) <= 384
    for key in ["ArrowRight"] * 2 + ["ArrowLeft"] * 6:
        move(page, key)
        assert max(sizes(page)) <= budget(page)
    expect(sheet(page).locator(".caption.best")).to_have_count(3)
    last, below = budget(page), sheet(page).locator(".caption").all_inner_texts()
    assert last < 384
    page.reload()
    packed(page)
    assert budget(page) == last
    assert sheet(page).locator(".caption").all_inner_texts() == below


def test_the_pictures_follow_the_slider_while_it_is_held(page: Page, dashboard: str) -> None:
    open_(page, f"{dashboard}/bytes?b-coders=JPEG&b-coders=WebP&b-count=2&b-budget=384")
    page.wait_for_function("globalThis.aecoreSeries")
    slider, drawn = page.get_by_role("slider", name="Bytes per picture"), sheet(page).get_attribute("data-drawn")
    track = slider.locator("xpath=ancestor::*[@data-testid='stSelectSlider' or @data-testid='stSlider'][1]")
    handle, line = slider.bounding_box(), track.bounding_box()
    assert handle is not None
    assert line is not None
    height = handle["y"] + handle["height"] / 2
    page.mouse.move(handle["x"] + handle["width"] / 2, height)
    page.mouse.down()
    for share in (0.7, 0.8, 0.9):
        page.mouse.move(line["x"] + share * line["width"], height, steps=3)
        place = slider.input_value()
        expect(page.locator(f'.sheet[data-position="{place}"]')).to_be_visible()
        held = int((slider.get_attribute("aria-valuetext") or "").replace(",", ""))
        assert 384 < max(sizes(page)) <= held
        expect(sheet(page).locator(".said")).to_contain_text(f"{held:,} bytes are")
    assert sheet(page).get_attribute("data-drawn") == drawn, "the server was not asked"
    below = sheet(page).locator(".caption").all_inner_texts()
    page.mouse.up()
    expect(page.locator(f'.sheet[data-drawn]:not([data-drawn="{drawn}"])')).to_be_visible()
    settled(page)
    assert budget(page) == held
    assert sheet(page).locator(".caption").all_inner_texts() == below


def test_a_coder_that_does_not_fit_says_what_it_needs(page: Page, dashboard: str) -> None:
    open_(page, f"{dashboard}/bytes?b-coders=JPEG&b-count=2&b-budget=64")
    expect(sheet(page).locator(".caption").last).to_contain_text(re.compile(r"needs at\s*least \d{3} B"))
    expect(sheet(page).locator(".head span").last).to_have_text("none fits")
    sheet(page).locator(".cell").last.hover()
    expect(sheet(page).locator(".panel dl")).to_contain_text("needs at least")


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_page(page: Page, dashboard: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    open_(page, f"{dashboard}/bytes?b-coders=JPEG&b-coders=WebP&b-coders=AVIF&b-count=2")
    main = page.get_by_test_id("stMainBlockContainer")
    assert main.evaluate("(main) => main.scrollWidth <= main.clientWidth")
    expect(page.get_by_role("slider", name="Bytes per picture")).to_be_visible()
    captions = sheet(page).locator(".caption")
    for place in range(captions.count()):
        assert captions.nth(place).evaluate("(caption) => caption.scrollWidth <= caption.clientWidth + 1")
