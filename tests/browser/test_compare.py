"""Compare in a real browser: the pixels that are shown, what the slider does, and what a link brings back."""

import random
import re

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect

from aecore.data import datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import to_float
from aecore.runs import store
from aecore.runs.store import Store
from aecore.studies import by_name
from tests import optional
from tests.browser.seen import cell, headings, photographed, settled, sheet


def expected(picture: int, model: str, noise: Noise) -> NDArray[np.uint8]:
    """What the core makes of one embedded test picture, `[32, 32, 3]`."""
    clean = to_float(datasets.load("cifar10-excerpt").test.pixels[[picture]])
    output = store.load(model)(noisy(clean, noise, 0, [picture]))
    pixels = (output[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return np.asarray(pixels)


def release(page: Page, key: str, label: str = "Standard deviation") -> None:
    """Move a slider by a key, and wait for the pictures that come of it."""
    before = sheet(page).get_attribute("data-drawn")
    page.get_by_role("slider", name=label).press(key)
    expect(page.locator(f'.sheet[data-drawn]:not([data-drawn="{before}"])')).to_be_visible()
    settled(page)


def errors_of_the_first_picture(page: Page) -> Locator:
    """The numbers of the table's first row, as they are read out: of the noisy input and of each model."""
    row = page.get_by_test_id("stDataFrame").first.locator("canvas tbody tr").first
    return row.locator("td").filter(has_text=re.compile(r"^0\.\d+$"))


def test_the_slider_changes_pixels_and_table(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=shallow-strided&models=dense&count=3&level=0.1")
    settled(page)
    assert headings(page) == ["original", "noisy", "shallow-strided", "dense"]
    pixels, errors = cell(page, 0, 2), errors_of_the_first_picture(page)
    before = errors.all_inner_texts()
    release(page, "ArrowRight")
    assert "level=0.11" in page.url
    assert not np.array_equal(cell(page, 0, 2), pixels)
    for place, text in enumerate(before):
        expect(errors.nth(place)).not_to_have_text(text)


def test_pixels_in_the_browser_are_those_of_the_core(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=shallow-strided&models=deep-strided-8-bn&level=0.1&count=2&draw=5")
    settled(page)
    picture = random.Random(5).sample(range(1000), 2)[1]
    original = datasets.load("cifar10-excerpt").test.pixels[picture].permute(1, 2, 0).numpy()
    assert np.array_equal(cell(page, 1, 0), original)
    for column, model in ((2, "shallow-strided"), (3, "deep-strided-8-bn")):
        # The server ran the same weights in a batch of another size: rounding may differ in the last bit.
        difference = np.abs(cell(page, 1, column).astype(int) - expected(picture, model, Noise("gaussian", 0.1)))
        assert difference.max() <= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pixels_on_the_screen_are_whole_multiples(page: Page, dashboard: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{dashboard}/compare?models=shallow-strided&level=0.2&count=2")
    settled(page)
    held = cell(page, 1, 2)
    shown = photographed(sheet(page).locator(".cell").nth(5))
    scale = shown.shape[0] // held.shape[0]
    assert scale == 4  # two rows leave room for it
    assert np.array_equal(shown, held.repeat(scale, 0).repeat(scale, 1))


def test_a_cell_is_enlarged_with_its_numbers(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=shallow-strided&models=dense&count=3")
    settled(page)
    panel = sheet(page).locator(".panel")
    sheet(page).locator(".cell").nth(4).hover()
    expect(panel.locator(".which")).to_have_text("shallow-strided")
    expect(panel.locator("dl")).to_contain_text("PSNR")
    sheet(page).locator(".cell").nth(4).press("ArrowDown")
    sheet(page).locator(".cell").nth(7).press("ArrowRight")
    expect(panel.locator(".which")).to_have_text("dense")
    name = sheet(page).locator(".name").nth(2)
    expect(panel.locator(".what")).to_have_text(" ".join(name.locator("div, span").all_inner_texts()))
    expect(sheet(page).locator(".cell.chosen")).to_have_attribute("aria-label", panel_label(page))


def panel_label(page: Page) -> str:
    """What the last row's `dense` is called for whoever cannot see it."""
    name = " ".join(sheet(page).locator(".name").nth(2).locator("div, span").all_inner_texts())
    terms, values = (sheet(page).locator(f".panel {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return f"{name}, dense: {', '.join(map(' '.join, zip(terms, values, strict=True)))}"


def test_a_row_of_the_table_enlarges_its_picture(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=shallow-strided&count=4")
    settled(page)
    name = " ".join(sheet(page).locator(".name").nth(2).locator("div, span").all_inner_texts())
    frame = page.get_by_test_id("stDataFrame").first
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    assert box is not None
    # The head, two rows, and half of the third, where it is ticked.
    page.mouse.click(box["x"] + 16, box["y"] + 36 + 2.5 * 40)
    expect(sheet(page).locator(".what")).to_have_text(name)


def test_the_wipe_uncovers_one_version_under_another(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=shallow-strided&level=0.5&count=2")
    settled(page)
    noisy_cell, model_cell = cell(page, 0, 1), cell(page, 0, 2)
    page.get_by_role("radio", name="Wipe").click()
    stage, handle = sheet(page).locator(".panel .large canvas"), sheet(page).locator(".divider")
    expect(handle).to_be_visible()
    settled(page)
    handle.fill("100")
    assert np.array_equal(photographed(stage)[:380:12, :380:12], noisy_cell)
    handle.fill("0")
    assert np.array_equal(photographed(stage)[4::12, 4::12], model_cell)


def test_a_link_brings_back_what_was_seen(page: Page, other: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=dense&count=2")
    settled(page)
    release(page, "End")
    page.get_by_role("radio", name="Error", exact=True).click()
    expect(page.get_by_text("absolute error")).to_be_visible()
    settled(page)
    other.goto(page.url)
    settled(other)
    expect(other.get_by_text("absolute error")).to_be_visible()
    assert headings(other) == headings(page)
    assert np.array_equal(cell(other, 1, 2), cell(page, 1, 2))


def test_choices_outlive_a_visit_to_another_page(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=dense&models=deep-strided-8&level=0.2&count=2&draw=7")
    settled(page)
    seen = headings(page), cell(page, 1, 3)
    page.get_by_role("link", name="Train").click()
    page.wait_for_url("**/train")
    settled(page)
    page.get_by_role("link", name="Compare").first.click()
    page.wait_for_url("**/compare?**")
    settled(page)
    assert headings(page) == seen[0]
    assert np.array_equal(cell(page, 1, 3), seen[1])
    page.reload()
    settled(page)
    assert np.array_equal(cell(page, 1, 3), seen[1])


def test_two_visitors_do_not_disturb_each_other(page: Page, other: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=dense&count=2&level=0.5")
    other.goto(f"{dashboard}/compare?models=deep-strided-8&count=2")
    settled(page)
    settled(other)
    before = cell(other, 0, 1)
    release(page, "ArrowLeft")
    assert headings(other) == ["original", "deep-strided-8"]
    assert np.array_equal(cell(other, 0, 1), before)


def test_models_are_picked_by_family(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=dense&count=1")
    settled(page)
    page.get_by_role("button", name="deep-maxpool-8", exact=True).click()
    expect(sheet(page).locator(".head b")).to_have_text(["original", "dense", "deep-maxpool-8"])


def test_a_card_leads_to_its_comparison(page: Page, dashboard: str) -> None:
    page.goto(dashboard)
    settled(page)
    page.locator(".st-key-card-deep-maxpool-4").get_by_role("link", name="Compare").click()
    page.wait_for_url("**/compare**")
    settled(page)
    assert headings(page) == ["original", "deep-maxpool-4"]
    page.reload()
    settled(page)
    assert headings(page) == ["original", "deep-maxpool-4"]


def at_rest(page: Page) -> None:
    """Wait until nothing is computed any more, neither on the sheet nor on the figure of errors."""
    settled(page)
    expect(sheet(page).locator(".head", has_text="computing")).to_have_count(0, timeout=180_000)
    expect(page.get_by_text("models done")).to_have_count(0, timeout=180_000)
    settled(page)


@optional.needs_bm3d
def test_a_model_pca_a_codec_and_bm3d_stand_side_by_side_under_noise(page: Page, dashboard: str) -> None:
    names = ["shallow-strided", "pca-1024", "jpeg-75", "bm3d"]
    # PCA is fitted to training pictures, which the excerpt has none of.
    query = f"data=Embedded+sample&{'&'.join(f'models={name}' for name in names)}"
    page.goto(f"{dashboard}/compare?{query}&level=0.1&count=2&draw=5")
    at_rest(page)
    assert headings(page) == ["original", "noisy", *names]
    picture = random.Random(5).sample(range(1000), 2)[1]
    noise, sample = Noise("gaussian", 0.1), datasets.load("sample")
    given = noisy(to_float(sample.test.pixels[[picture]]), noise, 0, [picture])
    for column, name in enumerate(names, start=2):
        output = by_name.find(name, sample, noise, Store())(given)[0].clamp(0, 1)
        expected_pixels = (output * 255).round().permute(1, 2, 0).numpy()
        assert np.abs(cell(page, 1, column) - expected_pixels).max() <= 1
    header = page.get_by_test_id("stDataFrame").first.locator("canvas thead")
    for name in names:
        expect(header).to_contain_text(name)


def test_the_errors_under_the_noise_above_follow_the_slider(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=shallow-maxpool&count=1&level=0.3")
    settled(page)
    page.get_by_role("radio", name="Noise chosen above").click()
    expect(page.get_by_text("noise σ 0.3, seed 0")).to_be_visible()
    at_rest(page)
    release(page, "ArrowRight")
    expect(page.get_by_text("noise σ 0.31, seed 0")).to_be_visible()
    expect(page.get_by_text("noise σ 0.3, seed 0")).to_have_count(0)
    at_rest(page)
    # A redraw of this part alone takes the level and the seed that are chosen now.
    page.get_by_role("radio", name="Training noise of each model").click()
    expect(page.get_by_text("noise σ 0.31, seed 0")).to_have_count(0)
    page.get_by_role("radio", name="Noise chosen above").click()
    expect(page.get_by_text("noise σ 0.31, seed 0")).to_be_visible()
    at_rest(page)
    page.get_by_role("spinbutton", name="Seed").fill("7")
    page.get_by_role("spinbutton", name="Seed").press("Enter")
    expect(page.get_by_text("noise σ 0.31, seed 7")).to_be_visible()
    expect(page.get_by_text("noise σ 0.31, seed 0")).to_have_count(0)


def test_a_baseline_is_added_from_the_sidebar(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=dense&count=1")
    settled(page)
    page.get_by_role("button", name="Add a baseline").click()
    page.get_by_role("radio", name="WebP").click()
    page.get_by_role("button", name="Add webp-75").click()
    expect(sheet(page).locator(".head b")).to_have_text(["original", "dense", "webp-75"])
    assert "models=webp-75" in page.url
    page.reload()
    settled(page)
    assert headings(page) == ["original", "dense", "webp-75"]
