"""The map of codes in a real browser: exact thumbnails, a lasso, and pictures that are chosen by keys or neighbours."""

import re
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect

from aecore.data import datasets
from aecore.measuring import codes, maps
from aecore.runs.store import Store
from tests.browser.seen import photographed, settled

ROOM = 0.94  # of the stage, which the whole map fills
WITHOUT_GRAPHICS = """
const before = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.startsWith("webgl") ? null : before.call(this, kind, ...rest);
};
"""


@pytest.fixture(scope="module")
def places() -> NDArray[np.float64]:
    """Where the pictures of the excerpt lie by the first two components of their codes."""
    taken = codes.codes(Store().load("compress-64"), datasets.load("cifar10-excerpt").test.pixels)
    return maps.principal(taken, 2).positions.double().numpy()


def code_map(page: Page) -> Locator:
    drawn = page.locator(".code-map[data-drawn]")
    expect(drawn).to_be_visible()
    return drawn


def opened(dashboard: str, page: Page, choices: str = "") -> Locator:
    """The map of a small code on the embedded excerpt, in the middle of the screen; returns its stage."""
    page.goto(f"{dashboard}/code?c-run=compress-64{choices}")
    code_map(page)
    settled(page)
    stage = code_map(page).locator(".stage")
    stage.evaluate("stage => stage.scrollIntoView({ block: 'center' })")
    return stage


def painted(page: Page) -> None:
    """Wait until what was asked for is drawn: the map is drawn once per frame of the screen."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def on_stage(page: Page, stage: Locator, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """The places in pixels from the stage's upper left corner."""
    zoom, *middle = (float(number) for number in (code_map(page).get_attribute("data-view") or "").split())
    box = stage.bounding_box()
    assert box
    size = np.array([box["width"], box["height"]])
    unit = zoom * ROOM * (size / (places.max(0) - places.min(0))).min()
    return np.asarray(size / 2 + (places - middle) * [unit, -unit])


def drag(page: Page, stage: Locator, corners: list[tuple[float, float]]) -> None:
    """Drag with Shift from corner to corner, in pixels from the stage's upper left corner."""
    box = stage.bounding_box()
    assert box
    (left, top), *others = [(box["x"] + x, box["y"] + y) for x, y in corners]
    page.keyboard.down("Shift")
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in others:
        page.mouse.move(x, y, steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")


def chosen(page: Page) -> int | None:
    """The picture in the address."""
    (text,) = parse_qs(urlparse(page.url).query).get("c-picture", [""])
    return int(text) if text else None


@pytest.mark.parametrize("drawing", ["WebGL", "canvas"])
def test_points_become_exact_pictures_where_they_fit(
    dashboard: str, page: Page, places: NDArray[np.float64], drawing: str
) -> None:
    if drawing == "canvas":
        page.add_init_script(WITHOUT_GRAPHICS)
    stage = opened(dashboard, page)
    expect(code_map(page)).to_have_attribute("data-drawing", drawing)
    expect(code_map(page)).to_have_attribute("data-thumbs", "0")
    stage.focus()
    for _ in range(8):
        page.keyboard.press("+")
    painted(page)
    page.mouse.move(0, 0)
    expect(code_map(page)).not_to_have_attribute("data-thumbs", "0")
    screen, pixels = photographed(stage), datasets.load("cifar10-excerpt").test.pixels
    height, width = screen.shape[:2]
    # The highest number lies on top. The words on the axes cover the corners.
    inside = [
        (index, x, y)
        for index, (x, y) in enumerate(on_stage(page, stage, places))
        if 60 < x < width - 60 and 60 < y < height - 60
    ]
    assert len(inside) > 3
    index, x, y = inside[-1]
    picture = pixels[index].numpy().transpose(1, 2, 0)
    scales = [
        scale
        for scale in (1, 2, 3)
        for tile in [picture.repeat(scale, 0).repeat(scale, 1)]
        for side in [32 * scale]
        for left in range(round(x - side / 2) - 1, round(x - side / 2) + 2)
        for top in range(round(y - side / 2) - 1, round(y - side / 2) + 2)
        if np.array_equal(screen[top : top + side, left : left + side], tile)
    ]
    assert len(scales) == 1


def test_what_a_lasso_encloses_is_a_table_and_stays_in_a_link(
    dashboard: str, page: Page, places: NDArray[np.float64]
) -> None:
    stage = opened(dashboard, page)
    box = stage.bounding_box()
    assert box
    width, height = box["width"], box["height"]
    drag(page, stage, [(1, 1), (width - 2, 1), (width - 2, height - 2), (1, height - 2)])
    expect(page.get_by_text("1,000 pictures in the lasso")).to_be_visible()
    drag(page, stage, [(1, 1), (width * 0.5, 1), (width * 0.5, height - 2), (1, height - 2)])
    half = int((on_stage(page, stage, places)[:, 0] < width * 0.5).sum())
    assert 300 < half < 700
    expect(page.get_by_text(f"{half} pictures in the lasso")).to_be_visible()
    assert "lasso" not in page.url  # it would be too long
    left = width * 0.25
    drag(page, stage, [(1, 1), (left, 1), (left, height - 2), (1, height - 2)])
    inside = np.flatnonzero(on_stage(page, stage, places)[:, 0] < left)
    assert 2 < len(inside) < 100
    expect(page.get_by_text(f"{len(inside)} pictures in the lasso")).to_be_visible()
    expect(page).to_have_url(re.compile("c-lasso="))
    settled(page)
    page.reload()
    expect(page.get_by_text(f"{len(inside)} pictures in the lasso")).to_be_visible()
    settled(page)
    code_map(page).get_by_role("button", name="Clear the lasso").click()
    expect(page.get_by_text("in the lasso", exact=False)).to_have_count(0)
    assert "lasso" not in page.url


def test_a_lasso_leaves_out_classes_that_are_not_shown(dashboard: str, page: Page) -> None:
    stage = opened(dashboard, page)
    box = stage.bounding_box()
    assert box
    code_map(page).get_by_role("button", name="None", exact=True).click()
    code_map(page).get_by_role("button", name="frog", exact=True).click()
    code_map(page).get_by_role("button", name="Lasso", exact=True).click()
    width, height = box["width"], box["height"]
    drag(page, stage, [(1, 1), (width - 2, 1), (width - 2, height - 2), (1, height - 2)])
    data = datasets.load("cifar10-excerpt")
    frogs = int((data.test.labels == data.classes.index("frog")).sum())
    expect(page.get_by_text(f"{frogs} pictures in the lasso: frog ({frogs})")).to_be_visible()


def test_a_picture_is_chosen_by_keys_and_its_neighbours_lead_on(dashboard: str, page: Page) -> None:
    stage = opened(dashboard, page)
    stage.focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    said = code_map(page).locator(".said")
    expect(said).to_have_text(re.compile(r"picture \d+"))
    expect(code_map(page).locator(".card")).to_be_visible()
    (number,) = re.findall(r"picture (\d+)", said.inner_text())
    page.keyboard.press("Enter")
    neighbours = code_map(page).locator(".near button")
    expect(neighbours).to_have_count(16)
    expect(page).to_have_url(re.compile(f"c-picture={number}(&|$)"))
    expect(code_map(page).get_by_text(f"picture {number}", exact=False).first).to_be_visible()
    other = re.findall(r"picture (\d+)", neighbours.first.get_attribute("aria-label") or "")[0]
    neighbours.first.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"c-picture={other}(&|$)"))
    # Of two pictures that are nearest to each other one leads back.
    expect(code_map(page).locator(".near .tile").first).to_contain_text(f"picture {other}")
    page.reload()
    expect(code_map(page).locator(".near .tile").first).to_contain_text(f"picture {other}")
    assert chosen(page) == int(other)


def test_a_click_chooses_and_a_drag_does_not(dashboard: str, page: Page, places: NDArray[np.float64]) -> None:
    stage = opened(dashboard, page)
    box = stage.bounding_box()
    assert box
    lowest = int(places[:, 0].argmin())  # alone at the left
    x, y = on_stage(page, stage, places)[lowest]
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.down()
    page.mouse.move(box["x"] + x + 50, box["y"] + y, steps=4)
    page.mouse.up()
    painted(page)
    assert chosen(page) is None
    page.mouse.click(box["x"] + x, box["y"] + y)
    expect(page).to_have_url(re.compile(f"c-picture={lowest}(&|$)"))


def test_the_wheel_enlarges_around_the_pointer(dashboard: str, page: Page, places: NDArray[np.float64]) -> None:
    stage = opened(dashboard, page)
    box = stage.bounding_box()
    assert box
    corner, size = np.array([box["x"], box["y"]]), np.array([box["width"], box["height"]])
    before = on_stage(page, stage, places)
    pointer = np.floor(corner + 0.6 * size)  # browsers turn the wheel at whole pixels
    page.mouse.move(*pointer)
    for _ in range(4):
        page.mouse.wheel(0, -150)
    expect(code_map(page)).to_have_attribute("data-view", re.compile(r"^4\.0+ "))
    expected = pointer - corner + 4 * (before - (pointer - corner))
    np.testing.assert_allclose(on_stage(page, stage, places), expected, atol=1)
