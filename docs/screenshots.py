"""Take the README's pictures of the running program: `make screenshots`.

docs/<page>-<scheme>.png    every page, light and dark
docs/compare.webp           Compare at one noise level after another
"""

import shutil
import time
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, FloatRect, Page

from aecore.models import zoo
from aecore.runs import execution
from aecore.runs.store import Store
from aecore.scheduling.places import Place
from aecore.scheduling.queue import Queue
from pages.components.explain import COOKIE
from tests.browser import started

DOCS = Path(__file__).parent
SHEET = ".sheet[data-drawn]"
# The address of each page, and the element that appears last on it.
PUBLISHED = {
    "gallery": ("/", ".moving[data-drawn]"),
    "system": ("/system?run=deep-strided-4-bn", ".examples img"),
    "compare": ("/compare?level=0.1&draw=11", SHEET),
    "denoise": ("/denoise?d-draw=11", f"{SHEET}:not(:has-text('computing'))"),
    "photos": ("/photos?p-photograph=cat", ".photograph[data-drawn]:not(:has-text('computing'))"),
    "build": ("/build?line=conv32:s2|conv64:s2|bn|deconv32:k4|deconv32:k4|conv3:sigmoid", ".editor .row.code"),
    "tell": ("/tell?t-draw=11", ".game .place:not(:empty)"),
    "claims": ("/claims", ".board a"),
}
TRAINING = {"train": ("/train?start=shallow-strided", "text=finished after")}
# The run on the page Train: short, and the same each time the pictures are taken.
EPOCHS, IMAGES = 5, 3000

# The moving picture. It begins above zero, where the sheet has no column for the noisy pictures.
MOVING = "/compare?models=dense&models=shallow-maxpool&models=denoise-030&models=denoise-unet&count=4&draw=11&level="
LEVELS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
FRAME, LAST_FRAME = 700, 2000  # milliseconds
MARGIN = 8  # pixels around the sheet


def main() -> None:
    """Take every picture."""
    with TemporaryDirectory() as folder, started.chromium() as browser:
        log, store = Path(folder) / "log", Path(folder) / "checkpoints"
        photograph(browser, log, Store().root, PUBLISHED)
        animate(browser, log, Store().root)
        shutil.copytree(Store().root, store)
        spec = execution.plan(zoo.find("shallow-strided"), dataset="cifar10", epochs=EPOCHS, images=IMAGES)
        queue = Queue(Store(store))
        entry = queue.submit(spec, Place.here("cpu"))
        while queue.entry(entry.id).live:
            time.sleep(1)
        photograph(browser, log, store, TRAINING)


def photograph(browser: Browser, log: Path, store: Path, pages: dict[str, tuple[str, str]]) -> None:
    """Write a PNG of each page of a dashboard over `store`, light and dark."""
    with started.dashboard(log, {"AECORE_CHECKPOINTS": str(store)}) as served:
        for scheme in ("light", "dark"):
            with _visitor(browser, served.address, scheme) as context:
                for name, (path, last) in pages.items():
                    page = context.new_page()
                    _open(page, served.address + path, last)
                    page.screenshot(path=DOCS / f"{name}-{scheme}.png")


def animate(browser: Browser, log: Path, store: Path) -> None:
    """Write Compare at each of `LEVELS` as one moving WebP, cropped to the noise slider and the sheet.

    It is lossless: a lossy one would smooth the noise that it shows.
    """
    frames = list[Image.Image]()
    with (
        started.dashboard(log, {"AECORE_CHECKPOINTS": str(store)}) as served,
        _visitor(browser, served.address, "light") as context,
    ):
        page = context.new_page()
        _open(page, f"{served.address}{MOVING}{LEVELS[0]}", SHEET)
        clip = _noise_and_sheet(page)
        # A window's first page differs from later ones by a shade in a few pixels, so the first level is opened again.
        for level in LEVELS:
            _open(page, f"{served.address}{MOVING}{level}", SHEET)
            frames.append(Image.open(BytesIO(page.screenshot(clip=clip))).convert("RGB"))
    first, *others = frames
    durations = [FRAME] * len(others) + [LAST_FRAME]
    first.save(
        DOCS / "compare.webp",
        lossless=True,
        quality=100,
        method=6,
        save_all=True,
        append_images=others,
        duration=durations,
        loop=0,
    )


def _visitor(browser: Browser, address: str, scheme: str) -> BrowserContext:
    """A returning visitor's window."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",  # so that what moves by itself rests in the picture
    )
    context.add_cookies([{"name": COOKIE, "value": "1", "url": address}])
    return context


def _open(page: Page, address: str, last: str) -> None:
    """Go to `address` and wait until the page is complete and at rest."""
    page.goto(address)
    page.locator(last).first.wait_for(timeout=60_000)
    page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=60_000)
    page.locator("[data-testid=stSkeleton]").first.wait_for(state="detached", timeout=60_000)
    page.wait_for_timeout(2000)  # charts fade in


def _noise_and_sheet(page: Page) -> FloatRect:
    """The part of Compare from the noise slider to the end of the sheet."""
    slider = page.get_by_test_id("stMain").get_by_test_id("stSlider").first.bounding_box()
    sheet = page.locator(SHEET).bounding_box()
    assert slider, "Compare has a noise slider"
    assert sheet, "Compare has a sheet"
    return {
        "x": sheet["x"] - MARGIN,
        "y": slider["y"],
        "width": sheet["width"] + 2 * MARGIN,
        "height": sheet["y"] + sheet["height"] + MARGIN - slider["y"],
    }


if __name__ == "__main__":
    main()
