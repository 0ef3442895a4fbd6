"""The pictures of a sheet at a series of noise levels, for a saved page that cannot compute them."""

from __future__ import annotations

import gzip
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from aecore.data.noise import KINDS, Noise
from aecore.studies.contestants import Contestant
from pages.components import cached
from pages.components.browser_parts import packed
from pages.components.cached import Scored
from pages.components.lens import sheets

STEP = 0.01  # of the slider
STRIDES = (32, 16, 8, 4, 2, 1)  # steps between two levels: each series contains the one before
PATIENCE = 10.0  # seconds for the pictures of a recording
SLOW = 1.0  # seconds for one level of one contestant, above which it is left out
_LEAST_PACKED = 0.2  # of its bytes is what a recording keeps at least when it is compressed


class Scene(NamedTuple):
    """Test pictures of a data set, and the kind and seed of the noise that is added to them."""

    dataset_name: str
    indices: tuple[int, ...]
    kind: str
    seed: int

    def at(self, level: float, contestants: Sequence[Contestant]) -> list[Scored]:
        """The noisy pictures and the output of each contestant, at a level."""
        noise = Noise(self.kind, level) if level else None
        return cached.once(contestants, self.dataset_name, self.indices, noise, self.seed)


@dataclass(frozen=True)
class Recording:
    """The `recorded` contestants at each of the `levels`; `content` is what `recording.js` reads."""

    recorded: Sequence[Contestant]
    levels: Sequence[float]
    content: bytes


def steps(kind: str, stride: int, also: float) -> list[float]:
    """Every so many steps of the slider, from 0 to the highest level of a kind of noise; and the level `also`."""
    rule = KINDS[kind]
    places = range(0, round(rule.highest / STEP) + 1, stride)
    levels = {round(place * STEP, 2) for place in places} | {0.0, rule.highest, also}
    return sorted(level for level in levels if not 0 < level < rule.lowest)


def fitting(scene: Scene, contestants: Sequence[Contestant], level: float, room: int) -> Recording:
    """As many levels as are computed in `PATIENCE` seconds and fit into `room` bytes: at least `level`, and from 0 to
    the highest level in even steps. Contestants that take too long are left out.
    """
    until = time.monotonic() + PATIENCE
    quick = [contestant for contestant in contestants if is_quick(scene, contestant)]
    frames = {level: scene.at(level, quick)}
    size = sum(pixels.nbytes for pixels, _ in frames[level])
    complete = [[level]]
    for stride in STRIDES:
        levels = steps(scene.kind, stride, level)
        if _LEAST_PACKED * size * len(levels) > room:
            break
        for missing in levels:
            if missing not in frames and time.monotonic() < until:
                frames[missing] = scene.at(missing, quick)
        if not frames.keys() >= set(levels):
            break
        complete.append(levels)
    for levels in reversed(complete):
        recorded = recording(quick, {level: frames[level] for level in levels})
        if len(recorded.content) <= room:
            break
    return recorded


def is_quick(scene: Scene, contestant: Contestant) -> bool:
    """Whether a contestant can be recorded at many levels."""
    if contestant.is_slow or contestant.tunes:
        return False
    # Under a noise that it has not met: some are fitted to each.
    started = time.monotonic()
    scene.at(KINDS[scene.kind].highest, [contestant])
    return time.monotonic() - started <= SLOW


def recording(contestants: Sequence[Contestant], frames: dict[float, list[Scored]]) -> Recording:
    """What was computed, in the form that `recording.js` reads, compressed."""
    levels = sorted(frames)
    texts = [
        {
            "level": level,
            "columns": [
                {"note": sheets.psnr_of(scores), "numbers": sheets.numbers_of(scores)} for _, scores in columns
            ],
        }
        for level, columns in ((level, frames[level]) for level in levels)
    ]
    pixels = np.stack([np.stack([pixels for pixels, _ in frames[level]]) for level in levels])
    # From one level to the next little changes, so the differences compress better. They wrap around at 256.
    pixels[1:] -= pixels[:-1].copy()
    keys = ["noisy", *(contestant.key for contestant in contestants)]
    header = {"keys": keys, "rows": pixels.shape[2], "levels": texts}
    content = gzip.compress(packed(header, pixels.tobytes()), 6, mtime=0)
    return Recording(contestants, levels, content)
