"""The gallery and the page of a system in a real browser: points lead on, drawings fit, pixels are exact."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from aecore.data import datasets
from aecore.models import zoo
from pages.components.system.examples import EACH
from tests.browser.seen import settled


def test_a_point_of_the_figure_leads_to_its_system(page: Page, dashboard: str) -> None:
    page.goto(dashboard)
    settled(page)
    chart = page.locator(".js-plotly-plot")
    expect(chart).to_be_visible()
    at = chart.evaluate(
        """plot => {
            const trace = plot._fullData.find(each => each.name === "deep-strided-4-bn");
            const box = plot.querySelector(".nsewdrag").getBoundingClientRect();
            const { xaxis, yaxis } = plot._fullLayout;
            return [box.x + xaxis.d2p(trace.x[0]), box.y + yaxis.d2p(trace.y[0])];
        }"""
    )
    page.mouse.move(*at)
    page.mouse.click(*at)
    page.wait_for_url("**/system?run=deep-strided-4-bn")
    settled(page)
    expect(page.locator("h1")).to_have_text(zoo.SYSTEMS["deep-strided-4-bn"].title)


def test_a_card_opens_its_system_and_refresh_keeps_it(page: Page, dashboard: str) -> None:
    page.goto(dashboard)
    settled(page)
    page.locator(".st-key-card-dense-deep").get_by_role("link", name="Open").click()
    page.wait_for_url("**/system?run=dense-deep")
    settled(page)
    expect(page.get_by_role("img", name="Architecture of dense-deep")).to_be_visible()
    page.reload()
    settled(page)
    expect(page.locator("h1")).to_have_text(zoo.SYSTEMS["dense-deep"].title)


@pytest.mark.parametrize("width", [1280, 390])
def test_drawings_scroll_in_their_own_box_and_the_page_does_not(page: Page, dashboard: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{dashboard}/system?run=conv-dense-bn&beside=deep-strided-4-bn")
    settled(page)
    expect(page.locator(".differences").first).to_be_visible()
    main = page.get_by_test_id("stMain")
    assert main.evaluate("element => element.scrollWidth <= element.clientWidth")
    # All at once, and once they are there: between two looks a page may draw itself again.
    words = page.wait_for_function(
        """() => {
             const words = [...document.querySelectorAll(".diagram span")].map(text => {
               const a = text.getBoundingClientRect(), b = text.parentElement.getBoundingClientRect();
               return [text.innerText, a.left >= b.left - 2 && a.right <= b.right + 2 && a.width > 0]; });
             return words.length > 40 && words; }"""
    ).json_value()
    assert not [text for text, inside in words if not inside]


def test_words_in_a_drawing_do_not_touch(page: Page, dashboard: str) -> None:
    for name in ("conv-dense-bn", "deep-strided-4-bn", "mnist-dense"):
        page.goto(f"{dashboard}/system?run={name}")
        settled(page)
        touching = page.locator(".diagram").first.evaluate(
            """box => {
                const all = [...box.querySelectorAll("span")].map(e => [e.innerText, e.getBoundingClientRect()]);
                const touch = (a, b) => a.left < b.right && b.left < a.right
                    && a.top + 2 < b.bottom && b.top + 2 < a.bottom;
                return all.flatMap(([text, a], index) =>
                    all.slice(index + 1).filter(([, b]) => touch(a, b)).map(([other]) => [text, other]));
            }"""
        )
        assert touching == []


def test_example_pictures_are_exact(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/system?run=shallow-strided")
    settled(page)
    pictures = page.locator(".examples img")
    expect(pictures).to_have_count(3)
    source = pictures.first.get_attribute("src")
    assert source is not None
    got = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))
    known = datasets.load("sample").test.pixels.permute(0, 2, 3, 1).numpy()
    for place in range(EACH):
        shown = got[:32, place * 34 : place * 34 + 32, :3]
        assert (known == shown).all(axis=(1, 2, 3)).any()
    box = pictures.first.bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (3 * got.shape[1], 3 * got.shape[0])


def test_the_zip_of_a_run_is_downloaded(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/system?run=shallow-maxpool")
    settled(page)
    with page.expect_download() as started:
        page.get_by_role("button", name="Weights and manifest").click()
    assert started.value.suggested_filename.startswith("shallow-maxpool-")
    assert started.value.suggested_filename.endswith(".zip")


def test_a_bad_link_to_a_system_is_answered_with_a_note(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/system?run=shalow-strided&beside=nonsense")
    settled(page)
    expect(page.get_by_test_id("stAlert").first).to_contain_text("nearest names are shallow-strided")
    expect(page.locator("h1")).to_have_text("Shallow, strided")
