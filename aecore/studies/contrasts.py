"""What a claim consists of: contrasts of two ways of training, what they are judged by, and how much matters."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from aecore import AecoreError
from aecore.files.whole import canonical
from aecore.measuring.evidence import Says
from aecore.models.alignment import differences
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe

Quantity = Literal["code size", "parameters"]
Budget = Literal["full", "short"]
SHORT = 10_000  # training pictures of the short budget; the full one takes all
PLANNED = 6  # seeds, from 0, that every contrast is planned with; more are added after a look at the results
CLOSE = 0.02  # quantities that a contrast calls equal differ by at most this share


class ClaimError(AecoreError):
    """No claim has this name."""


@dataclass(frozen=True)
class Measure:
    """What a contrast is judged by, on the test pictures: a figure per run of which more is better.

    `name` is that of the figure in a `verdicts.Score`. A difference below `smallest` does not matter, whether or not it
    is real. All are in `unit`.
    """

    name: str
    title: str
    unit: str
    smallest: float


PSNR = Measure("psnr", "pooled PSNR", "dB", 0.1)
SSIM = Measure("ssim", "mean SSIM", "", 0.005)
LEGIBLE = Measure("legible", "classifier's accuracy on reconstructions", "points", 2.0)  # percentage points


@dataclass(frozen=True)
class Side:
    """One way of training: an architecture and a recipe, on the training pictures of `dataset`; `label` names it."""

    label: str
    architecture: Architecture
    recipe: Recipe
    dataset: str = "cifar10"
    rates: tuple[float, ...] = ()  # learning rates, of which the one with the lowest mean validation error is taken

    def recipes(self, budget: Budget) -> tuple[Recipe, ...]:
        """The recipes that are trained: one, or one per learning rate."""
        recipe = replace(self.recipe, images=SHORT if budget == "short" else None)
        return tuple(replace(recipe, learning_rate=rate) for rate in self.rates) or (recipe,)

    def quantity(self, name: Quantity) -> int | None:
        """The code size in numbers, or the number of parameters."""
        return self.architecture.code_size if name == "code size" else self.architecture.parameters


@dataclass(frozen=True)
class Contrast:
    """Two sides that are compared by `measure`.

    A claim says that the first is better, or that both are equally good. `differ` is all in which the second differs
    from the first, as `alignment.differences` words it; a test compares the two. `equal` names what is the same on both
    sides although the layers differ. `removes` is the confound of the claim's own contrast that this one is free of; it
    is empty for the claim's own. One that `is_part` is not the claim's own comparison under another condition, but
    a further part of the sentence.
    """

    name: str
    first: Side
    second: Side
    differ: str
    equal: tuple[Quantity, ...] = ()
    removes: str = ""
    measure: Measure = PSNR
    is_part: bool = False

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both sides, the one that is claimed to be better first."""
        return self.first, self.second

    def found_differences(self) -> str:
        """In what the sides differ, generated from their layers and recipes."""
        first, second = ((side.architecture, side.recipe) for side in self.sides)
        return "; ".join(differences(first, second))


@dataclass(frozen=True)
class Claim:
    """A sentence of the study and its contrasts: what it `says` of the first side of each.

    The first contrast takes the sentence at its word. Each further one repeats the comparison without one confound, or
    under another condition.
    """

    name: str
    words: str
    contrasts: tuple[Contrast, ...]
    says: Says = "better"

    @cached_property
    def key(self) -> str:
        """SHA-256 of the words, the contrasts and the smallest differences that matter."""
        content = {
            "words": self.words,
            "says": self.says,
            "seeds": PLANNED,
            "contrasts": [
                [
                    contrast.name,
                    contrast.measure.name,
                    contrast.measure.smallest,
                    contrast.is_part,
                    *(
                        [str(side.architecture), side.recipe.to_json(), side.dataset, side.rates]
                        for side in contrast.sides
                    ),
                ]
                for contrast in self.contrasts
            ],
        }
        return hashlib.sha256(canonical(content)).hexdigest()
