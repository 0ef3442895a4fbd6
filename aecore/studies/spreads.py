"""How far the study's systems spread over training seeds, and whether its own figures lie within that spread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import log, sqrt
from statistics import fmean, stdev

import numpy as np
from scipy.special import stdtr

from aecore.measuring.evidence import FEWEST_SEEDS
from aecore.models import zoo
from aecore.studies.claim_scores import PARTS, systems
from aecore.studies.contrasts import Budget
from aecore.studies.verdicts import Score, Scores, of_side

PRINTED = 400  # test pictures that the study printed of each system


@dataclass(frozen=True)
class Spread:
    """The pooled PSNR of a system on the test pictures over its seeds, trained on one kind of hardware, in dB.

    `printed` is the PSNR of the pictures that the study printed, and `chance` the probability that one run of ours is
    at least as far from the mean on that many pictures. Both are None where nothing was printed; so is `chance` for
    fewer than six seeds and under the short budget, which is not the study's.
    """

    name: str
    hardware: str
    seeds: int
    mean: float
    deviation: float
    lowest: float
    highest: float
    printed: float | None
    chance: float | None


def spreads(scores: Scores, budget: Budget) -> Iterator[Spread]:
    """The spread of every system of the study that was trained from two seeds or more, in the zoo's order.

    A system that was trained on several kinds of hardware has one for each.
    """
    for side, hardware in product(systems(), sorted({score.hardware for score in scores.values()})):
        there = {place: score for place, score in scores.items() if score.hardware == hardware}
        of_seeds = of_side(there, side, budget)
        if len(of_seeds) < 2:
            continue
        values, printed = [score.psnr for score in of_seeds.values()], zoo.SYSTEMS[side.label].seed_psnr
        decided = printed is not None and budget == "full" and len(values) >= FEWEST_SEEDS
        chance = _chance(list(of_seeds.values()), printed) if decided and printed is not None else None
        figures = len(values), fmean(values), stdev(values), min(values), max(values)
        yield Spread(side.label, hardware, *figures, printed, chance)


def _chance(scores: list[Score], printed: float) -> float:
    """The two-sided predictive probability by Student's t, with the spread of the seeds and of the printed pictures.

    A run's PSNR on 400 pictures differs from that on all test pictures; how much follows from its parts of 100.
    """
    values = [score.psnr for score in scores]
    of_parts = np.mean([np.std(np.asarray(score.parts) / fmean(score.parts), ddof=1) for score in scores])
    pictures_in_part = 10_000 / PARTS
    of_pictures = 10 / log(10) * float(of_parts) / sqrt(PRINTED / pictures_in_part)
    seeds = len(values)
    t = abs(printed - fmean(values)) / sqrt(stdev(values) ** 2 * (1 + 1 / seeds) + of_pictures**2)
    return 2 * float(stdtr(seeds - 1, -t))
