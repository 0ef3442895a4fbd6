"""Live code in a real browser: what the decoder shows is what the core decodes of the same code."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from playwright.sync_api import Browser, Locator, Page, expect
from torch import Tensor

from aecore.data import datasets
from aecore.data.splits import to_float
from aecore.measuring import codes
from aecore.measuring.directions import Directions
from aecore.measuring.units import Activity
from aecore.reconstructors.trained import Model
from aecore.runs import store
from tests import optional
from tests.browser.seen import drawn_on


@pytest.fixture(autouse=True)
def _runtime() -> None:
    optional.onnxruntime_web()


class Bench:
    """The bench of a system's page, and the same model in the core."""

    def __init__(self, page: Page, dashboard: str, name: str) -> None:
        page.goto(f"{dashboard}/system?run={name}")
        self.place: Locator = page.locator(".live-code[data-live=ready]")
        expect(self.place).to_be_visible()
        self.model: Model = store.load(name)
        pixels = datasets.load("cifar10-excerpt").test.pixels
        self.pictures = to_float(pixels[:12])
        self.codes = self.model.encode(self.pictures)
        self.directions = Directions.of(Activity.of(codes.in_batches(self.model, pixels)), 8)

    def after(self, action: str, value: str) -> NDArray[np.uint8]:
        """What the decoder shows after a slider was set."""
        before = self.place.get_attribute("data-frame")
        self.place.locator(action).fill(value)
        return self.shown(before)

    def shown(self, before: str | None) -> NDArray[np.uint8]:
        """What the decoder shows once it has drawn another picture than `before`."""
        expect(self.place).not_to_have_attribute("data-frame", before or "")
        return drawn_on(self.place.locator("canvas.decoded"))

    def assert_decoded(self, shown: NDArray[np.uint8], code: Tensor) -> None:
        """The picture is that of the code, but for rounding."""
        expected = (self.model.decode(code[None])[0].clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
        assert np.abs(shown - expected).max() <= 1


def test_a_unit_a_direction_and_the_way_between_two_pictures(page: Page, dashboard: str) -> None:
    bench = Bench(page, dashboard, "compress-64")
    first, second = bench.codes[:2]
    unit = int(bench.directions.spread.argmax())
    expect(bench.place.locator(".unit")).to_have_text(f"Unit {unit}")

    moved = first.clone()
    moved[unit] += 2 * bench.directions.spread[unit]
    bench.assert_decoded(bench.after(".amount", "2"), moved)

    along = moved + 1.5 * bench.directions.deviations[0] * bench.directions.axes[0]
    bench.assert_decoded(bench.after(".along", "1.5"), along.float())
    expect(bench.place.locator(".changed")).to_have_text("Changed: 1 moved, 1 direction")

    before = bench.place.get_attribute("data-frame")
    bench.place.get_by_role("button", name="Reset all").click()
    bench.assert_decoded(bench.shown(before), first)
    bench.assert_decoded(bench.after(".between input", "0.25"), torch.lerp(first, second, 0.25))


def test_a_channel_is_picked_from_its_map_and_set_to_zero(page: Page, dashboard: str) -> None:
    bench = Bench(page, dashboard, "shallow-strided")
    page.set_viewport_size({"width": 1280, "height": 1200})
    maps = bench.place.locator("canvas.code")
    maps.scroll_into_view_if_needed()
    maps.focus()
    chosen = bench.place.locator(".unit")
    number = int(chosen.inner_text().removeprefix("Channel "))
    maps.press("ArrowRight")
    expect(chosen).to_have_text(f"Channel {number + 1}")
    maps.click(position={"x": 10, "y": 10})
    expect(chosen).to_have_text("Channel 0")

    before = bench.place.get_attribute("data-frame")
    bench.place.get_by_role("button", name="Set to zero").click()
    zeroed = bench.codes[0].clone()
    zeroed[0] = 0
    bench.assert_decoded(bench.shown(before), zeroed)
    expect(bench.place.get_by_role("button", name="Set to zero")).to_have_attribute("aria-pressed", "true")

    before = bench.place.get_attribute("data-frame")
    bench.place.get_by_role("radiogroup", name="Picture A").get_by_role("radio").nth(3).click()
    zeroed = bench.codes[3].clone()
    zeroed[0] = 0
    bench.assert_decoded(bench.shown(before), zeroed)
    more = bench.place.get_by_role("link", name="More about it").get_attribute("href") or ""
    assert more.endswith("/code?c-run=shallow-strided&c-unit=0")


def test_without_webassembly_the_page_says_so(chromium: Browser, dashboard: str) -> None:
    page = chromium.new_page()
    page.add_init_script("delete window.WebAssembly")
    page.goto(f"{dashboard}/system?run=compress-64")
    said = page.locator(".live-code .said")
    expect(said).to_have_text("The code cannot be changed here: this browser does not run WebAssembly.")
    page.close()
