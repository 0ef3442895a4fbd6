"""Denoise in a real browser: the pixels that are shown, what the slider does, and that nobody waits for the slow."""

import base64
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from aecore.data import datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import to_float
from aecore.files import figures
from aecore.reconstructors import denoisers
from aecore.runs import store
from aecore.runs.store import Store
from aecore.studies.denoising import Curves, Point
from tests import optional
from tests.browser import started
from tests.browser.seen import cell, headings, settled, sheet
from tests.browser.test_compare import release

NOISE = Noise("gaussian", 0.1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, sample_fits: Path) -> Path:
    """A store with two denoisers and figures made up of them, where fits may be kept."""
    folder = tmp_path_factory.mktemp("denoise") / "checkpoints"
    shutil.copytree(sample_fits, folder)
    for name in ("denoise-030", "denoise-100"):
        path = Store().find(name).path
        shutil.copytree(path, folder / path.name)
    points = [
        Point(
            name,
            level,
            1000,
            value - 10 * level,
            0.1,
            value - 10 * level,
            0.8 - level / 2,
            value - 10 * level,
            0.8 - level / 2,
            {},
        )
        for name, value in (("denoise-030", 25.0), ("denoise-100", 20.0), ("blur", 24.0))
        for level in (0.0, 0.3, 1.0)
    ]
    figures.write(folder / "denoising-cifar10.json", asdict(Curves("cifar10", "made up", tuple(points))))
    return folder


@pytest.fixture(scope="module")
def studio(root: Path) -> Iterator[str]:
    """The address of a dashboard over that store; no data set is there."""
    log = root.parent / "log"
    environment = {"AECORE_DATA": str(root / "nothing"), "AECORE_CHECKPOINTS": str(root)}
    with started.dashboard(log, environment) as served:
        yield served.address
    assert "Traceback" not in log.read_text()


def finished(page: Page) -> None:
    """Wait until every denoiser has done its work, but for the fit of the Wiener filter."""
    settled(page)
    expect(sheet(page).locator(".head", has_text="computing")).to_have_count(0, timeout=180_000)
    settled(page)


def released(page: Page, key: str) -> None:
    """Move the level by a key, and wait for all that comes of it."""
    release(page, key)
    finished(page)


@optional.needs_bm3d
def test_pixels_in_the_browser_are_those_of_the_core(page: Page, studio: str, root: Path) -> None:
    page.goto(
        f"{studio}/denoise?denoisers=denoise-030&denoisers=bm3d&denoisers=blur&d-pictures=Numbers&d-numbers=7,300"
    )
    finished(page)
    assert headings(page) == ["original", "noisy", "denoise-030", "bm3d", "blur"]
    clean = to_float(datasets.load("cifar10-excerpt").test.pixels[[300]])
    corrupted = noisy(clean, NOISE, 0, [300])
    classical = [denoisers.prepare(name, datasets.load("cifar10-excerpt"), NOISE, root) for name in ("bm3d", "blur")]
    for column, denoise in enumerate([lambda x: clean, lambda x: x, store.load("denoise-030"), *classical]):
        expected = (denoise(corrupted)[0].clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
        # The server ran the same weights in a batch of another size: rounding may differ in the last bit.
        assert np.abs(cell(page, 1, column) - expected).max() <= 1


def test_the_slider_changes_pixels_maps_and_the_address(page: Page, studio: str) -> None:
    page.goto(f"{studio}/denoise?denoisers=denoise-030&denoisers=blur&d-count=2&d-level=0.2")
    finished(page)
    pixels, maps = cell(page, 0, 2), drawn(page)
    released(page, "ArrowRight")
    assert "d-level=0.21" in page.url
    assert not np.array_equal(cell(page, 0, 2), pixels)
    expect(page.locator(".maps img").first).not_to_have_attribute("src", maps[0])
    # Both parts that take the level, the draws and the weights, name the new one.
    expect(page.get_by_text("standard deviation 0.21")).to_have_count(2)
    expect(page.get_by_text(re.compile(r"standard deviation 0\.2\b"))).to_have_count(0)


def drawn(page: Page) -> list[str]:
    """The addresses of the maps' pictures, which hold their pixels."""
    return [picture.get_attribute("src") or "" for picture in page.locator(".maps img").all()]


@optional.needs_bm3d
def test_a_slow_method_holds_up_nobody(page: Page, studio: str) -> None:
    page.goto(f"{studio}/denoise?denoisers=bm3d&denoisers=denoise-030&d-count=4&d-level=0.37")
    expect(sheet(page).locator(".head", has_text="denoise-030")).to_contain_text("dB")
    # Meanwhile the slider moves on, and what was begun for the level before is given up.
    release(page, "ArrowRight")
    assert "d-level=0.38" in page.url
    finished(page)
    expect(sheet(page).locator(".head", has_text="bm3d")).to_contain_text("dB")


def pixels_of(address: str) -> NDArray[np.uint8]:
    """The picture `[H, W, 3]` that an address holds."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"))


def on_screen(page: Page, map_: Locator) -> NDArray[np.uint8]:
    """A map as it is painted, which is on whole pixels even where its box is not."""
    map_.scroll_into_view_if_needed()
    box = map_.bounding_box()
    assert box is not None
    clip: Any = {name: round(value) for name, value in box.items()}
    return np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB"))


def test_maps_are_exact_and_the_chosen_pixel_is_framed(page: Page, studio: str) -> None:
    page.goto(f"{studio}/denoise?denoisers=denoise-030&d-count=1&d-row=3&d-column=20")
    finished(page)
    picture = page.get_by_role("button", name="Pick a pixel")
    frame = picture.locator("b")
    expect(frame).to_have_css("top", "12px")
    expect(frame).to_have_css("left", "80px")
    before = drawn(page)
    shown, held = on_screen(page, page.locator(".maps img").first), pixels_of(before[0])
    assert np.array_equal(shown, held.repeat(4, 0).repeat(4, 1))
    page.get_by_role("slider", name="Row").press("ArrowRight")
    expect(frame).to_have_css("top", "16px")
    expect(page).to_have_url(re.compile("d-row=4"))
    expect(page.locator(".maps img").last).not_to_have_attribute("src", before[-1])
    assert drawn(page)[:2] == before[:2]
    # A pixel is picked by a click on it, too.
    picture.click(position={"x": 4 * 7 + 2, "y": 4 * 25 + 2})
    expect(frame).to_have_css("top", "100px")
    expect(frame).to_have_css("left", "28px")
    expect(page).to_have_url(re.compile("d-row=25"))
    expect(page).to_have_url(re.compile("d-column=7"))


def test_a_link_brings_back_what_was_seen(page: Page, other: Page, studio: str) -> None:
    page.goto(f"{studio}/denoise?denoisers=denoise-100&d-count=2")
    finished(page)
    released(page, "End")
    page.get_by_role("radio", name="Signed error", exact=True).click()
    expect(page.get_by_text("red is too bright, blue too dark, mean")).to_be_visible()
    finished(page)
    other.goto(page.url)
    finished(other)
    expect(other.get_by_text("red is too bright, blue too dark, mean")).to_be_visible()
    assert headings(other) == headings(page)
    assert np.array_equal(cell(other, 1, 2), cell(page, 1, 2))


def test_choices_outlive_a_visit_to_compare_and_do_not_follow_there(page: Page, studio: str) -> None:
    page.goto(f"{studio}/denoise?denoisers=denoise-100&d-level=0.2&d-count=2&d-draw=7")
    finished(page)
    seen = cell(page, 1, 2)
    page.get_by_role("link", name="Compare").first.click()
    page.wait_for_url(re.compile(r"/compare"))
    settled(page)
    expect(page.get_by_role("slider", name="Standard deviation")).to_have_value("0")
    page.get_by_role("link", name="Denoise").first.click()
    page.wait_for_url("**/denoise?**")
    finished(page)
    assert headings(page) == ["original", "noisy", "denoise-100"]
    assert np.array_equal(cell(page, 1, 2), seen)
    page.reload()
    finished(page)
    assert np.array_equal(cell(page, 1, 2), seen)
