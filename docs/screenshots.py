"""Take the README's screenshots of the running program, `docs/<page>-<scheme>.png`: `make screenshots`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.browser import started

# Where a page is, and what comes last on it.
PAGES = {
    "gallery": ("/?family=shallow&family=deep", ".st-key-card-deep-maxpool-4"),
    "compare": ("/compare?level=0.1&draw=11", ".js-plotly-plot"),
}


def main() -> None:
    """Photograph every page in light and dark."""
    with (
        TemporaryDirectory() as folder,
        started.dashboard(Path(folder) / "log", {}) as served,
        started.chromium() as browser,
    ):
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
            for name, (path, last) in PAGES.items():
                page = context.new_page()
                page.goto(served.address + path)
                page.locator(last).wait_for(timeout=60_000)
                page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=60_000)
                page.wait_for_timeout(1000)  # charts fade in
                page.screenshot(path=Path(__file__).with_name(f"{name}-{scheme}.png"))


if __name__ == "__main__":
    main()
