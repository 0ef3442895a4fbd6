"""Answers that nobody gave: of simulated viewers, whose thresholds are known."""

from collections.abc import Mapping
from math import exp, log

import numpy as np

from aecore.studies.answers import Answer, Reconstruction


def answer(
    number: int = 0,
    *,
    mode: str = "closer",
    strength: float = 1.0,
    right: bool = True,
    left: Mapping[str, float | None] = {"mse": 0.001},
    other: Mapping[str, float | None] = {"mse": 0.002},
) -> Answer:
    """An answer to the round `number`, in which the left one is right; `left` and `other` are the metrics of both."""
    return Answer(
        time="2026-01-01T00:00:00.000+00:00",
        mode=mode,
        seed=7,
        number=number,
        dataset="cifar10",
        fingerprint="0f",
        picture=12,
        left=Reconstruction("ab", "dense", left),
        right=Reconstruction("cd", "jpeg-75", other),
        strength=strength,
        answer="left",
        choice="left" if right else "right",
        milliseconds=850,
        scale=9,
    )


def viewer(
    threshold: float, count: int, seed: int, steepness: float = 2.0, lapse: float = 0.04, lowest: float = 0.1
) -> tuple[list[float], list[bool]]:
    """Strengths from `lowest` to 80 times that, and the answers of a viewer who is right in 75% at the threshold.

    A viewer who looks (all but a share `lapse`) sees the difference with a probability, and guesses otherwise.
    """
    draw = np.random.default_rng(seed)
    steps = (draw.permutation(count) + draw.random(count)) / count
    strengths = [lowest * exp(log(80) * step) for step in steps]
    seen_at_threshold = 0.5 / (1 - lapse)  # then 1/2 + 1/2 · 0.96 · seen = 3/4
    middle = threshold / (seen_at_threshold / (1 - seen_at_threshold)) ** (1 / steepness)
    right = []
    for strength in strengths:
        odds = (strength / middle) ** steepness
        sees = draw.random() >= lapse and draw.random() < odds / (1 + odds)
        right.append(bool(sees or draw.random() < 0.5))
    return strengths, right
