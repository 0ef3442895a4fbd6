"""Take the README's screenshots of the running program, `docs/<page>-<scheme>.png`: `make screenshots`."""

import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser

from aecore.models import zoo
from aecore.runs import execution
from aecore.runs.store import Store
from aecore.scheduling.queue import Queue
from tests.browser import started

# Where a page is, and what comes last on it.
PUBLISHED = {
    "gallery": ("/", ".js-plotly-plot .gtitle, .js-plotly-plot .annotation"),
    "system": ("/system?run=deep-strided-4-bn", ".examples img"),
    "compare": ("/compare?level=0.1&draw=11", ".sheet[data-drawn]"),
    "denoise": ("/denoise?d-draw=11", ".sheet[data-drawn]:not(:has-text('at work'))"),
}
TRAINING = {"train": ("/train?start=shallow-strided", "text=finished after")}
# Known to who comes again.
EXPLAINED = (
    "gallery",
    "system",
    "sheet",
    "verdict",
    "distribution",
    "losses",
    "live",
    "denoise-sheet",
    "levels",
    "draws",
    "weights",
)
# A run to be seen on the page that trains: short, and the same at every making of the pictures.
SHOWN = {"epochs": 5, "images": 3000}


def main() -> None:
    """Photograph every page in light and dark."""
    with TemporaryDirectory() as folder, started.chromium() as browser:
        log, store = Path(folder) / "log", Path(folder) / "checkpoints"
        photograph(browser, log, Store().root, PUBLISHED)
        shutil.copytree(Store().root, store)
        spec = execution.plan(zoo.find("shallow-strided"), dataset="cifar10", **SHOWN)
        queue = Queue(Store(store))
        entry = queue.submit(spec, "cpu")
        while queue.entry(entry.id).live:
            time.sleep(1)
        photograph(browser, log, store, TRAINING)


def photograph(browser: Browser, log: Path, store: Path, pages: dict[str, tuple[str, str]]) -> None:
    """Pages of a dashboard over `store`, as seen by somebody who has been there before."""
    with started.dashboard(log, {"AECORE_CHECKPOINTS": str(store)}) as served:
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
            context.add_cookies([{"name": f"seen-{name}", "value": "1", "url": served.address} for name in EXPLAINED])
            for name, (path, last) in pages.items():
                page = context.new_page()
                page.goto(served.address + path)
                page.locator(last).first.wait_for(timeout=60_000)
                page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=60_000)
                page.locator("[data-testid=stSkeleton]").first.wait_for(state="detached", timeout=60_000)
                page.wait_for_timeout(2000)  # charts fade in
                page.screenshot(path=Path(__file__).with_name(f"{name}-{scheme}.png"))
            context.close()


if __name__ == "__main__":
    main()
