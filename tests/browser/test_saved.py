"""A saved page in a real browser, opened as a file and cut off from every server."""

import base64
import gzip
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, expect

from aecore.data import datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import to_float
from aecore.runs import store
from docs import live
from pages.components.lens import recording, saved_page
from tests import optional, saved_views
from tests.browser.seen import cell, headings, settled

MODELS = ("shallow-maxpool", "denoise-030")
PHONE = {"width": 390, "height": 844}
WITHOUT = "delete globalThis.WebAssembly;"
DARK = "rgb(20, 20, 20)"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page whose models run in it, and one with recorded pictures."""
    optional.onnxruntime_web()
    folder = tmp_path_factory.mktemp("saved pages")
    running, recorded = folder / "running.html", folder / "recorded.html"
    running.write_bytes(saved_page.file(saved_views.view(MODELS)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "STRIDES", (32,))
        recorded.write_bytes(saved_page.file(saved_views.view(["shallow-maxpool", "jpeg-75", "blur"])))
    return {"running": running, "recorded": recorded}


@contextmanager
def opened(
    chromium: Browser, file: Path, script: str = "", expected: str | None = None, **options: Any
) -> Iterator[Page]:
    """The page of a file, in a window that has no network and that must stay free of requests and errors.

    The `script` runs before the page's own; an error with the `expected` words is one that the test provokes.
    """
    context = chromium.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
    context.set_offline(True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("request", lambda request: problems.append(request.url) if _leaves(request.url, file) else None)
    if script:
        page.add_init_script(script)
    page.goto(file.as_uri())
    yield page
    context.close()
    assert not [problem for problem in problems if expected is None or expected not in problem]


def _leaves(url: str, file: Path) -> bool:
    return url != file.as_uri() and not url.startswith(("data:", "blob:null/"))


def ready(page: Page) -> None:
    """Wait until the pictures follow the slider."""
    expect(page.locator(".lens")).to_have_attribute("data-live", "ready")


def slider(page: Page) -> Locator:
    return page.locator("#level")


def outputs(names: Sequence[str], noise: Noise) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The clean pictures, and what the models give for the noisy ones, computed by torch."""
    clean = to_float(datasets.load(saved_views.DATASET).test.pixels[list(saved_views.PICTURES)])
    given = noisy(clean, noise, saved_views.SEED, saved_views.PICTURES)
    return clean, [given, *(store.load(name)(given) for name in names)]


def agree(page: Page, names: Sequence[str], noise: Noise) -> None:
    """Hold pixels and numbers on the page against torch's."""
    clean, expected = outputs(names, noise)
    assert headings(page)[: 2 + len(names)] == ["original", "noisy", *names]
    notes = page.locator(".head span").all_inner_texts()
    for place, output in enumerate(expected, start=1):
        shown = (output.clamp(0, 1) * 255).round().permute(0, 2, 3, 1).numpy()
        for row in range(len(shown)):
            assert np.abs(cell(page, row, place).astype(int) - shown[row]).max() <= 1
        # Of a text with one digit behind the point.
        assert float(notes[place].removesuffix(" dB")) == pytest.approx(psnr(output, clean), abs=0.051)
    page.locator(".cell").nth(1 + len(names)).focus()
    text = page.locator("dl").inner_text()
    (decibels,) = re.findall(r"PSNR\s+([\d.]+) dB", text)
    assert float(decibels) == pytest.approx(psnr(expected[-1][0], clean[0]), abs=0.0051)


def psnr(output: torch.Tensor, clean: torch.Tensor) -> float:
    """The PSNR of the mean squared error of all values, in decibels."""
    return float(-10 * np.log10((output.double().clamp(0, 1) - clean).square().mean().item()))


def test_pictures_follow_the_slider_while_it_is_dragged(chromium: Browser, files: dict[str, Path]) -> None:
    with opened(chromium, files["running"]) as page:
        ready(page)
        agree(page, MODELS, Noise("gaussian", 0.1))
        before = cell(page, 0, 3)
        box = slider(page).bounding_box()
        assert box
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 8 + (box["width"] - 16) * 0.05, middle)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.2, middle, steps=5)
        level = float(page.locator("output[for=level]").inner_text())
        assert level > 0.3
        # Before it is released.
        expect(page.locator(".lens")).to_have_attribute("data-level", str(level))
        agree(page, MODELS, Noise("gaussian", level))
        assert not np.array_equal(cell(page, 0, 3), before)
        page.mouse.up()


def test_another_kind_of_noise_is_drawn_in_the_page(chromium: Browser, files: dict[str, Path]) -> None:
    with opened(chromium, files["running"]) as page:
        ready(page)
        page.get_by_label("Noise", exact=True).select_option("Masking")
        expect(page.get_by_role("slider", name="share of pixels")).to_be_visible()
        expect(page.locator(".lens")).to_have_attribute("data-level", "0.1")
        agree(page, MODELS, Noise("masking", 0.1))
        slider(page).press("ArrowRight")
        expect(page.locator(".lens")).to_have_attribute("data-level", "0.11")
        agree(page, MODELS, Noise("masking", 0.11))
        page.get_by_label("Noise", exact=True).select_option("Gaussian")
        expect(page.locator(".lens")).to_have_attribute("data-level", "0.11")
        agree(page, MODELS, Noise("gaussian", 0.11))


def test_recorded_pictures_follow_the_slider_without_webassembly(chromium: Browser, files: dict[str, Path]) -> None:
    with opened(chromium, files["recorded"], WITHOUT) as page:
        ready(page)
        blurred = page.locator(".head", has_text="blur")
        expect(blurred).to_contain_text("dB")
        slider(page).press("ArrowRight")
        expect(page.locator(".lens")).to_have_attribute("data-level", "0.32")
        expect(page.locator("output[for=level]")).to_have_text("0.32")
        expect(slider(page)).to_have_attribute("aria-valuetext", "0.32")
        agree(page, ["shallow-maxpool"], Noise("gaussian", 0.32))
        expect(blurred).to_contain_text("not at this level")
        expect(page.locator("main > .note")).to_contain_text("blur takes long to compute")
        slider(page).press("End")
        expect(page.locator(".lens")).to_have_attribute("data-level", "2")
        agree(page, ["shallow-maxpool"], Noise("gaussian", 2.0))


def test_without_webassembly_the_page_says_so(chromium: Browser, files: dict[str, Path]) -> None:
    with opened(chromium, files["running"], WITHOUT) as page:
        expect(page.locator(".said")).to_contain_text("this browser does not run WebAssembly")
        expect(slider(page)).to_be_disabled()
        agree(page, MODELS, Noise("gaussian", 0.1))


def test_a_damaged_model_is_named_and_shown_at_the_saved_level(
    chromium: Browser, files: dict[str, Path], tmp_path: Path
) -> None:
    damaged = base64.b64encode(gzip.compress(b"no model")).decode()
    text, count = re.subn(
        r'(id="model-0">data:application/gzip;base64,)[^<]*', rf"\g<1>{damaged}", files["running"].read_text()
    )
    assert count == 1
    file = tmp_path / "damaged.html"
    file.write_text(text)
    with opened(chromium, file, expected="Can't create a session") as page:
        ready(page)
        expect(page.locator(".said")).to_contain_text("Shown only at the level at which this page was saved: shallow")
        agree(page, MODELS, Noise("gaussian", 0.1))
        slider(page).press("End")
        expect(page.locator(".lens")).to_have_attribute("data-level", "2")
        expect(page.locator(".head", has_text="shallow-maxpool")).to_contain_text("not at this level")
        _, (_, expected) = outputs(["denoise-030"], Noise("gaussian", 2.0))
        shown = (expected[0].clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
        assert np.abs(cell(page, 0, 3).astype(int) - shown).max() <= 1


def test_the_view_stays_at_the_level_that_was_chosen(chromium: Browser, files: dict[str, Path]) -> None:
    with opened(chromium, files["running"]) as page:
        ready(page)
        slider(page).press("Home")
        expect(page.locator(".lens")).to_have_attribute("data-level", "0")
        page.get_by_role("radio", name="Pictures").focus()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("radio", name="Error", exact=True)).to_be_checked()
        expect(page.locator(".legend")).to_contain_text("absolute error")
        expect(page.locator(".lens")).to_have_attribute("data-drawn", "2")
        expect(page.locator("output[for=level]")).to_have_text("0.00")
        assert "noisy" not in headings(page) or cell(page, 0, 1).max() < 255
        page.get_by_role("radio", name="Pictures").check(force=True)
        expect(page.locator(".legend")).to_be_hidden()
        assert np.array_equal(cell(page, 0, 0), datasets.load(saved_views.DATASET).test.pixels[3].permute(1, 2, 0))


@pytest.mark.parametrize("name", ["running", "recorded"])
def test_on_a_phone_in_the_dark(chromium: Browser, files: dict[str, Path], name: str) -> None:
    with opened(chromium, files[name], viewport=PHONE, color_scheme="dark", has_touch=True) as page:
        ready(page)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == DARK
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        slider(page).press("ArrowRight")
        expect(page.locator(".lens")).not_to_have_attribute("data-level", "0.1")
        expect(page.locator("#level")).to_be_in_viewport()


def test_names_with_tags_in_them_are_shown_as_they_are(chromium: Browser, tmp_path: Path) -> None:
    title = """<img src=x onerror="document.title = 'run'"> & 'more'"""
    file = tmp_path / "a name & more.html"
    file.write_bytes(saved_page.with_recording(saved_views.view(["shallow-maxpool"], title=title)))
    with opened(chromium, file) as page:
        ready(page)
        expect(page.locator("h1")).to_have_text(title)
        assert page.title() == title


def test_the_page_in_docs_opens(chromium: Browser) -> None:
    with opened(chromium, live.FILE) as page:
        ready(page)
        assert headings(page) == ["original", "noisy", *live.MODELS]
        slider(page).press("End")
        expect(page.locator(".lens")).to_have_attribute("data-level", "1")
        clean = to_float(datasets.load(live.DATASET).test.pixels[list(live.PICTURES)])
        given = noisy(clean, Noise("gaussian", 1.0), 0, live.PICTURES)
        # Its pixels are compared without a browser: the scripts in it may be older than those here.
        notes = page.locator(".head span").all_inner_texts()
        for note, name in zip(notes[2:], live.MODELS, strict=True):
            assert float(note.removesuffix(" dB")) == pytest.approx(psnr(store.load(name)(given), clean), abs=0.051)


def test_the_page_that_compare_saves_opens(page: Page, dashboard: str, chromium: Browser, tmp_path: Path) -> None:
    page.goto(f"{dashboard}/compare?models=shallow-maxpool&models=denoise-030&count=2&level=0.15&view=Error")
    settled(page)
    with page.expect_download() as started:
        page.get_by_role("button", name="Page", exact=True).click()
    file = tmp_path / started.value.suggested_filename
    started.value.save_as(file)
    shown = [cell(page, row, 2) for row in range(2)]
    assert file.stat().st_size <= saved_page.MOST
    with opened(chromium, file) as saved:
        ready(saved)
        expect(saved.get_by_role("radio", name="Error", exact=True)).to_be_checked()
        expect(saved.locator("output[for=level]")).to_have_text("0.15")
        assert headings(saved) == headings(page)
        assert np.array_equal([cell(saved, row, 2) for row in range(2)], shown)
