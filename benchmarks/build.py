"""Claim: Build answers a typed letter within 100 ms, and says within a quarter how long an epoch will take.

    python -m benchmarks.build [--architectures 10] [--letters]

draws random architectures and, for each, compares three predictions of the seconds of an epoch of CIFAR-10 with a real
one: the rough guess from the published runs, a speed measured for a second, and the speed that a look leaves behind. A
real epoch trains on all 45,000 pictures and validates on 5,000, as a run from the queue does. With `--letters` it types
into the line of layers in Chromium instead, and prints the milliseconds until the list has Python's answer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from aecore.data.catalog import SOURCES
from aecore.models import zoo
from aecore.models.diagnosis import diagnose
from aecore.models.recipe import RunSpec
from aecore.runs.store import Store
from aecore.scheduling import costs
from aecore.scheduling.queue import Queue
from aecore.scheduling.speeds import Speeds
from tests.browser import started

SECONDS = 6.0  # of a look
MACS = (1_000_000, 60_000_000)  # of the architectures: an epoch takes seconds to minutes
LETTERS = 40
# Milliseconds from a letter to the first frame in which the list has Python's answer to the new line.
TYPED = """async (word) => {
  const roots = [document, ...[...document.querySelectorAll("*")].map((one) => one.shadowRoot).filter(Boolean)];
  const editor = roots.map((root) => root.querySelector(".editor")).find(Boolean);
  const line = editor.querySelector(".line");
  const began = performance.now();
  line.value = word;
  line.dispatchEvent(new Event("input"));
  await new Promise((resolve) => {
    const look = () => (editor.classList.contains("stale") ? requestAnimationFrame(look) : resolve());
    requestAnimationFrame(look);
  });
  return performance.now() - began;
}"""


def main() -> None:
    """Measure, and print one line per architecture, or the times of the letters."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.build", description=__doc__.split("\n\n")[0])
    parser.add_argument("--architectures", type=int, default=10, help="how many to draw (default %(default)s)")
    parser.add_argument("--letters", action="store_true", help="measure the page instead")
    options = parser.parse_args()
    if options.letters:
        letters()
    else:
        epochs(options.architectures)


def epochs(count: int) -> None:
    """Print predicted against real seconds per epoch."""
    worst = dict.fromkeys(("rough", "measured", "after a look"), 0.0)
    print("real s | rough | measured | after a look | layers")
    for line in architectures(count):
        with TemporaryDirectory() as folder:
            predicted = _predictions(line, Path(folder))
            real = _real(line, Path(folder))
        errors = {name: seconds / real - 1 for name, seconds in predicted.items()}
        worst = {name: max(worst[name], abs(error)) for name, error in errors.items()}
        print(f"{real:6.1f} | {' | '.join(f'{error:+.0%}' for error in errors.values())} | {line}", flush=True)
    print(f"farthest from the real one: {', '.join(f'{name} {error:.0%}' for name, error in worst.items())}")


def architectures(count: int) -> Iterator[str]:
    """Random convolutional autoencoders of CIFAR-10, of different depth and width; every third has a dense code."""
    draw, made = Random(0), 0
    while made < count:
        halvings, words = draw.randint(1, 3), list[str]()
        widths = [draw.choice((8, 16, 24, 32, 48, 64)) for _ in range(halvings)]
        for width in widths:
            kernel = draw.choice((3, 3, 5))
            words += draw.choice(
                (
                    [f"conv{width}:k{kernel}", "pool"],
                    [f"conv{width}:k{kernel}:s2"],
                    [f"conv{width}", "bn", f"conv{width}:s2"],
                )
            )
        side = 32 >> halvings
        if made % 3 == 2:
            numbers = widths[-1] * side * side
            words += [
                "flatten",
                f"dense{draw.choice((64, 256))}",
                f"dense{numbers}",
                f"reshape{widths[-1]}x{side}x{side}",
            ]
        for width in reversed(widths):
            words += draw.choice((["up", f"conv{width}"], [f"deconv{width}:k4"]))
        line = " | ".join([*words, "conv3:sigmoid"])
        architecture = diagnose(line).architecture
        if architecture and MACS[0] <= architecture.macs <= MACS[1]:
            made += 1
            yield line


def _spec(line: str) -> RunSpec:
    start = zoo.from_text(line)
    return RunSpec(start.architecture, start.recipe, start.dataset, "", name=start.name)


def _predictions(line: str, root: Path) -> dict[str, float]:
    """Seconds of an epoch by each way to predict them, each measured in a process of its own as Build does."""
    spec, pictures = _spec(line), SOURCES["cifar10"].learning_pictures
    rough = costs.rough_speed(spec, "cpu", Queue(Store()))
    assert rough is not None, "the published runs are here"
    speeds = {"rough": rough[0]}
    for name, command in (("measured", ["measure", line]), ("after a look", ["look", line, "--seconds", str(SECONDS)])):
        store = root / name.replace(" ", "-")
        _run([*command, "--device", "cpu"], store)
        speed = Speeds(Queue(Store(store)).database).find(spec, "cpu")
        assert speed is not None, "the command records the speed"
        speeds[name] = speed
    return {name: costs.of_epoch(pictures, speed, name, measured_here=True).seconds for name, speed in speeds.items()}


def _real(line: str, root: Path) -> float:
    """Seconds of a real epoch of training and validation, by a run of one epoch."""
    store = root / "real"
    said = _run(["train", line, "--dataset", "cifar10", "--epochs", "1", "--device", "cpu", "--light", "--json"], store)
    run = Store(store).find(json.loads(said)[0]["key"])
    return float(run.history()["seconds"].iloc[0])


def _run(arguments: list[str], store: Path) -> str:
    command = [sys.executable, "-m", "aecore", *arguments]
    environment = {**os.environ, "AECORE_CHECKPOINTS": str(store)}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def letters() -> None:
    """Print how long the list takes to follow the line, letter by letter."""
    draw, seen = Random(0), list[float]()
    with (
        TemporaryDirectory() as folder,
        started.chromium() as browser,
        started.dashboard(Path(folder) / "log", {"AECORE_CHECKPOINTS": folder}) as served,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{served.address}/build")
        page.locator(".editor .row[data-index='0']").wait_for(timeout=60_000)
        page.wait_for_timeout(3000)
        for _ in range(LETTERS):
            widths = draw.sample(range(8, 64), 3)
            line = f"conv{widths[0]} | conv{widths[1]}:s2 | conv{widths[2]} | up | conv{widths[0]} | conv3:k1:sigmoid"
            seen.append(float(page.evaluate(TYPED, line)))
            page.wait_for_timeout(1000)
        page.close()
    print(f"letter to answer: median {median(seen):.0f} ms, p95 {quantiles(seen, n=20)[-1]:.0f} ms of {LETTERS}")


if __name__ == "__main__":
    main()
