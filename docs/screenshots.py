"""Take the README's pictures of the running program: `make screenshots`.

docs/<page>-<scheme>.png    every page, light and dark
docs/live.webp              the noise slider of docs/live.html while it is dragged
"""

import shutil
import time
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, FloatRect, Locator, Page, ViewportSize

from aecore.models import zoo
from aecore.runs import execution
from aecore.runs.store import Store
from aecore.scheduling.places import Place
from aecore.scheduling.queue import Queue
from docs import live
from pages.components.explain import COOKIE
from tests.browser import started

DOCS = Path(__file__).parent
SHEET = ".sheet[data-drawn]"
# The address of each page, and the element that appears last on it.
PUBLISHED = {
    "gallery": ("/", ".moving[data-drawn]"),
    "system": ("/system?run=deep-strided-4-bn", ".live-code[data-live]"),
    "code": ("/code?c-run=shallow-strided", ".code-map[data-drawn]"),
    "bytes": ("/bytes", f"{SHEET}:not(:has-text('computing')):not(:has-text('so far'))"),
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

# The moving picture: the slider of docs/live.html is dragged through these levels and back.
LEVELS = tuple(round(0.02 + step * 0.04, 2) for step in range(13))
FRAME, LAST_FRAME = 150, 1600  # milliseconds
MARGIN = 8  # pixels around what it shows
THUMB = 16  # pixels of the slider's thumb
ROOM: ViewportSize = {"width": 1000, "height": 900}  # of the window


def main() -> None:
    """Take every picture."""
    with TemporaryDirectory() as folder, started.chromium() as browser:
        log, store = Path(folder) / "log", Path(folder) / "checkpoints"
        photograph(browser, log, Store().root, PUBLISHED)
        animate(browser)
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


def animate(browser: Browser) -> None:
    """Write docs/live.html at each of `LEVELS` as one moving WebP: the slider is dragged up, and down again.

    It is lossless: a lossy one would smooth the noise that it shows.
    """
    page = browser.new_page(viewport=ROOM, color_scheme="light")
    page.goto(live.FILE.as_uri())
    page.locator("[data-live=ready]").wait_for()
    slider, last = _box(page.locator("#noise")), _box(page.locator(".original"))
    bottom = last["y"] + last["height"] + MARGIN
    clip: FloatRect = {"x": 0, "y": slider["y"], "width": ROOM["width"], "height": bottom - slider["y"]}
    page.mouse.move(*_thumb(page, live.LEVEL))
    page.mouse.down()
    frames = []
    for level in LEVELS:
        page.mouse.move(*_thumb(page, level))
        page.locator(f'[data-level="{level}"]').wait_for()
        page.wait_for_timeout(100)  # the pixels are painted in the next frame
        frames.append(Image.open(BytesIO(page.screenshot(clip=clip))).convert("RGB"))
    page.close()
    first, *others = [*frames, *frames[-2:0:-1]]
    durations = [FRAME] * (1 + len(others))
    durations[0] = durations[len(frames) - 1] = LAST_FRAME
    first.save(
        DOCS / "live.webp",
        lossless=True,
        quality=100,
        method=4,
        save_all=True,
        append_images=others,
        duration=durations,
        loop=0,
    )


def _thumb(page: Page, level: float) -> tuple[float, float]:
    """Where the thumb of the slider is at a level."""
    box = _box(page.locator("#level"))
    inside = box["width"] - THUMB
    return box["x"] + THUMB / 2 + inside * level / live.LEVELS[-1], box["y"] + box["height"] / 2


def _box(locator: Locator) -> FloatRect:
    box = locator.bounding_box()
    assert box, f"{locator} is on the page"
    return box


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


if __name__ == "__main__":
    main()
