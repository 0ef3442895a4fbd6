"""Photos in a real browser: a phone's photograph, its exact pixels, and a view that stays."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from aecore.data import photographs
from tests.aecore.data.hostile_pictures import as_stored
from tests.browser.seen import box, drawn_on, settled

TURNED = 6  # the orientation of a phone that is held upright
LARGE = (1600, 1200)


@pytest.fixture(scope="module")
def upright() -> Image.Image:
    """A photograph of more pixels than are sent at once."""
    return Image.fromarray(photographs.sample("cat").pixels.transpose(1, 2, 0)).resize(LARGE)


@pytest.fixture
def file(upright: Image.Image, tmp_path: Path) -> Path:
    """The photograph as a phone stores it, lossless so that its pixels are known."""
    exif = Image.Exif()
    exif[0x0112] = TURNED
    as_stored(upright, TURNED).save(tmp_path / "phone.png", exif=exif)
    return tmp_path / "phone.png"


def viewer(page: Page) -> Locator:
    drawn = page.locator(".photograph[data-drawn]")
    expect(drawn).to_be_visible()
    return drawn


def view(page: Page) -> list[float]:
    """The zoom, and the pixel in the middle."""
    return [float(number) for number in (viewer(page).get_attribute("data-view") or "").split()]


def probed(page: Page) -> dict[str, list[int]]:
    """The values of every picture at the pixel that is read, once the part in view is there."""
    expect(viewer(page).locator(".hint")).to_have_text("")  # it is no mean
    rows = viewer(page).locator("tbody tr").all()
    texts = [row.locator("td").all_inner_texts() for row in rows]
    return {name: [int(value) for value in values[:3]] for name, *values in texts}


def painted(page: Page) -> None:
    """Wait until what was asked for is drawn: the viewer draws once per frame of the screen."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.fixture
def zoomed(dashboard: str, page: Page, file: Path) -> Page:
    """The page with the photograph, zoomed by keys until each of its pixels is a square on the screen."""
    page.goto(f"{dashboard}/photos?p-from=Your+own&p-models=shallow-strided&p-models=jpeg-25&p-level=0.1")
    page.locator("input[type=file]").set_input_files(file)
    expect(viewer(page).locator(".about")).to_have_text("phone.png, 1,600×1,200 pixels.")
    expect(viewer(page).locator(".head span", has_text="dB")).to_have_count(3)
    settled(page)
    page.locator(".panes").focus()
    for _ in range(9):
        page.keyboard.press("+")
    painted(page)
    return page


def test_a_phone_s_photograph_is_upright_and_read_to_the_pixel(zoomed: Page, upright: Image.Image) -> None:
    expect(viewer(zoomed).locator(".hint")).to_have_text("Point at a picture, or tap it.")
    zoomed.keyboard.press("Shift+ArrowRight")
    expect(viewer(zoomed).locator(".where")).to_have_text("Pixel 801, 600")
    pixels = np.asarray(upright)
    assert probed(zoomed)["original"] == pixels[600, 801].tolist()
    zoomed.keyboard.press("Shift+ArrowDown")
    expect(viewer(zoomed).locator(".where")).to_have_text("Pixel 801, 601")
    assert probed(zoomed)["original"] == pixels[601, 801].tolist()


def test_a_second_photograph_of_the_same_size_becomes_sharp(zoomed: Page, upright: Image.Image, tmp_path: Path) -> None:
    """Its part in view has the same place as that of the first one."""
    second = upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    second.save(tmp_path / "second.png")
    zoomed.keyboard.press("Shift+ArrowRight")
    assert probed(zoomed)["original"] == np.asarray(upright)[600, 801].tolist()
    zoomed.locator("input[type=file]").set_input_files(tmp_path / "second.png")
    expect(viewer(zoomed).locator(".about")).to_have_text("second.png, 1,600×1,200 pixels.")
    expect(viewer(zoomed).locator(".head span", has_text="dB")).to_have_count(3)
    settled(zoomed)
    zoomed.locator(".panes").focus()
    for _ in range(9):
        zoomed.keyboard.press("+")
    painted(zoomed)
    zoomed.keyboard.press("Shift+ArrowRight")
    assert probed(zoomed)["original"] == np.asarray(second)[600, 801].tolist()


def test_the_view_stays_when_models_change(zoomed: Page) -> None:
    zoom, *middle = view(zoomed)
    assert zoom > 3
    assert middle == [800, 600]
    stage = box(viewer(zoomed).locator(".stage").first)
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    zoomed.mouse.move(x, y)
    zoomed.mouse.down()
    zoomed.mouse.move(x - 40, y, steps=4)
    zoomed.mouse.up()
    expect(viewer(zoomed)).to_have_attribute("data-view", f"{zoom:.3f} {800 + 40 / zoom:.3f} 600.000")
    zoomed.keyboard.press("Shift+ArrowRight")
    moved, before = view(zoomed), probed(zoomed)
    zoomed.get_by_test_id("stSidebar").get_by_role("button", name="shallow-maxpool", exact=True).click()
    expect(viewer(zoomed).locator(".head b", has_text="shallow-maxpool")).to_be_visible()
    expect(viewer(zoomed).locator(".head span", has_text="dB")).to_have_count(4)
    assert view(zoomed) == moved
    after = probed(zoomed)
    assert list(after) == [*before, "shallow-maxpool"]
    assert before.items() <= after.items()
    zoomed.locator(".panes").focus()
    zoomed.keyboard.press("0")
    expect(viewer(zoomed)).to_have_attribute("data-view", re.compile("800.000 600.000$"))


def test_two_pictures_are_wiped_and_subtracted(zoomed: Page) -> None:
    before = view(zoomed)
    zoomed.get_by_text("Wipe", exact=True).first.click()
    expect(viewer(zoomed).locator(".divider")).to_be_visible()
    settled(zoomed)
    assert view(zoomed) == before
    viewer(zoomed).locator(".against").select_option("original")
    pane = viewer(zoomed).locator(".stage canvas").nth
    sides = []
    for key in ("Home", "End"):  # as far as either border, where one picture covers all
        viewer(zoomed).locator(".divider").press(key)
        sides.append(drawn_on(pane(1)).astype(int))
    noisy, original = sides
    assert np.abs(noisy - original).mean() > 10

    zoomed.get_by_text("Difference", exact=True).first.click()
    expect(viewer(zoomed).locator(".gain")).to_be_visible()
    settled(zoomed)
    assert drawn_on(pane(0)).max() == 0  # from itself
    assert drawn_on(pane(1)).mean() > 20


def test_a_picture_is_pasted(dashboard: str, page: Page, file: Path) -> None:
    page.goto(f"{dashboard}/photos?p-from=Your+own&p-models=shallow-strided&p-level=0")
    settled(page)
    expect(page.locator("[data-listening]")).to_have_text("or paste one: Ctrl V")
    page.evaluate(
        """async (content) => {
            const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        }""",
        base64.b64encode(file.read_bytes()).decode(),
    )
    expect(viewer(page).locator(".about")).to_have_text("pasted.png, 1,600×1,200 pixels.")
    settled(page)
