"""Building in a browser: by mouse, by keyboard alone, by text; looked at, saved, and handed over to Train."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from aecore.models.architecture import Architecture
from tests.browser.seen import settled

FIRST = "conv32 | conv32:s2 | conv32 | up | conv32 | conv3:k1:sigmoid"


def opened(page: Page, address: str, line: str | None = None) -> Locator:
    """The page with a line of layers; returns the text of the line."""
    page.goto(f"{address}/build" + ("" if line is None else f"?line={line.replace(' ', '')}"))
    settled(page)
    expect(page.locator(".editor")).to_be_visible()
    expect(page.locator(".editor.stale")).to_have_count(0)
    return page.locator(".editor .line")


def answered(page: Page, text: Locator, line: str) -> None:
    """Wait until the line reads so, in the list and in the address, and Python has said what it knows of it."""
    expect(text).to_have_value(line)
    expect(page.locator(".editor.stale")).to_have_count(0)
    assert parse_qs(urlsplit(page.url).query)["line"] == [line]


def row(page: Page, position: int) -> Locator:
    return page.locator(f".editor .row[data-index='{position - 1}']")


def add(page: Page, title: str) -> None:
    page.locator(".palette button").get_by_text(title, exact=True).click()


def drag(page: Page, source: Locator, target: Locator, below: bool) -> None:
    """Take the source by the mouse to above or below the middle of the target."""
    start, end = source.bounding_box(), target.bounding_box()
    assert start
    assert end
    page.mouse.move(start["x"] + 6, start["y"] + 6)
    page.mouse.down()
    page.mouse.move(start["x"] + 12, start["y"] + 16, steps=3)
    page.mouse.move(end["x"] + 30, end["y"] + (end["height"] - 3 if below else 3), steps=6)
    page.mouse.up()


def test_built_from_nothing_by_mouse(page: Page, workshop: str) -> None:
    text = opened(page, workshop, "")
    add(page, "conv, stride 2")
    answered(page, text, "conv32:s2")
    expect(page.get_by_text("not whole yet")).to_be_visible()
    add(page, "output")
    add(page, "up")  # after the output: dragged up
    answered(page, text, "conv32:s2 | conv3:k1:sigmoid | up")
    drag(page, row(page, 3).locator(".handle"), row(page, 2), below=False)
    answered(page, text, "conv32:s2 | up | conv3:k1:sigmoid")
    drag(page, page.locator(".palette button").get_by_text("batch norm"), row(page, 1), below=True)
    answered(page, text, "conv32:s2 | bn | up | conv3:k1:sigmoid")
    expect(row(page, 4)).to_contain_text("3×32×32")
    row(page, 1).locator(".handle").click()
    row(page, 1).locator("[data-name=channels]").fill("8")
    row(page, 1).locator("[data-name=activation]").select_option("gelu")
    answered(page, text, "conv8:s2:gelu | bn | up | conv3:k1:sigmoid")
    row(page, 2).locator(".remove").click()
    answered(page, text, "conv8:s2:gelu | up | conv3:k1:sigmoid")
    page.locator(".undo").click()
    answered(page, text, "conv8:s2:gelu | bn | up | conv3:k1:sigmoid")
    page.locator(".redo").click()
    answered(page, text, "conv8:s2:gelu | up | conv3:k1:sigmoid")
    # An address is enough to be there again.
    page.reload()
    settled(page)
    answered(page, page.locator(".editor .line"), "conv8:s2:gelu | up | conv3:k1:sigmoid")
    expect(page.get_by_alt_text("Test pictures, untrained")).to_be_visible()


def test_built_from_nothing_by_keyboard_alone(page: Page, workshop: str) -> None:
    text = opened(page, workshop, "")
    page.locator(".palette button").first.focus()
    keys = page.keyboard
    keys.press("Enter")
    answered(page, text, "conv32")
    keys.press("Enter")
    answered(page, text, "conv32 | conv32")
    for _ in range(40):  # on to the handle of the second layer
        if row(page, 2).locator(".handle").evaluate("handle => handle.getRootNode().activeElement === handle"):
            break
        keys.press("Tab")
    keys.press("Enter")  # into its text
    keys.press("Control+a")
    keys.type("conv3:k1:sigmoid")
    answered(page, text, "conv32 | conv3:k1:sigmoid")
    keys.press("Shift+Tab")  # back to the handle
    keys.press("Alt+ArrowUp")
    answered(page, text, "conv3:k1:sigmoid | conv32")
    keys.press("Control+z")
    answered(page, text, "conv32 | conv3:k1:sigmoid")
    keys.press("ArrowUp")
    row(page, 1).locator(".handle").focus()
    keys.press("Enter")
    keys.press("Enter")  # a new layer below it
    keys.type("pool")
    answered(page, text, "conv32 | pool | conv3:k1:sigmoid")
    expect(row(page, 3)).to_contain_text("must end with 3×32×32")
    keys.press("Shift+Tab")
    keys.press("Delete")
    answered(page, text, "conv32 | conv3:k1:sigmoid")


def test_undo_while_one_types_brings_the_text_back_too(page: Page, workshop: str) -> None:
    text = opened(page, workshop)
    answered(page, text, FIRST)
    text.fill("conv8 | conv3:sigmoid")
    answered(page, text, "conv8 | conv3:sigmoid")
    text.press("Control+z")
    answered(page, text, FIRST)
    text.press("Control+Shift+z")
    answered(page, text, "conv8 | conv3:sigmoid")


def test_every_problem_is_mended_by_its_button(page: Page, workshop: str) -> None:
    text = opened(page, workshop, "conv32 | pol | dense12 | up | conv3")
    expect(row(page, 2)).to_contain_text("did you mean pool?")
    expect(row(page, 3)).to_contain_text("put flatten before it")
    expect(page.get_by_role("link", name="Train these layers")).to_have_count(0)
    for _ in range(8):
        buttons = page.locator(".note.problem .repair")
        if not buttons.count():
            break
        before = text.input_value()
        buttons.first.click()
        expect(text).not_to_have_value(before)
        expect(page.locator(".editor.stale")).to_have_count(0)
    expect(page.locator(".note.problem")).to_have_count(0)
    assert Architecture.parse(text.input_value()).parameters


def test_what_is_typed_fast_is_not_lost(page: Page, workshop: str) -> None:
    text = opened(page, workshop)
    answered(page, text, FIRST)
    text.fill("")
    typed = "conv16:k4:s2 | conv24:silu | up | conv3:sigmoid"
    text.press_sequentially(typed, delay=5)
    answered(page, text, typed)
    expect(row(page, 2)).to_contain_text("24×16×16")


@pytest.mark.parametrize("name", ["conv32:k5:s2:gelu", "deconv8:k4", "up4:bilinear", "dropout0.25", "gn4", "act:silu"])
def test_a_setting_of_every_kind_is_written_as_the_parser_reads_it(page: Page, workshop: str, name: str) -> None:
    text = opened(page, workshop, name)
    row(page, 1).locator(".handle").click()
    field = row(page, 1).locator("[data-name]").first
    if field.evaluate("field => field.tagName") == "SELECT":
        field.select_option("tanh")
    else:
        field.press("ArrowUp")
    expect(text).not_to_have_value(name)
    expect(page.locator(".editor.stale")).to_have_count(0)
    expect(row(page, 1)).not_to_contain_text("not an option")
    expect(row(page, 1).locator("[data-name]").first).to_be_visible()


def test_a_look_sharpens_the_pictures_and_what_is_saved_is_handed_over(page: Page, workshop: str) -> None:
    text = opened(page, workshop, "conv8:s2 | up | conv3:sigmoid")
    answered(page, text, "conv8:s2|up|conv3:sigmoid")
    page.get_by_role("button", name="30-second look").click()
    expect(page.get_by_alt_text(re.compile("Test pictures, [0-9]+ s")).first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text(re.compile(r"dB on validation pictures after [\d,]+ pictures"))).to_be_visible()
    expect(page.get_by_role("button", name="Look again")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_label("Name", exact=True).fill("from-the-browser")
    page.get_by_label("Name", exact=True).press("Enter")
    page.get_by_role("button", name="Save these layers").click()
    expect(page.get_by_text("Saved from-the-browser")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Train from-the-browser").click()
    settled(page)
    expect(page.get_by_role("combobox", name="Start from")).to_have_value("from-the-browser")


def test_layers_that_are_not_saved_are_handed_over_too(page: Page, workshop: str) -> None:
    opened(page, workshop, "conv8:s2 | up | conv5 | conv3:sigmoid")
    page.get_by_role("link", name="Train these layers").click()
    settled(page)
    expect(page.get_by_role("combobox", name="Start from")).to_have_value("custom")
    expect(page.get_by_text("conv8:s2 → up → conv5 → conv3:sigmoid")).to_be_visible()
