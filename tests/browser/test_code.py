"""The page of a code in a real browser: exact pixels, the ways to a unit, links that can be shared, and a phone."""

import base64
import io
import re
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from aecore.data import datasets
from aecore.measuring import codes
from aecore.measuring.code_colours import Palette
from aecore.measuring.units import Activity
from aecore.runs.store import Store
from tests.browser import started
from tests.browser.seen import choose, settled

NAME = "deep-strided-4"  # a code of 4×4 positions is quickly decoded


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard with two runs and no data set."""
    folder = tmp_path_factory.mktemp("code")
    for name in (NAME, "denoise-unet"):
        path = Store().find(name).path
        shutil.copytree(path, folder / "checkpoints" / path.name)
    environment = {"AECORE_DATA": str(folder / "nothing"), "AECORE_CHECKPOINTS": str(folder / "checkpoints")}
    with started.dashboard(folder / "log", environment) as dashboard:
        yield dashboard.address
    assert "Traceback" not in (folder / "log").read_text()


def opened(page: Page, address: str) -> None:
    """Open the page and wait until everything on it is measured."""
    page.goto(address)
    settled(page)
    expect(page.locator(".strip")).to_have_count(3)
    expect(page.get_by_text(re.compile("parts.* done: "))).to_have_count(0, timeout=180_000)
    settled(page)


def in_view(page: Page) -> Locator:
    return page.get_by_role("heading", name=re.compile(r"^Unit \d+"))


def pixels(image: Locator) -> NDArray[np.uint8]:
    address = image.get_attribute("src") or ""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"))


def test_the_code_is_drawn_in_its_own_colours_and_enlarged_by_whole_factors(page: Page, served: str) -> None:
    opened(page, f"{served}/code?c-run={NAME}")
    model, test = Store().load(NAME), datasets.load("cifar10-excerpt").test.pixels
    made = list(codes.in_batches(model, test))
    expected = Palette.of(Activity.of(made)).pictures(made[0][:8]).permute(0, 2, 3, 1).numpy().astype(int)
    images = page.locator("img[alt^='Code: ']")
    expect(images).to_have_count(8)
    for place in range(8):
        # The encoder adds in another order there: a colour may be rounded the other way.
        assert np.abs(pixels(images.nth(place)).astype(int) - expected[place]).max() <= 1
        box = images.nth(place).bounding_box()
        assert box
        assert (box["width"], box["height"]) == pytest.approx((24 * 4, 24 * 4))
    originals = page.locator("img[alt^='Original: ']")
    assert (pixels(originals.nth(3)) == test[3].permute(1, 2, 0).numpy()).all()


def test_every_way_to_a_unit_changes_the_address(page: Page, served: str) -> None:
    opened(page, f"{served}/code?c-run={NAME}&c-unit=3")
    expect(in_view(page)).to_have_text("Unit 3")
    table = page.get_by_test_id("stDataFrame").locator(".dvn-scroller")
    table.click(position={"x": 16, "y": 36 + 2 * 40 + 20})  # the third row's mark
    expect(in_view(page)).not_to_have_text("Unit 3")
    third = in_view(page).inner_text().removeprefix("Unit ")
    page.wait_for_url(re.compile(f"c-unit={third}$"))
    related = page.locator("[class*=st-key-related] button").first
    number = (related.inner_text().partition(":")[0]).removeprefix("unit ")
    related.click()
    expect(in_view(page)).to_have_text(f"Unit {number}")
    page.wait_for_url(re.compile(f"c-unit={number}$"))
    settled(page)  # the figure below is drawn again
    point = page.locator(".st-key-costs-of-units-" + Store().find(NAME).key).locator("path.point").nth(5)
    point.hover(force=True)
    # A click counts for the point that the figure says the pointer is on.
    expect(page.locator(".hoverlayer").get_by_text("unit 5:")).to_be_visible()
    page.mouse.down()
    page.mouse.up()
    expect(in_view(page)).to_have_text("Unit 5")
    page.wait_for_url(re.compile("c-unit=5$"))
    address = page.url
    opened(page, address)
    expect(in_view(page)).to_have_text("Unit 5")


def test_a_run_without_a_code_is_one_sentence_and_the_next_run_is_measured(page: Page, served: str) -> None:
    page.goto(f"{served}/code?c-run=denoise-unet")
    settled(page)
    expect(page.get_by_text("denoise-unet has no code")).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_have_count(0)
    choose(page, "System", NAME)
    expect(page.locator(".strip")).to_have_count(3)
    expect(page.get_by_text("denoise-unet has no code")).to_have_count(0)


def test_the_system_page_leads_here(page: Page, served: str) -> None:
    page.goto(f"{served}/system?run={NAME}")
    settled(page)
    page.get_by_test_id("stMain").get_by_role("link", name="Code").click()
    expect(page.get_by_role("heading", name=f"The code of {NAME}")).to_be_visible()
    page.get_by_test_id("stMain").get_by_role("link", name="System").click()
    expect(page.get_by_text("Loss curves").first).to_be_visible()
    assert f"run={NAME}" in page.url


def test_on_a_phone_nothing_is_cut_off(page: Page, served: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, f"{served}/code?c-run={NAME}")
    main = page.get_by_test_id("stMain")
    assert main.evaluate("main => main.scrollWidth <= main.clientWidth")
    for image in page.locator(".strip img").all():
        box = image.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
