"""Claim: real pictures move and the gallery is painted within 5 s of `streamlit run`, all published models fit in 1.5
GB, and Compare answers a release of its noise slider at once, even with twenty visitors.

    python -m benchmarks.dashboard

measures three things. It starts the dashboard several times, without a data set, and prints the seconds until the first
pictures move under noise in Chromium, and until it has painted every card with its pictures. It opens Compare until
every published model is loaded, and prints the resident memory of the server. It releases the slider on Compare, with 4
models and 12 pictures, in 1, 10 and 20 sessions at once; each looks at other pictures and releases its slider every two
seconds. This is done without a browser, which uses a core or more while it paints, and then with one session in a
browser on the same cores. With `--live` it measures instead what the browser does while the slider moves: see
`benchmarks.live`. Linux only.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from random import Random
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Barrier, Event, Thread
from time import perf_counter, sleep
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page

from aecore.models import zoo
from benchmarks import live
from benchmarks.session import Session
from tests.browser import started

PAINTED = f"""() => {{
  const pictures = [...document.querySelectorAll('img.preview')];
  return pictures.length >= {len(zoo.SYSTEMS)} && pictures.every(picture => picture.complete && picture.naturalWidth);
}}"""
MODELS_PER_PAGE = 8
SESSIONS = (1, 10, 20)
PAUSE = 2.0  # seconds between a visitor's releases
WARMUP, RELEASES = 5, 60
ALONE = 60.0  # seconds to watch the server without a browser
SLIDER = "Standard deviation"
QUERY = {"models": ["dense", "shallow-maxpool", "deep-strided-4-bn", "denoise-030"], "count": 12, "level": 0.1}
# Milliseconds from the release of the mouse to the first frame with the new pixels of the sheet.
TIME_TO_PIXELS = """sheet => {
  window.drawn = new Promise((resolve, reject) => {
    let released;
    addEventListener("pointerup", () => { released = performance.now(); }, { capture: true, once: true });
    new MutationObserver((_, observer) => {
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - released)));
    }).observe(sheet, { attributeFilter: ["data-drawn"] });
    setTimeout(() => reject(new Error("the sheet did not change")), 10000);
  });
}"""


def main() -> None:
    """Measure, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="starts to time (default %(default)s)")
    parser.add_argument("--sliders", action="store_true", help="only the slider")
    parser.add_argument("--live", action="store_true", help="only live noise, as `python -m benchmarks.live`")
    options = parser.parse_args()
    if options.live:
        live.measure(options.rounds, live.MINUTES)
        return
    if not options.sliders:
        starts_and_memory(options.rounds)
    with TemporaryDirectory() as folder, started.chromium() as browser:
        for sessions in SESSIONS:
            sliders(browser, Path(folder), sessions)


def starts_and_memory(rounds: int) -> None:
    """Print how soon the gallery is painted, and how much memory the models take."""
    with TemporaryDirectory() as folder, started.chromium() as browser:
        starts = [until_painted(browser, Path(folder) / "log") for _ in range(rounds)]
        for what, seconds in zip(("pictures that move", "the painted gallery"), zip(*starts, strict=True), strict=True):
            print(
                f"streamlit run to {what}: median {median(seconds):.2f} s of {rounds} starts "
                f"({min(seconds):.2f}–{max(seconds):.2f})"
            )
        with started.dashboard(Path(folder) / "log", {}) as served:
            open_every_model(browser, served.address)
            print(f"resident memory with every published model loaded: {resident_bytes(served.pid) / 1e9:.2f} GB")


def until_painted(browser: Browser, log: Path) -> tuple[float, float]:
    """Seconds from the start of the server, without a data set, in a browser that is already open: until the first
    pictures of the gallery move under noise, and until the last picture of its cards."""
    page = browser.new_page()
    begun = perf_counter()
    with started.dashboard(log, {"AECORE_DATA": str(log.parent / "nothing")}) as served:
        page.goto(served.address)
        moving = page.locator(".moving[data-drawn]")
        first = moving.get_attribute("data-drawn", timeout=60_000)
        while moving.get_attribute("data-drawn") == first:
            sleep(0.02)
        moves = perf_counter() - begun
        page.wait_for_function(PAINTED, timeout=60_000)
        painted = perf_counter() - begun
    page.close()
    return moves, painted


def open_every_model(browser: Browser, address: str) -> None:
    """Show every system on Compare, eight at a time, each on its own data set."""
    pages: list[dict[str, object]] = []
    for dataset in dict.fromkeys(system.dataset for system in zoo.SYSTEMS.values()):
        names = [system.name for system in zoo.SYSTEMS.values() if system.dataset == dataset]
        pages.extend(
            {"models": names[first : first + MODELS_PER_PAGE], "count": 24, "level": 0.1}
            for first in range(0, len(names), MODELS_PER_PAGE)
        )
    page = browser.new_page()
    for query in pages:
        page.goto(f"{address}/compare?{urlencode(query, doseq=True)}")
        _settle(page)
    page.close()


def sliders(browser: Browser, folder: Path, sessions: int) -> None:
    """Print how long the server computes after a release of the slider, and how soon a browser shows the new pixels."""
    alone, _ = released(None, folder, sessions)
    shared, seen = released(browser, folder, sessions)
    print(
        f"{sessions:2} sessions: script {_spread(alone)}; with a browser on the same cores: script {_spread(shared)}, "
        f"release to new pixels {_spread(seen)}"
    )


def released(browser: Browser | None, folder: Path, sessions: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each run of the script; with a `browser`, also from each release to its new pixels."""
    times = folder / f"seconds-{sessions}-{browser is not None}"
    launched = ("benchmarks.timed_server", str(times))
    with started.dashboard(folder / "log", {}, launched) as served:
        done, ready = Event(), Barrier(sessions if browser else sessions + 1)
        numbers = range(1 if browser else 0, sessions)
        visitors = [Thread(target=visit, args=(served.address, number, ready, done)) for number in numbers]
        for visitor in visitors:
            visitor.start()
        if browser:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(f"{served.address}/compare?{urlencode(QUERY, doseq=True)}")
            _settle(page)
        ready.wait()
        if browser:
            releases(page, WARMUP)
        else:
            sleep(WARMUP * PAUSE)
        before = len(times.read_text().splitlines())
        seen = []
        if browser:
            seen = releases(page, RELEASES)
            page.close()
        else:
            sleep(ALONE)
        spent = [line.split() for line in times.read_text().splitlines()[before:]]
        done.set()
        for visitor in visitors:
            visitor.join()
    return [float(seconds) * 1000 for kind, seconds in spent if kind == "fragment"], seen


def visit(address: str, number: int, ready: Barrier, done: Event) -> None:
    """Be a visitor who looks at pictures of their own and moves the slider every two seconds or so."""
    draw = Random(number)
    with Session(address, "compare", urlencode(QUERY | {"draw": number}, doseq=True)) as session:
        ready.wait()
        done.wait(draw.uniform(0, PAUSE))
        while not done.wait(PAUSE * draw.uniform(0.75, 1.25)):
            session.slide(SLIDER, draw.randrange(1, 200) / 100)


def releases(page: Page, count: int) -> list[float]:
    """Drag the slider to `count` places; returns milliseconds from each release to the new pixels."""
    thumb = page.get_by_role("slider", name=SLIDER)
    track, handle = page.get_by_test_id("stSlider").filter(has=thumb).bounding_box(), thumb.bounding_box()
    assert track is not None
    assert handle is not None
    draw, seen, place = Random(0), [], 0.5
    for _ in range(count):
        # Far enough from the current place that the level changes.
        place = (place + draw.uniform(0.1, 0.9)) % 1
        page.mouse.move(track["x"] + 20 + (track["width"] - 40) * place, handle["y"] + handle["height"] / 2)
        page.mouse.down()
        page.locator(".sheet").evaluate(TIME_TO_PIXELS)
        page.mouse.up()
        seen.append(float(page.evaluate("window.drawn")))
        page.wait_for_timeout(1000 * PAUSE * draw.uniform(0.25, 0.5))
    return seen


def _spread(milliseconds: list[float]) -> str:
    return f"median {median(milliseconds):.0f} ms, p95 {quantiles(milliseconds, n=20)[-1]:.0f} ms"


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _settle(page: Page) -> None:
    page.locator(".sheet[data-drawn]").wait_for(timeout=60_000)
    page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=60_000)


if __name__ == "__main__":
    main()
