"""The dashboard on a fresh clone, without a data set and without a network, in a real browser."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect

from aecore import datasets, store, zoo
from aecore.datasets import to_float
from aecore.noise import Noise, noisy
from aecore.store import Store
from tests.browser import started

GAP = 2


def settled(page: Page) -> None:
    """Wait until nothing computes any more, and no exception is shown."""
    expect(page.get_by_test_id("stMainBlockContainer").locator("h1")).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def sheet(page: Page) -> NDArray[np.uint8]:
    """The pixels of the sheet as the browser got them, `[H, W, 4]`."""
    source = page.locator("img.pixels").get_attribute("src")
    assert source is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))


def expected(picture: int, model: str, noise: Noise) -> NDArray[np.uint8]:
    """What the core makes of one embedded test picture, `[32, 32, 3]`."""
    clean = to_float(datasets.load("sample").test.pixels[[picture]])
    output = store.load(model)(noisy(clean, noise, 0, [picture]))
    pixels = (output[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return np.asarray(pixels)


def test_the_gallery_shows_every_system_with_its_pictures(page: Page, dashboard: str) -> None:
    page.goto(dashboard)
    settled(page)
    cards = page.locator("[class*=st-key-card-]")
    expect(cards).to_have_count(len({run.key for run in Store().listing().runs}))
    pictures = page.get_by_test_id("stImage").locator("img")
    expect(pictures).to_have_count(len(zoo.SYSTEMS))
    for picture in pictures.all():
        natural, shown = picture.evaluate("image => [image.naturalWidth, image.getBoundingClientRect().width]")
        assert natural == shown > 0


def test_the_slider_changes_pixels_and_figures(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=shallow-strided&models=dense&count=3")
    settled(page)
    before, heads = sheet(page), page.locator(".heads").inner_text()
    page.get_by_role("slider", name=re.compile("Level")).press("ArrowRight")
    expect(page.locator(".heads")).to_contain_text("noisy")
    settled(page)
    assert "level=0.02" in page.url
    after = sheet(page)
    assert after.shape[1] == before.shape[1] + 32 + GAP
    assert page.locator(".heads").inner_text() != heads


def test_pixels_in_the_browser_are_those_of_the_core(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=shallow-strided&models=deep-strided-8-bn&level=0.1&count=2&draw=5")
    settled(page)
    import random

    picture = random.Random(5).sample(range(1000), 2)[1]
    got = sheet(page)
    for column, model in ((2, "shallow-strided"), (3, "deep-strided-8-bn")):
        top, left = 32 + GAP, column * (32 + GAP)
        cell = got[top : top + 32, left : left + 32]
        # The server ran the same weights in a batch of another size: rounding may differ in the last bit.
        difference = np.abs(cell[..., :3].astype(int) - expected(picture, model, Noise("gaussian", 0.1)).astype(int))
        assert difference.max() <= 1
        assert (cell[..., 3] == 255).all()
    box = page.locator("img.pixels").bounding_box()
    assert box is not None
    assert box["width"] % got.shape[1] == 0
    assert box["height"] % got.shape[0] == 0


def test_a_card_leads_to_its_comparison(page: Page, dashboard: str) -> None:
    page.goto(dashboard)
    settled(page)
    page.locator(".st-key-card-deep-maxpool-4").get_by_role("link", name="Compare").click()
    page.wait_for_url("**/compare**")
    settled(page)
    expect(page.locator(".heads")).to_contain_text("deep-maxpool-4")
    page.reload()
    settled(page)
    expect(page.locator(".heads")).to_contain_text("deep-maxpool-4")


@pytest.mark.parametrize("path", ["/", "/compare?level=0.2"])
def test_a_phone_needs_no_sideways_scrolling(page: Page, dashboard: str, path: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(dashboard + path)
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    main = page.get_by_test_id("stMain")
    assert main.evaluate("element => element.scrollWidth <= element.clientWidth")


def test_the_first_visit_to_a_fresh_server_may_be_a_deep_link(page: Page, tmp_path: Path) -> None:
    with started.dashboard(tmp_path / "log", {"AECORE_DATA": str(tmp_path)}) as served:
        page.goto(f"{served.address}/compare?level=0.3")
        settled(page)
        expect(page.locator(".heads")).to_contain_text("noisy")
        expect(page.get_by_test_id("stDialog")).to_have_count(0)
        page.close()
    log = (tmp_path / "log").read_text()
    assert served.address in log
    assert "Traceback" not in log


def test_a_bad_link_falls_back(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=nonsense&noise=nonsense&level=-7&count=zero&data=nowhere")
    settled(page)
    expect(page.locator("img.pixels")).to_be_visible()
