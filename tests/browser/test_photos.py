"""Photos in a real browser: a phone's photograph, its exact pixels, and a view that stays."""

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from aecore.data import photographs
from tests.aecore.data.hostile_pictures import as_stored
from tests.browser.seen import settled

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
    drawn = page.locator(".viewer[data-drawn]")
    expect(drawn).to_be_visible()
    return drawn


def view(page: Page) -> list[float]:
    """The zoom, and the pixel in the middle."""
    return [float(number) for number in (viewer(page).get_attribute("data-view") or "").split()]


def probed(page: Page) -> dict[str, list[int]]:
    """The values of every picture at the pixel that is read."""
    rows = viewer(page).locator("tbody tr").all()
    texts = [row.locator("td").all_inner_texts() for row in rows]
    return {name: [int(value) for value in values[:3]] for name, *values in texts}


def canvas(page: Page, place: int) -> NDArray[np.uint8]:
    """The pixels `[H, W, 3]` of a picture as they are drawn."""
    address = viewer(page).locator(".stage canvas").nth(place).evaluate("canvas => canvas.toDataURL()")
    return np.asarray(Image.open(BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"))


def test_a_phone_s_photograph_is_uploaded_wiped_zoomed_and_read(
    dashboard: str, page: Page, upright: Image.Image, file: Path
) -> None:
    page.goto(f"{dashboard}/photos?p-from=Your+own&p-models=shallow-strided&p-models=jpeg-25&p-level=0.1")
    page.locator("input[type=file]").set_input_files(file)
    expect(viewer(page).locator(".about")).to_have_text("phone.png, 1,600×1,200 pixels.")
    expect(viewer(page).locator(".head span", has_text="dB")).to_have_count(3)
    settled(page)

    # Zoomed by keys, until each of its pixels is a square on the screen: the part in view comes at full resolution.
    page.locator(".panes").focus()
    for _ in range(9):
        page.keyboard.press("+")
    expect(viewer(page).locator(".hint")).to_have_text("Point at a picture, or tap it.")
    page.keyboard.press("Shift+ArrowRight")
    expect(viewer(page).locator(".hint")).to_have_text("")  # no mean any more
    expect(viewer(page).locator(".where")).to_have_text("Pixel 801, 600")
    pixels = np.asarray(upright)
    assert probed(page)["original"] == pixels[600, 801].tolist()
    page.keyboard.press("Shift+ArrowDown")
    assert probed(page)["original"] == pixels[601, 801].tolist()
    zoom, *middle = view(page)
    assert zoom > 3
    assert middle == [800, 600]

    # Moved by hand, and read by the mouse.
    stage = viewer(page).locator(".stage").first.bounding_box()
    assert stage
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 40, y, steps=4)
    page.mouse.up()
    moved = view(page)
    assert moved[1] == pytest.approx(800 + 40 / zoom, abs=0.01)
    before = list(probed(page))

    # Other models and other noise: the same view.
    page.get_by_test_id("stSidebar").get_by_role("button", name="shallow-maxpool", exact=True).click()
    expect(viewer(page).locator(".head b", has_text="shallow-maxpool")).to_be_visible()
    expect(viewer(page).locator(".head span", has_text="dB")).to_have_count(4)
    assert view(page) == moved
    assert list(probed(page)) == [*before, "shallow-maxpool"]

    # The divider: by keys, as far as the border, either picture covers all.
    page.get_by_text("Wipe", exact=True).first.click()
    expect(viewer(page).locator(".divider")).to_be_visible()
    settled(page)
    page.mouse.move(0, 0)
    assert view(page) == moved
    viewer(page).locator(".left").select_option("original")
    viewer(page).locator(".right").select_option("noisy")
    sides = []
    for key in ("Home", "End"):
        viewer(page).locator(".divider").press(key)
        page.wait_for_function(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
        )
        sides.append(canvas(page, 0))
    noisy, original = sides
    assert np.abs(noisy.astype(int) - original).mean() > 10

    # A difference from itself is black, and the noise is not.
    page.get_by_text("Difference", exact=True).first.click()
    expect(viewer(page).locator(".gain")).to_be_visible()
    settled(page)
    inside = np.s_[5:-5, 5:-5]
    middle_out = np.s_[:40, :40]  # away from the mark of the pixel that is read
    assert canvas(page, 0)[inside][middle_out].max() == 0
    assert canvas(page, 1)[inside][middle_out].mean() > 20

    # All of it again.
    page.locator(".panes").focus()
    page.keyboard.press("0")
    page.wait_for_function("document.querySelector('.viewer').dataset.view.endsWith('800.000 600.000')")


def test_a_picture_is_pasted(dashboard: str, page: Page, file: Path) -> None:
    page.goto(f"{dashboard}/photos?p-from=Your+own&p-models=shallow-strided&p-level=0")
    expect(page.get_by_text("or paste one")).to_be_visible()
    settled(page)
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
