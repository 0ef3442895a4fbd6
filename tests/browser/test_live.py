"""Live noise in a real browser: what is shown while the slider is held, and that the server's pictures agree."""

import re
import shutil
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from aecore.data.noise import KINDS
from aecore.runs.store import Store
from tests import optional
from tests.browser import started
from tests.browser.dragging import Shown, answered, at, drawn, farthest, held, ready, shown, slider, track
from tests.browser.seen import cells, choose, headings, settled, sheet

MODELS = "models=shallow-strided&models=deep-maxpool-4"


@pytest.fixture(autouse=True)
def _runtime() -> None:
    optional.onnxruntime_web()


@pytest.fixture
def window(chromium: Browser) -> Iterator[BrowserContext]:
    """Windows where a request may fail, since the test sees to it that one does."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(60_000)
    yield context
    context.close()


def dragged(page: Page, level: float, key: str = "level") -> tuple[Shown, Shown]:
    """Drag the slider to a level: what is shown before it is released, and what the server then sends."""
    with answered(page), held(page, key) as to:
        to(level)
        at(page, level)
        moving = shown(page)
    return moving, shown(page)


def assert_agree(moving: Shown, served: Shown) -> None:
    """What was computed in the browser is what the server computes."""
    assert moving.headings == served.headings
    assert moving.notes == served.notes
    assert farthest(moving, served) <= 1
    assert moving.numbers.keys() == served.numbers.keys() == {"MSE", "PSNR", "SSIM"}
    assert decibels(moving) == pytest.approx(decibels(served), abs=0.011)


def decibels(sheet: Shown) -> float:
    """The PSNR of the enlarged picture."""
    return float(sheet.numbers["PSNR"].removesuffix(" dB"))


def test_pictures_and_numbers_follow_the_slider_before_it_is_released(page: Page, dashboard: str) -> None:
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.goto(f"{dashboard}/compare?{MODELS}&level=0.1&count=2")
    ready(page)
    before, number, messages = shown(page), sheet(page).get_attribute("data-drawn"), len(sent)
    assert messages
    with answered(page), held(page) as to:
        to(0.3)
        at(page, 0.3)
        moving = shown(page)
        to(0.42)
        at(page, 0.42)
        last = shown(page)
        assert sheet(page).get_attribute("data-drawn") == number
        assert len(sent) == messages
    served = shown(page)
    assert len(sent) > messages
    for one, other in ((before, moving), (moving, last)):
        assert one.notes[0] == other.notes[0] == ""
        assert all(note != other.notes[place] for place, note in enumerate(one.notes) if place)
        assert one.numbers["PSNR"] != other.numbers["PSNR"]
        for column in (1, 2, 3):
            for own, its in zip(one.pixels[column], other.pixels[column], strict=True):
                assert not np.array_equal(own, its)
    assert_agree(last, served)
    # The link shows the same pixels.
    assert "level=0.42" in page.url
    page.goto(page.url)
    ready(page)
    again = shown(page)
    assert again.headings == served.headings
    assert farthest(again, served) == 0
    # Back to where the server's pictures are: they return as they were.
    with held(page) as to:
        to(0.2)
        at(page, 0.2)
        to(0.42)
        expect(sheet(page)).not_to_have_attribute("data-level", re.compile("."))
        assert farthest(shown(page), again) == 0


def test_a_release_is_answered_during_the_next_drag(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?{MODELS}&level=0.1&count=1")
    ready(page)
    number = drawn(page)
    with held(page) as to:
        to(0.3)
        at(page, 0.3)
    with held(page) as to:
        to(0.4)
        at(page, 0.4)
        number = drawn(page, after=number)
        # The answer for 0.3 has come, and the pictures are still those of where the slider is,
        at(page, 0.4)
        # also where the first drag began. Only at 0.3 they are the server's.
        to(0.1)
        at(page, 0.1)
        moving = shown(page)
        to(0.3)
        expect(sheet(page)).not_to_have_attribute("data-level", re.compile("."))
        assert shown(page).notes != moving.notes
        to(0.1)
        at(page, 0.1)
    drawn(page, after=number)
    settled(page)
    assert_agree(moving, shown(page))


def test_a_model_that_arrives_while_the_slider_is_held_is_shown_at_its_level(page: Page, dashboard: str) -> None:
    asked: list[Route] = []
    page.route(f"**/models/{Store().find('deep-maxpool-8').key}/**", lambda route: asked.append(route))
    page.goto(f"{dashboard}/compare?{MODELS}&level=0.1&count=1")
    ready(page)
    with answered(page):
        page.get_by_role("button", name="deep-maxpool-8", exact=True).click()
    with answered(page), held(page) as to:
        to(0.3)
        at(page, 0.3)
        assert dimmed(page) == ["deep-maxpool-8"]
        while not asked:
            page.wait_for_timeout(20)
        asked[0].continue_()
        expect(sheet(page).locator(".head.dim")).to_have_count(0)
        moving = shown(page)
    assert_agree(moving, shown(page))


def test_every_kind_of_noise_and_other_choices_while_live(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?{MODELS}&level=0.1&count=2")
    ready(page)
    levels = [0.3, 0.45]
    for place, kind in enumerate(KINDS.values()):
        if place:
            with answered(page):
                choose(page, "Noise", kind.title)
        assert_agree(*dragged(page, levels[place % 2]))
    # Another model, other pictures, another seed.
    with answered(page):
        page.get_by_role("button", name="deep-maxpool-8", exact=True).click()
    assert "deep-maxpool-8" in headings(page)
    ready(page)
    expect(sheet(page).locator(".said")).to_be_empty()
    assert_agree(*dragged(page, 0.61))
    with answered(page):
        page.get_by_role("spinbutton", name="Seed").fill("7")
        page.get_by_role("spinbutton", name="Seed").press("Enter")
    assert_agree(*dragged(page, 0.37))
    before = shown(page)
    with answered(page):
        page.get_by_role("spinbutton", name="Draw").press("ArrowUp")
    moving, served = dragged(page, 0.52)
    assert_agree(moving, served)
    assert not np.array_equal(before.pixels[0][0], moving.pixels[0][0])


def test_the_noisy_column_comes_and_goes(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?{MODELS}&count=2")
    ready(page)
    clean = shown(page)
    assert clean.headings == ["original", "shallow-strided", "deep-maxpool-4"]
    moving, served = dragged(page, 0.2)
    assert moving.headings == ["original", "noisy", "shallow-strided", "deep-maxpool-4"]
    assert_agree(moving, served)
    with answered(page), held(page) as to:
        to(0)
        at(page, 0)
        moving = shown(page)
        # No noise has been added, and everything that is shown is of level 0.
        assert np.array_equal(moving.pixels[1], moving.pixels[0])
        assert moving.notes[1] == "no error"
        assert moving.notes[2:] == clean.notes[1:]
    assert headings(page) == clean.headings
    assert farthest(shown(page), clean) == 0


def test_two_tabs_do_not_disturb_each_other(page: Page, other: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?{MODELS}&level=0.1&count=2")
    other.goto(f"{dashboard}/compare?models=deep-maxpool-8&level=0.5&count=2")
    ready(page)
    ready(other)
    with answered(page), held(page) as to:
        to(0.3)
        at(page, 0.3)
        moving = shown(page)
        theirs, served = dragged(other, 0.7)
        assert_agree(theirs, served)
        assert farthest(shown(page), moving) == 0
        assert headings(other) == ["original", "noisy", "deep-maxpool-8"]
    assert_agree(moving, shown(page))
    assert farthest(shown(other), served) == 0


def test_a_finger_drags_the_slider_on_a_phone(chromium: Browser, dashboard: str) -> None:
    context = chromium.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=3
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(f"{dashboard}/compare?{MODELS}&level=0.1&count=2")
    ready(page)
    finger, along = context.new_cdp_session(page), track(page)

    def touch(kind: str, level: float | None) -> None:
        points = [] if level is None else [dict(zip("xy", along.place(level), strict=True))]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    scrolled = page.evaluate("window.scrollY")
    with answered(page):
        touch("touchStart", 0.1)
        for level in (0.2, 0.4, 0.62):
            touch("touchMove", level)
        expect(slider(page)).to_have_value(re.compile(r"^0\.6[1-3]$"))
        level = float(slider(page).input_value())
        at(page, level)
        moving = shown(page)
        touch("touchEnd", None)
    assert_agree(moving, shown(page))
    assert page.evaluate("window.scrollY") == scrolled
    context.close()


def test_the_slider_is_moved_by_keys(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=shallow-strided&level=0.1&count=2")
    ready(page)
    before = shown(page)
    slider(page).focus()
    with answered(page):
        page.keyboard.press("ArrowRight")
    expect(slider(page)).to_have_value("0.11")
    after = shown(page)
    assert after.notes[1] != before.notes[1]
    assert farthest(after, before) > 0


def view_of(page: Page) -> list[float]:
    """The zoom of the lens, and the pixel in the middle."""
    return [float(number) for number in (sheet(page).get_attribute("data-view") or "").split()]


def test_the_lens_is_used_by_keys(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=shallow-strided&level=0.1&count=2")
    ready(page)
    before, keys, read = shown(page), page.keyboard, sheet(page).locator(".where")
    sheet(page).locator(".cell").nth(2).focus()
    scale, *middle = whole = view_of(page)
    keys.press("+")
    shown(page)
    larger, *_ = view_of(page)
    assert larger > scale
    keys.press("Control+ArrowRight")
    shown(page)
    assert view_of(page) == [larger, pytest.approx(middle[0] + 32 / 8 * scale / larger, abs=1e-3), middle[1]]
    keys.press("0")
    shown(page)
    assert view_of(page) == whole
    keys.press("+")
    keys.press("-")
    shown(page)
    assert view_of(page) == whole

    # A pixel is read, from the one in the middle on, until Escape.
    keys.press("Shift+ArrowRight")
    expect(read).to_have_text("Pixel 17, 16")
    keys.press("Shift+ArrowUp")
    expect(read).to_have_text("Pixel 17, 15")
    values = sheet(page).locator("tbody tr").nth(2).locator("td").all_inner_texts()[1:4]
    keys.press("Escape")
    expect(read).to_have_text("Pixel")
    factor = len(before.pixels[2][0]) // 32
    assert values == [str(value) for value in before.pixels[2][0][15 * factor, 17 * factor]]

    # While O is held, every picture gives way to the noisy one.
    keys.down("o")
    under = shown(page)
    keys.up("o")
    assert np.array_equal(under.pixels[2], before.pixels[1])
    assert farthest(shown(page), before) == 0
    keys.press("ArrowDown")
    keys.press("ArrowLeft")
    expect(sheet(page).locator(".which")).to_have_text("noisy")


def test_every_view_follows(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?{MODELS}&level=0.1&count=2")
    ready(page)
    legend = sheet(page).locator(".legend")
    for name, level in (("Error", 0.3), ("Signed error", 0.15), ("Difference", 0.4), ("Wipe", 0.2)):
        with answered(page):
            page.get_by_role("radio", name=name, exact=True).click()
        before = shown(page)
        with answered(page), held(page) as to:
            to(level)
            at(page, level)
            moving, text = shown(page), legend.text_content()
        served = shown(page)
        assert bool(text) == ("rror" in name)
        assert legend.text_content() == text
        for column in (2, 3):
            assert not np.array_equal(moving.pixels[column][0], before.pixels[column][0])
            for own, its in zip(moving.pixels[column], served.pixels[column], strict=True):
                # A pixel that is rounded the other way has a colour that is a little different.
                assert (own == its).mean() > 0.98
        assert moving.notes == served.notes


def test_blinking_goes_on_while_the_slider_moves(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=shallow-strided&level=0.1&count=1&view=Blink")
    ready(page)
    turns: list[bool] = []
    with held(page) as to:
        while sum(one != other for one, other in pairwise(turns)) < 3:
            level = round(0.3 + 0.01 * (len(turns) % 20), 2)
            to(level)
            _, noisy, output = cells(page)
            turns.append(np.array_equal(output, noisy))
            assert len(turns) < 500
        at(page, level)  # what blinked was the browser's own, not pictures of the server


def test_grey_pictures(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=mnist-dense&level=0.2&count=2")
    ready(page)
    moving, served = dragged(page, 0.5)
    assert moving.pixels[1][0].shape[0] % 28 == 0
    assert_agree(moving, served)


def test_denoisers_that_the_browser_lacks_wait_for_the_release(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/denoise?denoisers=denoise-030&denoisers=wavelet&d-level=0.1&d-count=2")
    expect(sheet(page).locator(".head", has_text="computing")).to_have_count(0)
    ready(page)
    before = shown(page)
    with answered(page), held(page, "d-level") as to:
        to(0.3)
        at(page, 0.3)
        moving, dim = shown(page), dimmed(page)
        assert sheet(page).locator(".panel .dim").count() == 2  # the enlarged picture and its numbers
    expect(sheet(page).locator(".head", has_text="computing")).to_have_count(0)
    served = shown(page)
    assert dim == ["wavelet"]
    assert moving.notes[3] == "when released"
    assert np.array_equal(moving.pixels[3], before.pixels[3])
    assert dimmed(page) == []
    assert sheet(page).locator(".dim").count() == 0
    assert not np.array_equal(served.pixels[3], before.pixels[3])
    assert moving.notes[:3] == served.notes[:3]


def dimmed(page: Page) -> list[str]:
    """The headings of the columns that are dimmed, and all of their cells with them."""
    heads = sheet(page).locator(".head.dim b").all_inner_texts()
    assert sheet(page).locator(".cell.dim").count() == len(heads) * sheet(page).locator(".name").count()
    return heads


def flipped(file: bytes) -> bytes:
    """A model with the sign of some weights changed."""
    model = onnx.load_from_string(file)
    weights = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weights), weights.name))
    return model.SerializeToString()


def half(file: bytes) -> bytes:
    """The first half of a file."""
    return file[: len(file) // 2]


def spoiled(spoil: Callable[[bytes], bytes], route: Route) -> None:
    """Answer with a file that is not what the server sends."""
    response = route.fetch()
    route.fulfill(response=response, body=spoil(response.body()))


def test_a_damaged_model_is_named_and_left_to_the_server(window: BrowserContext, dashboard: str) -> None:
    page = window.new_page()
    damage = {"deep-maxpool-4": flipped, "deep-maxpool-8": half}
    for name, spoil in damage.items():
        page.route(f"**/models/{Store().find(name).key}/**", partial(spoiled, spoil))
    chosen = ("shallow-strided", *damage, "jpeg-75")
    page.goto(f"{dashboard}/compare?{'&'.join(f'models={name}' for name in chosen)}&level=0.1&count=2")
    ready(page)
    said = sheet(page).locator(".said")
    expect(said).to_have_text(re.compile("^Computed by the server when the slider is released: .*\\.$"))
    assert "deep-maxpool-4: its file gives other pictures here than on the server" in said.inner_text()
    assert "deep-maxpool-8: ONNX Runtime cannot read its file." in said.inner_text()
    assert "shallow-strided" not in said.inner_text()
    before = shown(page)
    with answered(page), held(page) as to:
        to(0.3)
        at(page, 0.3)
        moving, dim = shown(page), dimmed(page)
    served = shown(page)
    assert dim == [*damage, "jpeg-75"]
    assert moving.notes[3:] == ["when released"] * 3
    assert dimmed(page) == []
    assert moving.notes[:3] == served.notes[:3]
    for column in (3, 4, 5):
        assert np.array_equal(moving.pixels[column], before.pixels[column])
        assert not np.array_equal(served.pixels[column], before.pixels[column])
    assert "deep-maxpool-4: " in said.inner_text()


def missing(route: Route) -> None:
    """Answer as a server that lacks the file."""
    route.fulfill(status=404)


@pytest.mark.parametrize("block", ["no WebAssembly", "no file"])
def test_without_webassembly_the_server_answers_the_release(window: BrowserContext, dashboard: str, block: str) -> None:
    page = window.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    if block == "no WebAssembly":
        page.add_init_script("delete window.WebAssembly")
        reason = "this browser does not run WebAssembly"
    else:
        page.route("**/*.wasm", missing)
        reason = "the server answered 404"
    page.goto(f"{dashboard}/compare?{MODELS}&level=0.1&count=2")
    ready(page, "off")
    note = f"The pictures follow the slider when it is released, since they cannot be computed here: {reason}."
    said = sheet(page).locator(".said")
    expect(said).to_have_text(note)
    assert_answers_on_release(page)
    expect(said).to_have_text(note)
    assert not failures


def assert_answers_on_release(page: Page) -> None:
    """The pictures stay while the slider is held, and are new once it is released."""
    before = shown(page)
    with answered(page), held(page) as to:
        to(0.3)
        assert farthest(shown(page), before) == 0
        assert dimmed(page) == []
    after = shown(page)
    assert after.notes[1:] != before.notes[1:]
    assert farthest(after, before) > 0


@contextmanager
def bare(folder: Path) -> Iterator[str]:
    """A dashboard in an environment where nothing was installed for the browser, on this one's Python packages."""
    venv.create(folder / "environment", symlinks=True)
    environment = {"AECORE_DATA": str(folder / "nothing"), "PYTHONPATH": sysconfig.get_path("purelib")}
    python = shutil.which("python", path=folder / "environment" / "bin") or sys.executable
    with started.dashboard(folder / "log", environment, python=python) as served:
        yield served.address
    assert "Traceback" not in (folder / "log").read_text()


# The adapter that the page is offered: none that works, or the one that the processor imitates, which is not said.
BROKEN_CARD = "Object.defineProperty(navigator, 'gpu', { value: { requestAdapter: async () => ({ info: {} }) } })"
IMITATED_CARD = """
  const ask = navigator.gpu.requestAdapter.bind(navigator.gpu);
  navigator.gpu.requestAdapter = async () => Object.defineProperty(await ask(), "info", { value: {} });
"""


def test_a_graphics_card_that_fails_gives_way_to_the_processor(page: Page, dashboard: str) -> None:
    page.add_init_script(BROKEN_CARD)
    page.goto(f"{dashboard}/compare?{MODELS}&level=0.1&count=2")
    ready(page)
    assert page.evaluate("aecoreEngine.provider") == "wasm"
    assert sheet(page).locator(".said").inner_text() == ""
    assert_agree(*dragged(page, 0.3))


def test_a_graphics_card_computes_the_same(chromium: Browser, dashboard: str) -> None:
    flags = ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"]
    with chromium.browser_type.launch(executable_path=started.executable(), args=flags) as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(120_000)
        page.add_init_script(IMITATED_CARD)
        page.goto(f"{dashboard}/compare?models=deep-strided-4-bn&models=denoise-unet&level=0.1&count=1")
        ready(page)
        assert page.evaluate("aecoreEngine.provider") == "webgpu"
        assert sheet(page).locator(".said").inner_text() == ""
        assert_agree(*dragged(page, 0.3))


def test_without_onnx_runtime_web_the_page_says_so(page: Page, tmp_path: Path) -> None:
    with bare(tmp_path) as address:
        page.goto(f"{address}/compare?{MODELS}&level=0.1&count=2")
        settled(page)
        said = sheet(page).locator(".said")
        expect(said).to_have_text("Live noise needs ONNX Runtime Web: `make browser-packages` installs it.")
        assert_answers_on_release(page)
        expect(said).to_be_visible()
        assert sheet(page).get_attribute("data-live") is None
        page.goto("about:blank")
