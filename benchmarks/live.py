"""Claim: while the noise slider moves, a browser shows a new frame at least 15 times a second, with nothing for the
server to do, and what it shows is what the server computes.

    python -m benchmarks.live [--rounds 5] [--minutes 10]
    python -m benchmarks.live --equality

The first prints, for 12 pictures through four shallow models and through `denoise-unet` and three shallow ones: how
soon the sheet follows the slider at a first visit; how many frames a second it shows while the slider is dragged for
five seconds; the milliseconds from a move of the slider to the frame of that level or a later one; the server's
processor time meanwhile; and the memory of the tab in minutes of dragging. The second runs 200 random cases of model,
picture, noise, level and seed in a browser and with torch, and prints how far apart they are. Linux only.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple
from urllib.parse import urlencode

import psutil
from playwright.sync_api import Browser, Page, expect

from tests.browser import dragging, equality, started

SETS = {
    "four shallow models": ("shallow-maxpool", "shallow-strided", "shallow-strided-bn", "denoise-030"),
    "denoise-unet and three": ("denoise-unet", "shallow-strided", "shallow-strided-bn", "denoise-030"),
}
GOALS = {"four shallow models": 15, "denoise-unet and three": 6}  # frames per second
SECONDS = 5.0  # of a drag
STEP = 16  # milliseconds between two moves of the mouse
LEVELS = 150  # steps of the slider that a drag goes to and fro
PATIENCE = 60_000  # milliseconds
CASES = 200
MINUTES = 10  # of dragging, for the memory
FROM = 0.1  # the level at which a drag begins

# When the sheet was painted first, and when it first followed the slider. It lives in a shadow root.
READY = """
  const attach = Element.prototype.attachShadow;
  const seen = window.seen = {};
  Element.prototype.attachShadow = function (...options) {
    const root = attach.apply(this, options);
    new MutationObserver((changes) => {
      for (const { target, attributeName } of changes) {
        if (attributeName === "data-live") seen.ready ??= performance.now();
        else requestAnimationFrame(() => setTimeout(() => { seen.painted ??= performance.now(); }));
      }
    }).observe(root, { subtree: true, attributeFilter: ["data-drawn", "data-live"] });
    return root;
  };
"""
# The slider's moves and the frames that are painted, each as a time and a level.
WATCH = """(sheet) => {
  const slider = document.querySelector(".st-key-level input[type=range]");
  window.watching?.forEach((observer) => observer.disconnect());
  window.moves = [];
  window.frames = [];
  const onMove = new MutationObserver(() => moves.push([performance.now(), Number(slider.value)]));
  const onFrame = new MutationObserver(() => {
    const level = Number(sheet.dataset.level);
    // After the sheet's own painting, which was asked for before.
    requestAnimationFrame(() => setTimeout(() => frames.push([performance.now(), level])));
  });
  onMove.observe(slider, { attributeFilter: ["aria-valuetext"] });
  onFrame.observe(sheet, { attributeFilter: ["data-level"] });
  window.watching = [onMove, onFrame];
}"""


class Event(NamedTuple):
    """A move of the slider or a painted frame: when, in milliseconds, and of which level."""

    time: float
    level: float


def main() -> None:
    """Measure, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="first visits and drags to time (default %(default)s)")
    parser.add_argument(
        "--minutes", type=int, default=MINUTES, help="of dragging, for the memory (default %(default)s)"
    )
    parser.add_argument("--equality", action="store_true", help="only compare the browser's outputs with torch's")
    options = parser.parse_args()
    if options.equality:
        compare(CASES)
    else:
        measure(options.rounds, options.minutes)


def compare(count: int) -> None:
    """Print how far outputs and scores in a browser are from torch's."""
    cases = equality.cases(count, Random(count))
    with (
        TemporaryDirectory() as folder,
        started.dashboard(Path(folder) / "log", {}) as served,
        started.chromium() as browser,
    ):
        apart = list(equality.compared(browser.new_page(), served.address, cases))
    print(f"{count} cases of {len({one.case.system for one in apart})} systems, the largest differences:")
    goals = {"noisy": "", "output": " (goal 0.001)", "psnr": " dB (goal 0.01)", "ssim": ""}
    for name, goal in goals.items():
        worst = max(apart, key=lambda one: float(getattr(one, name)))
        case = worst.case
        print(
            f"  {name}: {getattr(worst, name):.2g}{goal}, {case.system} on picture {case.picture} under {case.noise}, "
            f"seed {case.seed}"
        )


def measure(rounds: int, minutes: int) -> None:
    """Print how fast the sheet follows the slider, and what that costs."""
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        for name, models in SETS.items():
            print(f"{name}, 12 pictures:")
            with started.dashboard(log, {}) as served:
                query = urlencode({"models": models, "level": FROM, "count": 12}, doseq=True)
                address = f"{served.address}/compare?{query}"
                first, *others = [until_ready(address) for _ in range(rounds + 1)]
                print(
                    f"  ready after the sheet is painted: {first:.2f} s at the server's first visit, "
                    f"{_spread(others)} s in other new browsers (goal 2)"
                )
                with started.chromium() as browser, visit(browser, address) as page:
                    server = psutil.Process(served.pid)
                    drags = [drag(page, server) for _ in range(rounds)]
                    _report(name, drags)
                    if minutes:
                        remember(browser, page, minutes)


def until_ready(address: str) -> float:
    """Seconds from the painted sheet until it follows the slider, in a browser that has stored nothing."""
    with started.chromium() as browser, visit(browser, address) as page:
        painted, ready = page.evaluate("[seen.painted, seen.ready]")
        return float(ready - painted) / 1000


@contextmanager
def visit(browser: Browser, address: str) -> Iterator[Page]:
    """A page whose sheet follows the slider."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.add_init_script(READY)
    page.goto(address)
    dragging.ready(page)
    yield page
    page.close()


class Drag(NamedTuple):
    """What was measured in one: the frames per second, milliseconds from moves to frames, the server's seconds."""

    rate: float
    waits: list[float]
    server: float


def drag(page: Page, server: psutil.Process) -> Drag:
    """Drag the slider to and fro, and release it where the server's pictures are."""
    page.locator(".lens").evaluate(WATCH)
    with dragging.held(page):
        spent = _processor(server)
        for _ in moved(page, SECONDS):
            pass
        moves, frames = page.evaluate("[moves, frames]")
        spent = _processor(server) - spent
        page.mouse.move(*dragging.track(page).place(FROM))
    dragging.ready(page)
    return _drag([Event(*event) for event in moves], [Event(*event) for event in frames], spent)


def moved(page: Page, seconds: float) -> Iterator[None]:
    """Move the slider, held down, a step of a hundredth at a time, to and fro."""
    along, begun, step = dragging.track(page), perf_counter(), 0
    while perf_counter() - begun < seconds:
        step += 1
        place = LEVELS - abs(step % (2 * LEVELS) - LEVELS)
        page.mouse.move(*along.place(FROM + 0.01 * place))
        page.wait_for_timeout(STEP)
        yield


def _drag(moves: list[Event], frames: list[Event], spent: float) -> Drag:
    frames = [frame for frame in frames if frame.time <= moves[-1].time]
    # A frame shows the last move to its level before it, and answers all moves up to that one.
    answers = []
    for frame in frames:
        shown = [move.time for move in moves if move.level == frame.level and move.time <= frame.time]
        if shown:
            answers.append((shown[-1], frame.time))
    waits = []
    for move in moves:
        later = [painted for shown, painted in answers if shown >= move.time]
        if later:
            waits.append(min(later) - move.time)
    return Drag(1000 * (len(frames) - 1) / (frames[-1].time - frames[0].time), waits, spent)


def _report(name: str, drags: list[Drag]) -> None:
    waits = [wait for one in drags for wait in one.waits]
    print(f"  frames per second: {_spread([one.rate for one in drags], 1)} (goal {GOALS[name]})")
    print(
        f"  from a move to its pixels: median {median(waits):.0f} ms, p95 {quantiles(waits, n=20)[-1]:.0f} ms of "
        f"{len(waits)} moves (goal 100)"
    )
    print(f"  the server's processor: {_spread([one.server for one in drags])} s in each {SECONDS:.0f} s (goal 0)")


def remember(browser: Browser, page: Page, minutes: int) -> None:
    """Print the memory of the tab's process, with its workers, before and after each minute of dragging."""
    clean = [collected(browser, page)]
    used = [tab_bytes(browser)]
    with dragging.held(page):
        for _ in range(minutes):
            for _ in moved(page, 60):
                pass
            used.append(tab_bytes(browser))
        page.mouse.move(*dragging.track(page).place(FROM))
    clean.append(collected(browser, page))
    every, ends = (", ".join(f"{size / 1e6:.0f}" for size in sizes) for sizes in (used, clean))
    print(f"  memory of the tab, at first and after each minute of dragging: {every} MB (goal 400, and flat)")
    print(f"  the same without what the page no longer uses, at first and at last: {ends} MB")


def collected(browser: Browser, page: Page) -> int:
    """The memory of the tab's process once the page's own garbage is collected; that of the workers stays."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.detach()
    page.wait_for_timeout(1000)  # until the memory is given back
    return tab_bytes(browser)


def tab_bytes(browser: Browser) -> int:
    """The memory that the process of a browser's only tab shares with no other process."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    tabs = [process["id"] for process in processes if process["type"] == "renderer"]
    # A process that waits for the next tab is small.
    return max(int(psutil.Process(tab).memory_full_info().uss) for tab in tabs)


def _processor(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:4])


def _spread(numbers: list[float], digits: int = 2) -> str:
    return f"{median(numbers):.{digits}f} ({min(numbers):.{digits}f}–{max(numbers):.{digits}f})"


if __name__ == "__main__":
    main()
