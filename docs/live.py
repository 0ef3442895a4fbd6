"""Write `docs/live.html`: `python -m docs.live`.

It shows published models on pictures that come with the package, at recorded levels of the noise. Any web server can
show it, and so can a browser that opens it as a file.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aecore.runs.store import Store
from aecore.studies.contestants import Contestant, of_run
from pages.components import cached, lineup
from pages.components.lens import recording, saved_page
from pages.components.lens.recording import Scene
from pages.components.lens.saved_page import Saved
from pages.components.lens.sheets import Sheet
from pages.components.lineup import Lineup
from pages.components.pickers import GivenNoise

FILE = Path(__file__).parent / "live.html"
MODELS = ("dense", "shallow-maxpool", "denoise-030", "denoise-res-unet")
DATASET = "cifar10-excerpt"
PICTURES = tuple(random.Random(11).sample(range(1000), 5))  # those that Compare shows for draw 11
LEVELS = tuple(round(step * 0.02, 2) for step in range(51))
LEVEL = 0.2  # at first
MADE = "Made by the command python -m docs.live of Autoencoders side by side."


def main() -> None:
    """Write the file."""
    FILE.write_bytes(content())


def content() -> bytes:
    """The page. On one kind of processor it has the same bytes each time."""
    chosen = models()
    frames = {level: scene().at(level, chosen) for level in LEVELS}
    noisy, *outputs = frames[LEVEL]
    keys = [contestant.key for contestant in chosen]
    clean = cached.originals(DATASET, PICTURES)
    shown = Lineup(DATASET, PICTURES, clean, noisy, chosen, dict(zip(keys, outputs, strict=True)), {})
    given = GivenNoise(scene().kind, LEVEL, scene().seed, "level")
    sheet = Sheet(lineup.columns_of(shown), shown.rows)
    saved = Saved("Autoencoders on the same noisy pictures", shown, sheet, given)
    return saved_page.with_recording(saved, recording.recording(chosen, frames), MADE)


def models() -> Sequence[Contestant]:
    """The models in their order."""
    return [replace(of_run(Store().find(name)), order=order) for order, name in enumerate(MODELS)]


def scene() -> Scene:
    """The pictures and their noise."""
    return Scene(DATASET, PICTURES, "gaussian", 0)


if __name__ == "__main__":
    main()
