"""Claim: the gallery is painted within 5 s of `streamlit run`, and every published model fits in 1.5 GB.

    python -m benchmarks.dashboard

starts the dashboard anew several times and prints the seconds until Chromium has painted every card with its pictures;
then opens Compare until every published model is loaded, and prints the resident memory of the server. Linux only.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page

from aecore import zoo
from tests.browser import started

PAINTED = f"""() => {{
  const pictures = [...document.querySelectorAll('[data-testid=stImage] img')];
  return pictures.length >= {len(zoo.SYSTEMS)} && pictures.every(picture => picture.complete && picture.naturalWidth);
}}"""
MODELS_A_PAGE = 8


def main() -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="starts to time (default %(default)s)")
    options = parser.parse_args()
    with TemporaryDirectory() as folder, started.chromium() as browser:
        seconds = [until_painted(browser, Path(folder) / "log") for _ in range(options.rounds)]
        print(f"streamlit run to the painted gallery: median {median(seconds):.2f} s of {len(seconds)} starts", end="")
        print(f" ({min(seconds):.2f}–{max(seconds):.2f})")
        with started.dashboard(Path(folder) / "log", {}) as served:
            open_every_model(browser, served.address)
            print(f"resident memory with every published model loaded: {resident_bytes(served.pid) / 1e9:.2f} GB")


def until_painted(browser: Browser, log: Path) -> float:
    """Seconds from the start of the server to the last picture on the gallery, in a browser that is already open."""
    page = browser.new_page()
    begun = perf_counter()
    with started.dashboard(log, {}) as served:
        page.goto(served.address)
        page.wait_for_function(PAINTED, timeout=60_000)
        taken = perf_counter() - begun
    page.close()
    return taken


def open_every_model(browser: Browser, address: str) -> None:
    """Show every system on Compare, eight at a time, MNIST's with its own digits."""
    pages: list[dict[str, object]] = []
    for dataset in dict.fromkeys(system.dataset for system in zoo.SYSTEMS.values()):
        names = [system.name for system in zoo.SYSTEMS.values() if system.dataset == dataset]
        pages.extend(
            {"models": names[first : first + MODELS_A_PAGE], "count": 24, "level": 0.1}
            for first in range(0, len(names), MODELS_A_PAGE)
        )
    page = browser.new_page()
    for query in pages:
        page.goto(f"{address}/compare?{urlencode(query, doseq=True)}")
        _settle(page)
    page.close()


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _settle(page: Page) -> None:
    page.locator("img.pixels").wait_for(timeout=60_000)
    page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=60_000)


if __name__ == "__main__":
    main()
