"""The gallery and the page of a system in a real browser: points lead on, drawings fit, pixels are exact."""

import base64
import io
import re
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from aecore.data import datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import to_float
from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.runs import store
from aecore.runs.store import Store
from pages.components import diagrams
from pages.components.system.examples import EACH
from tests.browser import started
from tests.browser.seen import cells, settled
from tests.pages.copies import copied

# Draws each of many diagrams on a page that holds one already, in the same theme and font, and says where its parts
# lie: left, top, right and bottom in pixels from the drawing's corner.
DRAWN = """async ([files, drawings, width]) => {
    await document.fonts.ready;
    const { default: draw } = await import(URL.createObjectURL(new Blob([files.js], { type: "text/javascript" })));
    return drawings.map(data => {
        const host = document.querySelector(".stBidiComponent > div").appendChild(document.createElement("div"));
        host.style.width = `${width}px`;
        const root = host.attachShadow({ mode: "open" });
        root.innerHTML = `${files.html}<style>${files.css}</style>`;
        draw({ data, parentElement: root });
        const svg = root.querySelector("svg"), scroller = root.querySelector(".scroller");
        const frame = svg.getBoundingClientRect();
        const box = element => {
            const { left, top, right, bottom } = element.getBoundingClientRect();
            return [left - frame.left, top - frame.top, right - frame.left, bottom - frame.top];
        };
        const all = selector => [...svg.querySelectorAll(selector)];
        const seen = {
            name: svg.getAttribute("aria-label"),
            width: frame.width,
            height: frame.height,
            texts: all("text:not([visibility=hidden])").map(text => [text.textContent, box(text)]),
            sizes: all("text").map(text => parseFloat(getComputedStyle(text).fontSize)),
            blocks: all(".block").map(block => [block.classList[1], box(block)]),
            skips: all(".skip").map(box),
            scrolls: scroller.scrollWidth > scroller.clientWidth,
            says_so: [...root.querySelectorAll(".more button")].map(
                button => getComputedStyle(button).visibility === "visible" && button.offsetWidth > 0),
        };
        host.remove();
        return seen;
    });
}"""


def test_a_point_of_the_figure_leads_to_its_system(page: Page, dashboard: str) -> None:
    page.goto(dashboard)
    settled(page)
    chart = page.locator(".js-plotly-plot")
    expect(chart).to_be_visible()
    at = chart.evaluate(
        """plot => {
            const trace = plot._fullData.find(({ name }) => name === "deep-strided-4-bn");
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
    expect(page.get_by_role("list", name="Architecture of dense-deep")).to_be_visible()
    page.reload()
    settled(page)
    expect(page.locator("h1")).to_have_text(zoo.SYSTEMS["dense-deep"].title)


@pytest.mark.parametrize("width", [1280, 390])
def test_drawings_scroll_in_their_own_box_and_the_page_does_not(page: Page, dashboard: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{dashboard}/system?run=compress-64&beside=deep-strided-4-bn")
    settled(page)
    expect(page.locator(".differences").first).to_be_visible()
    expect(page.locator(".diagram")).to_have_count(2)
    main = page.get_by_test_id("stMain")
    assert main.evaluate("element => element.scrollWidth <= element.clientWidth")
    drawing = page.locator(".diagram").first
    back, onward = drawing.get_by_text("‹ encoder"), drawing.get_by_text("decoder ›")
    last = drawing.locator(".block").last
    expect(last).not_to_be_in_viewport()
    expect(back).to_be_hidden()
    onward.click()
    expect(back).to_be_visible()
    drawing.get_by_role("listitem").first.focus()
    page.keyboard.press("End")
    expect(last).to_be_in_viewport(ratio=0.99)
    expect(onward).to_be_hidden()


@pytest.mark.parametrize("width", [1216, 358])  # what a page of 1280 and of 390 leaves to it
def test_drawings_are_to_scale_and_nothing_in_them_touches(page: Page, dashboard: str, width: int) -> None:
    odd = (
        "conv3:k1:sigmoid",
        "skip | conv8 | conv3:linear | add",
        "conv8 | skip | conv8:s2 | bn | skip | conv8:s2 | up | concat | conv8 | up | add | conv3",
        "1x1x1 | flatten | dense1 | dropout0.5 | act:gelu | reshape1x1x1",
        "1x4x4 | conv16:s2:gelu | bn | dropout0.5 | up | conv1",
        " | ".join(["conv3:k1"] * 200),
    )
    architectures = {name: system.architecture for name, system in zoo.SYSTEMS.items()}
    architectures |= {f"<b>{line[:20]}</b>": Architecture.parse(line) for line in odd}
    page.goto(f"{dashboard}/system?run=dense")
    settled(page)
    expect(page.locator(".diagram .block").first).to_be_visible()
    folder = Path(diagrams.__file__).parent
    files = {suffix: (folder / f"diagram.{suffix}").read_text() for suffix in ("html", "css", "js")}
    drawings = [diagrams.drawing(architecture, name) for name, architecture in architectures.items()]
    for seen, (name, architecture) in zip(
        page.evaluate(DRAWN, [files, drawings, width]), architectures.items(), strict=True
    ):
        _check_drawing(seen, name, architecture, width)


def _check_drawing(seen: dict[str, Any], name: str, architecture: Architecture, width: int) -> None:
    blocks = diagrams.blocks(architecture)
    assert seen["name"] == diagrams.alt(blocks, name)
    # Every tensor to the same scale: 2.5 pixels of the page for one of the picture's.
    code = next((index for index, block in enumerate(blocks) if block.is_code), None)
    # Without a code every block is drawn alike.
    before = [] if code is None else ["encoder"] * code + ["code"]
    roles = before + ["decoder"] * (len(blocks) - len(before))
    assert [role for role, _ in seen["blocks"]] == roles, name
    for block, (_, (left, top, right, bottom)) in zip(blocks, seen["blocks"], strict=True):
        channels, rows = block.shape[0], block.shape[1] if len(block.shape) == 3 else 1
        assert right - left == pytest.approx(max(channels**0.5 * 2.5, 2), abs=0.01), name
        assert bottom - top == pytest.approx(rows * 2.5, abs=0.01), name
    # Every word once, whole, inside, and clear of the others and of the blocks.
    words = [word for block in blocks for word in block.operation]
    shapes = ["×".join(map(str, block.shape)) if len(block.shape) == 3 else f"{block.shape[0]:,}" for block in blocks]
    written = [text for text, _ in seen["texts"]]
    assert not {*words, *shapes} - {*written}, name
    assert len(written) - len(words) - len(shapes) in (1, 2, 3), f"{name}: the code's line, encoder and decoder"
    for text, (left, top, right, bottom) in seen["texts"]:
        assert -0.5 <= left < right <= seen["width"] + 0.5, (name, text)
        assert -2 <= top < bottom <= seen["height"] + 2, (name, text)
    boxes = [*seen["texts"], *seen["blocks"]]
    assert [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if _touch(a, b)] == [], name
    assert min(seen["sizes"]) >= 10, name
    # What does not fit can be scrolled to, and a button at the end that is cut off says so.
    assert seen["scrolls"] == (seen["width"] > width), name
    assert seen["says_so"] == [False, seen["scrolls"]], name
    # Skips lie below the shapes, from block to block, the outer below the inner.
    skips = [(block.skipped_from, index) for index, block in enumerate(blocks) if block.skipped_from is not None]
    middles = [(left + right) / 2 for _, (left, _, right, _) in seen["blocks"]]
    lowest = max(bottom for _, (_, _, _, bottom) in seen["texts"])
    for (source, target), (left, top, right, bottom) in zip(skips, seen["skips"], strict=True):
        assert (left, right) == pytest.approx((middles[source], middles[target]), abs=5), name
        assert lowest - 2 <= top < bottom <= seen["height"], name
    for (one, outer), (other, inner) in combinations(zip(skips, seen["skips"], strict=True), 2):
        (start, end), (first, last) = sorted((one, other), key=lambda ends: ends[1] - ends[0])
        if first <= start and end <= last:
            assert outer[3] != inner[3], name
            assert (outer[3] > inner[3]) == (one == (first, last)), name


def _touch(a: list[float], b: list[float]) -> bool:
    """Whether two boxes overlap; lines of text may come as close as their letters allow."""
    return a[0] < b[2] and b[0] < a[2] and a[1] + 2 < b[3] and b[1] + 2 < a[3]


def test_a_block_tells_its_layers_to_the_mouse_and_to_the_keyboard(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/system?run=deep-strided-8-bn")
    settled(page)
    steps = zoo.SYSTEMS["deep-strided-8-bn"].architecture.steps
    drawing = page.locator(".diagram")
    details = drawing.locator(".details")
    blocks = drawing.get_by_role("listitem")
    expect(details).to_be_hidden()
    blocks.nth(1).hover()
    rows = details.locator("tr")
    expect(rows).to_have_count(3)
    for row, step in ((1, steps[0]), (2, steps[1])):
        expect(rows.nth(row).locator("td")).to_have_text([str(step.layer), f"{step.parameters:,}", f"{step.macs:,}"])
    expect(details).to_contain_text("32×32×32 = 32,768 numbers")
    page.mouse.move(0, 0)
    expect(details).to_be_hidden()
    blocks.first.focus()
    expect(details).to_have_text("3×32×32 = 3,072 numbers")
    for key, place in (("ArrowRight", 1), ("ArrowRight", 2), ("End", 10), ("ArrowRight", 10), ("ArrowLeft", 9)):
        page.keyboard.press(key)
        expect(blocks.nth(place)).to_be_focused()
    expect(details).to_contain_text("conv32")
    page.keyboard.press("Escape")
    expect(details).to_be_hidden()


def test_example_pictures_are_exact(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/system?run=shallow-strided")
    settled(page)
    known = datasets.load("cifar10-excerpt").test.pixels.permute(0, 2, 3, 1).numpy()
    every = cells(page)
    assert len(every) == 2 * 3 * EACH  # the originals, then the outputs
    for shown in every[: 3 * EACH]:
        scale = len(shown) // 32
        own = shown[::scale, ::scale]
        assert np.array_equal(own.repeat(scale, 0).repeat(scale, 1), shown)
        assert (known == own).all(axis=(1, 2, 3)).any()


def test_the_zip_of_a_run_is_downloaded(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/system?run=shallow-maxpool")
    settled(page)
    with page.expect_download() as started:
        page.get_by_role("button", name="Download as .zip").click()
    assert started.value.suggested_filename.startswith("shallow-maxpool-")
    assert started.value.suggested_filename.endswith(".zip")


def test_a_file_outlives_what_other_visitors_do_before_it_is_fetched(page: Page, other: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/system?run=dense")
    settled(page)
    held: list[Route] = []
    page.route("**/media/*.zip", lambda route: held.append(route))
    with page.expect_request("**/media/*.zip"):
        page.get_by_role("button", name="Download as .zip").click()
    for run in ("conv-dense", "dense", "conv-dense"):
        other.goto(f"{dashboard}/system?run={run}")
        settled(other)
    assert held[0].fetch().status == 200


def test_a_bad_link_to_a_system_is_answered_with_a_note(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/system?run=shalow-strided&beside=nonsense")
    settled(page)
    expect(page.get_by_test_id("stAlert").first).to_contain_text("nearest names are shallow-strided")
    expect(page.locator("h1")).to_have_text("Shallow, strided")


def loaded(page: Page) -> None:
    """Wait for the pictures too: the server forgets those of a page that is left, before the browser may have them."""
    settled(page)
    page.wait_for_function("[...document.images].every(picture => picture.complete)")


def test_a_link_to_one_seed_keeps_to_it(page: Page, tmp_path: Path) -> None:
    """Whatever the link calls the run, the address then names system and seed: a reload and a return show the same."""
    run = Store().find("shallow-strided")
    shutil.copytree(run.path, tmp_path / "store" / run.path.name)
    other = copied(run, tmp_path / "store", seed=3, mse=0.002)
    environment = {"AECORE_DATA": str(tmp_path / "nothing"), "AECORE_CHECKPOINTS": str(tmp_path / "store")}
    with started.dashboard(tmp_path / "log", environment) as served:
        page.goto(f"{served.address}/system?run={other.key[:10]}")
        address = re.compile(r"/system\?run=shallow-strided&run_seed=3$")
        expect(page).to_have_url(address)
        psnr = page.get_by_test_id("stMetric").filter(has_text="27.0 dB")
        expect(psnr).to_be_visible()
        loaded(page)
        page.reload()
        expect(psnr).to_be_visible()
        expect(page).to_have_url(address)
        loaded(page)
        # Not to a page with pictures: the browser may ask for one again when it is left, and the server has let it go.
        page.get_by_role("link", name="Train").first.click()
        expect(page.locator("h1")).to_have_text("Train")
        settled(page)
        page.go_back()
        expect(psnr).to_be_visible()
        loaded(page)
        page.get_by_role("link", name="Gallery").first.click()
        expect(page.get_by_text("Test PSNR, 2 seeds")).to_be_visible()
        loaded(page)
        page.goto("about:blank")
    assert "Traceback" not in (tmp_path / "log").read_text()


# ---- the first screen


def test_the_first_pictures_move_by_themselves_until_the_slider_is_touched(page: Page, dashboard: str) -> None:
    page.goto(dashboard)
    moving = page.locator(".moving[data-drawn]")
    slider = moving.get_by_role("slider")
    levels = set()
    for _ in range(100):  # seconds, of which it moves for a dozen
        levels.add(moving.get_attribute("data-drawn"))
        page.wait_for_timeout(50)
    assert len(levels) >= 3
    expect(slider).to_be_in_viewport(ratio=1)
    for picture in moving.get_by_role("img", name="dense").all():
        expect(picture).to_be_in_viewport(ratio=1)
    slider.fill("12")
    expect(moving).to_have_attribute("data-drawn", "12")
    expect(moving).to_contain_text("σ 0.50")
    expect(moving.get_by_role("button", name="Play")).to_be_visible()
    page.wait_for_timeout(1000)
    expect(moving).to_have_attribute("data-drawn", "12")


def test_what_moves_is_what_the_core_computes(page: Page, dashboard: str) -> None:
    page.goto(dashboard)
    moving = page.locator(".moving[data-drawn]")
    moving.get_by_role("slider").fill("8")
    expect(moving).to_have_attribute("data-drawn", "8")
    address = moving.get_by_role("img", name="horse, dense").evaluate("canvas => canvas.toDataURL()")
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"), np.int16)
    clean = to_float(datasets.load("cifar10-excerpt").test.pixels[[13]])
    output = store.load("dense")(noisy(clean, Noise("gaussian", 0.2), 0, [13]))[0]
    expected = (output.clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
    assert np.abs(drawn - expected).max() <= 1


def test_nothing_moves_for_those_who_ask_for_it(page: Page, dashboard: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(dashboard)
    expect(page.locator(".moving[data-drawn='5']")).to_be_visible()
    page.wait_for_timeout(1000)
    expect(page.locator(".moving[data-drawn='5']")).to_be_visible()
    expect(page.locator(".moving").get_by_role("button", name="Play")).to_be_visible()


def test_coming_back_keeps_the_place(page: Page, dashboard: str) -> None:
    page.goto(dashboard)
    settled(page)
    card = page.locator(".st-key-card-compress-128")
    card.scroll_into_view_if_needed()
    expect(card).to_be_in_viewport()
    card.get_by_role("link", name="Open").click()
    expect(page.locator("h1")).to_have_text(zoo.SYSTEMS["compress-128"].title)
    settled(page)
    page.go_back()
    expect(page.locator("h1")).to_have_text("How autoencoders differ")
    expect(card).to_be_in_viewport()
