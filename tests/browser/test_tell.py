"""Can you tell? in a real browser: rounds by keyboard and by touch, and every answer in the store."""

import base64
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from scipy.stats import binomtest

from aecore.data import datasets
from aecore.data.splits import to_float
from aecore.runs.store import Store
from aecore.studies.answers import FILE, Answers
from tests.browser import started
from tests.browser.seen import photographed, settled

MODELS = ("shallow-maxpool", "shallow-strided", "compress-512")
ADDRESS = "tell?t-models=shallow-maxpool&t-models=shallow-strided&t-models=compress-512&t-models=jpeg-75&t-draw="


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three models."""
    folder = tmp_path_factory.mktemp("tell") / "store"
    for name in MODELS:
        path = Store().find(name).path
        shutil.copytree(path, folder / path.name)
    return folder


@pytest.fixture(scope="module")
def salon(store: Path) -> Iterator[str]:
    """The address of a dashboard over that store; no data set is there."""
    log = store.parent / "log"
    environment = {"AECORE_DATA": str(store / "nothing"), "AECORE_CHECKPOINTS": str(store)}
    with started.dashboard(log, environment) as served:
        yield served.address
    assert "Traceback" not in log.read_text()


@pytest.fixture
def root(store: Path) -> Path:
    """That store, without answers."""
    Answers(store).clear()
    return store


def game(page: Page, number: int) -> Locator:
    """The game, once it asks about the round `number`."""
    asking = page.locator(f".game[data-round='{number}'][data-answered='']")
    expect(asking).to_be_visible()
    page.wait_for_timeout(200)  # an answer before anybody can have seen the pictures does not count
    return asking


def pixels(page: Page) -> list[NDArray[np.float64]]:
    """The left, middle and right picture `[H, W, 3]`."""
    addresses = [canvas.evaluate("canvas => canvas.toDataURL()") for canvas in page.locator(".game canvas").all()]
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"), float)
        for address in addresses
    ]


def closer(page: Page) -> str:
    """The side whose picture has the lower error."""
    left, original, right = pixels(page)
    return "left" if np.square(left - original).sum() < np.square(right - original).sum() else "right"


def other(side: str) -> str:
    return {"left": "right", "right": "left"}[side]


def press(page: Page, side: str) -> None:
    page.keyboard.press({"left": "ArrowLeft", "right": "ArrowRight"}[side])
    expect(page.locator(f".game[data-answered='{side}']")).to_be_visible()


def stored(root: Path) -> list[dict[str, Any]]:
    path = root / FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_ten_rounds_by_keyboard(page: Page, salon: str, root: Path) -> None:
    page.goto(f"{salon}/{ADDRESS}5")
    expected = []
    for number in range(10):
        asking = game(page, number)
        text = asking.inner_text()
        assert not re.search(r"shallow|compress|jpeg|dB", text)
        assert "shallow" not in (asking.evaluate("game => game.outerHTML"))
        boxes = [canvas.bounding_box() for canvas in page.locator(".game canvas").all()]
        assert len({(box["width"], box["height"]) for box in boxes if box}) == 1
        right = closer(page)
        choice = right if number not in (2, 5, 6) else other(right)
        press(page, choice)  # nothing was clicked before: the game has the keyboard
        expect(page.locator(".game .verdict")).to_contain_text("MSE agrees" if choice == right else "MSE disagrees")
        expect(page.locator(".game")).to_contain_text("dB")
        expected.append((number, choice, right))
        page.keyboard.press(("Enter", "ArrowLeft", " ")[number % 3])
    game(page, 10)
    expect(page.get_by_test_id("stMetric").first).to_contain_text("7 of 10")
    interval = binomtest(7, 10).proportion_ci(0.95, "exact")
    expect(page.get_by_test_id("stMetric").nth(1)).to_contain_text(f"70% ({interval.low:.0%} to {interval.high:.0%})")
    expect(page.get_by_text("Not enough answers yet: 10 more are needed.")).to_be_visible()
    lines = stored(root)
    assert [(line["number"], line["choice"], line["answer"]) for line in lines] == expected
    assert {line["seed"] for line in lines} == {5}
    assert all(line["milliseconds"] >= 150 for line in lines)
    test = datasets.load("cifar10-excerpt").test
    for line in lines[:3]:
        clean = to_float(test.pixels[[line["picture"]]])
        for side in ("left", "right"):
            if line[side]["label"] not in MODELS:
                continue
            output = (Store().load(line[side]["key"])(clean).clamp(0, 1) * 255).round() / 255
            error = float((output - clean).square().mean())
            # The server ran the model in a batch of another size: rounding may differ in the last bit.
            assert line[side]["scores"]["mse"] == pytest.approx(error, rel=1e-2)
    # The second visit goes on after the last answer.
    page.reload()
    game(page, 10)
    expect(page.get_by_test_id("stMetric").first).to_contain_text("7 of 10")


def test_the_pictures_are_enlarged_without_smoothing(page: Page, salon: str, root: Path) -> None:
    page.goto(f"{salon}/{ADDRESS}6")
    game(page, 0)
    settled(page)
    press(page, "left")
    game(page, 1)
    canvas = page.locator(".game canvas").nth(1)
    held = pixels(page)[1]
    scale = 9
    assert np.array_equal(photographed(canvas), held.repeat(scale, 0).repeat(scale, 1))


def test_abx_by_touch_on_a_phone_and_on_to_the_next_block(page: Page, salon: str, root: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{salon}/{ADDRESS}7&t-test=ABX")
    for number in range(21):
        game(page, number)
        left, middle, right = pixels(page)
        side = "left" if np.array_equal(left, middle) else "right"
        assert np.array_equal(left, middle) != np.array_equal(right, middle)
        page.locator(f".game button.{side}").click()
        expect(page.locator(".game .verdict")).to_contain_text("Right: X is")
        if number == 19:  # a block is over: it waits
            expect(page.locator(".game .verdict")).to_contain_text("20 of 20 in this block")
        if number < 20:
            page.locator(f".game button.{side}").click()
    expect(page.get_by_test_id("stMetric").first).to_contain_text("21 of 21")
    lines = stored(root)
    assert [line["number"] for line in lines] == list(range(21))
    assert {line["mode"] for line in lines} == {"abx"}
    assert all(line["choice"] == line["answer"] for line in lines)


def test_without_a_key_the_next_round_comes_by_itself(page: Page, salon: str, root: Path) -> None:
    page.goto(f"{salon}/{ADDRESS}8")
    game(page, 0)
    press(page, "left")
    game(page, 1)


def test_two_windows_do_not_lose_each_others_answers(page: Page, other: Page, salon: str, root: Path) -> None:
    windows = ((page, 1), (other, 2))
    for window, seed in windows:
        window.goto(f"{salon}/{ADDRESS}{seed}")
    for number in range(3):
        for window, _ in windows:
            game(window, number)
            press(window, "right")
            window.keyboard.press("Enter")
    game(other, 3)
    expect(other.get_by_test_id("stMetric").first).to_contain_text("of 6")
    assert sorted((line["seed"], line["number"]) for line in stored(root)) == [(s, n) for s in (1, 2) for n in range(3)]


def test_another_test_begins_with_the_keyboard_and_the_back_button_returns(page: Page, salon: str, root: Path) -> None:
    page.goto(f"{salon}/{ADDRESS}9")
    game(page, 0)
    press(page, "left")
    game(page, 1)
    page.get_by_role("radio", name="ABX").or_(page.get_by_role("button", name="ABX", exact=True)).click()
    expect(page.locator(".game .question")).to_have_text("Which one is X: A or B?")
    game(page, 0)
    press(page, "right")
    settled(page)
    page.go_back()
    expect(page.locator(".game .question")).to_have_text("Which one is closer to the original?")
    game(page, 1)


def test_answers_are_deleted_when_asked_and_other_rounds_follow(page: Page, salon: str, root: Path) -> None:
    page.goto(f"{salon}/{ADDRESS}3")
    game(page, 0)
    before = pixels(page)
    press(page, "left")
    game(page, 1)
    expect(page.get_by_test_id("stMetric").first).to_contain_text("of 1")
    page.get_by_role("button", name="Delete my answers").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Your score appears here after the first answer")).to_be_visible()
    assert stored(root) == []
    game(page, 0)
    assert not np.array_equal(pixels(page)[1], before[1])
