"""Rounds of a blind test: which two reconstructions of which test picture a viewer is shown, and in what order.

In a round of `closer` the original is shown too, and the viewer says which reconstruction is closer to it (two
alternatives, forced choice). In a round of ABX a third picture X is shown, which is one of the two, and the viewer says
which.

The strength of a difference is measured in the unit of the question: for `closer` by how many dB the PSNRs of the two
differ, for ABX by the root mean squared difference between the two. A block of rounds spreads these strengths evenly on
a logarithmic scale, so that most are small, and uses the pairs of models about equally often. Every draw is keyed by
(seed, block): the same seed gives the same rounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import log
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from aecore.data.noise import key

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")
BLOCK = 20  # rounds that are drawn together
POOL = 40  # pictures that a block is drawn from
NEAR = log(1.25)  # two strengths of this ratio or less are as good as equal
_SCALE = 255.0  # of stored pictures

Pixels = NDArray[np.uint8]
Strengths = NDArray[np.float64]


@dataclass(frozen=True)
class Mode:
    """A kind of round; the strengths of a block lie between `lowest` and `highest` where the models allow it."""

    title: str
    lowest: float
    highest: float


CLOSER, ABX = "closer", "abx"
MODES = {
    CLOSER: Mode("Closer to the original", 0.1, 8.0),
    ABX: Mode("ABX", 10 ** (-44 / 20), 10 ** (-24 / 20)),  # two pictures that agree to 44 dB, and to 24 dB
}


@dataclass(frozen=True)
class Round:
    """The picture at place `picture` of the pool, by the models at the places `left` and `right`.

    `answer` is the right one: in `closer` the one of lower MSE, in ABX the one that X is.
    """

    number: int
    picture: int
    left: int
    right: int
    answer: Side
    strength: float


def pool(count: int, seed: int, block: int) -> tuple[int, ...]:
    """The pictures, of `count`, that a block is drawn from; two share one only after all full blocks."""
    if count <= POOL:
        return tuple(range(count))
    turn, place = divmod(block, count // POOL)
    order = torch.randperm(count, generator=_generator("pictures of a blind test", seed, turn))
    return tuple(order[place * POOL : (place + 1) * POOL].tolist())


def errors(outputs: Pixels, clean: Pixels) -> Strengths:
    """The MSE `[K, N]` of the stored pictures `[K, N, C, H, W]` of K models against the originals `[N, C, H, W]`."""
    return np.asarray(np.square((outputs.astype(float) - clean) / _SCALE).mean((2, 3, 4)))


def strengths(mode: str, outputs: Pixels, clean: Pixels) -> Strengths:
    """How strongly the two models of each pair differ on each picture, `[pairs, N]`.

    `outputs` are `[K, N, C, H, W]`, and pairs are in the order of `itertools.combinations`. It is not a number where
    there can be no round: where two models have the same error, or one of them none; in ABX where both give the same
    picture.
    """
    pairs = list(combinations(range(len(outputs)), 2))
    if not pairs:
        return np.empty((0, len(clean)))
    if mode == ABX:
        values = np.stack([np.sqrt(errors(outputs[[one]], outputs[other])[0]) for one, other in pairs])
    else:
        error = errors(outputs, clean)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.stack([np.abs(10 * np.log10(error[one] / error[other])) for one, other in pairs])
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def draw(mode: str, outputs: Pixels, clean: Pixels, seed: int, block: int) -> list[Round]:
    """The rounds of a block, from the outputs `[K, N, C, H, W]` of K models and the originals `[N, C, H, W]`.

    Empty where no two models differ on any picture. A picture is shown again only after every other one.
    """
    rule, generator = MODES[mode], _generator("rounds of a blind test", mode, seed, block)
    pairs = list(combinations(range(len(outputs)), 2))
    levels, error = np.log(strengths(mode, outputs, clean)), errors(outputs, clean)
    if not np.isfinite(levels).any():
        return []
    uses, shown = np.zeros(len(pairs), int), np.zeros(len(clean), bool)
    rounds = []
    # One target in each twentieth of the logarithmic scale, in random order.
    steps = (torch.randperm(BLOCK, generator=generator) + torch.rand(BLOCK, generator=generator)) / BLOCK
    for place, step in enumerate(steps.tolist()):
        target = log(rule.lowest) + step * log(rule.highest / rule.lowest)
        if not np.isfinite(levels[:, ~shown]).any():
            shown[:] = False
        distance = np.where(np.isfinite(levels) & ~shown, np.abs(levels - target), np.inf)
        near = distance <= max(NEAR, distance.min())
        rarest = near & (uses == uses[near.any(1)].min())[:, None]
        pair, picture = np.argwhere(rarest)[_below(int(rarest.sum()), generator)]
        uses[pair] += 1
        shown[picture] = True
        left, right = pairs[pair] if _below(2, generator) else pairs[pair][::-1]
        if mode == ABX:
            answer = SIDES[_below(2, generator)]
        else:
            answer = SIDES[int(error[right, picture] < error[left, picture])]
        strength = float(np.exp(levels[pair, picture]))
        rounds.append(Round(block * BLOCK + place, int(picture), left, right, answer, strength))
    return rounds


def _generator(*purpose: object) -> torch.Generator:
    return torch.Generator().manual_seed(key(*purpose))


def _below(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (1,), generator=generator))
