"""The sentences of the study of 2018 as claims: what each one compares, in what the sides differ, how much matters.

The study ends with "my sample sizes are far too small to be sure of any of my above conclusions". A claim says what
would make them large enough: contrasts of two ways of training, each trained from several seeds. The first contrast of
a claim takes the sentence at its word. Each further one repeats the comparison without one confound, or under another
condition. Everything here was fixed before the first run, and `Claim.key` holds it fixed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from aecore import AecoreError
from aecore.files.whole import canonical
from aecore.models import zoo
from aecore.models.alignment import differences
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe

SMALLEST = 0.1  # dB: a smaller difference of pooled PSNR does not matter, whether or not it is real

Quantity = Literal["code size", "parameters"]
Budget = Literal["full", "short"]
SHORT = 10_000  # training pictures of the short budget; the full one takes all
CLOSE = 0.02  # quantities that a contrast calls equal differ by at most this share


class ClaimError(AecoreError):
    """No claim has this name."""


@dataclass(frozen=True)
class Side:
    """One way of training: an architecture and a recipe, on the training pictures of `dataset`."""

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
    """Two sides, of which the claim says that `better` has the higher pooled PSNR on the test pictures.

    `differ` is all in which `worse` differs from `better`, as `alignment.differences` words it; a test compares the
    two. `equal` names what is the same on both sides although the layers differ. `removes` is the confound of the
    claim's own contrast that this one is free of; it is empty for the claim's own.
    """

    name: str
    better: Side
    worse: Side
    differ: str
    equal: tuple[Quantity, ...] = ()
    removes: str = ""

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both sides, the one that is claimed to be better first."""
        return self.better, self.worse

    def found_differences(self) -> str:
        """In what the sides differ, generated from their layers and recipes."""
        better, worse = ((side.architecture, side.recipe) for side in self.sides)
        return "; ".join(differences(better, worse))


@dataclass(frozen=True)
class Claim:
    """A sentence of the study, its contrasts, and the smallest difference of pooled PSNR that matters, in dB."""

    name: str
    words: str
    contrasts: tuple[Contrast, ...]
    smallest: float = SMALLEST

    @cached_property
    def key(self) -> str:
        """SHA-256 of the words, the contrasts and the smallest difference that matters."""
        content = {
            "words": self.words,
            "smallest": self.smallest,
            "contrasts": [
                [
                    contrast.name,
                    *(
                        [str(side.architecture), side.recipe.to_json(), side.dataset, side.rates]
                        for side in contrast.sides
                    ),
                ]
                for contrast in self.contrasts
            ],
        }
        return hashlib.sha256(canonical(content)).hexdigest()


_OUTPUT = "conv3:k1:sigmoid"
_RECIPE = Recipe()


def _system(name: str, **changes: Any) -> Side:
    """A system of the study, with some settings of its recipe changed."""
    system = zoo.SYSTEMS[name]
    return Side(system.architecture, replace(system.recipe, **changes), system.dataset)


def _layers(line: str, epochs: int, **changes: Any) -> Side:
    """An architecture of ours, with the study's recipe."""
    return Side(Architecture.parse(line), replace(_RECIPE, epochs=epochs, **changes))


# ---- the layers that no system of the study has

_CONV_2048 = f"conv32 | pool | conv32 | pool | conv32 | up | conv32 | up | {_OUTPUT}"  # conv-dense without dense layers
_CONV_1024 = f"conv32 | conv32:s2 | conv32 | conv32:s2 | conv16 | up | conv32 | up | conv32 | {_OUTPUT}"
_DENSE_1024 = "flatten | dense1024:linear | dense3072:linear | reshape3x32x32"
_DENSE_13 = "flatten | dense13 | dense3072:sigmoid | reshape3x32x32"  # as many parameters as deep-strided-4
_DENSE_EQUAL = "flatten | dense1024 | dense1024 | dense1024 | dense3072:sigmoid | reshape3x32x32"
_UP_FROM_4 = f"up | conv32 | up | conv32 | up | conv32 | {_OUTPUT}"
_STRIDED_4_WIDE = f"conv32 | conv32:s2 | conv32 | conv32:s2 | conv32 | conv128:s2 | conv128 | {_UP_FROM_4}"
_MAXPOOL_4_WIDE = f"conv32 | pool | conv32 | pool | conv128 | pool | conv128 | {_UP_FROM_4}"
_MAXPOOL_CONV = f"conv32 | conv32 | pool | conv32 | up | conv32 | {_OUTPUT}"
_SHALLOW_2048 = f"conv32 | conv8:s2 | conv32 | up | conv32 | {_OUTPUT}"

_RATES = (3e-4, 1e-3, 3e-3)


def _shallow_and_deep(batch_norm: str = "", **changes: int) -> tuple[Side, Side]:
    """The shallow strided network and the deep one; `batch_norm` is "-bn" or nothing."""
    epochs = {"epochs": 5} | changes
    return _system(f"shallow-strided{batch_norm}", **epochs), _system(f"deep-strided-8{batch_norm}", **epochs)


_DEEPER = "+ conv32; + conv32:s2; + up; + conv32"
_SHALLOWER_BN = "− conv32; − bn; − conv32:s2; − up; − conv32; − bn"


CLAIMS: dict[str, Claim] = {
    claim.name: claim
    for claim in (
        Claim(
            "dense",
            "fully connected layers always hurt",
            (
                Contrast(
                    "conv-dense without its dense layers",
                    _layers(_CONV_2048, 5),
                    _system("conv-dense"),
                    "+ flatten; + dense2048; + dense2048; + reshape32x8x8",
                    equal=("code size",),
                ),
                Contrast(
                    "a dense network",
                    _layers(_CONV_1024, 5),
                    _system("dense"),
                    "conv32 → flatten; conv32:s2 → dense1024; conv32 → dense3072:sigmoid; "
                    "conv32:s2 → reshape3x32x32; − conv16; − up; − conv32; − up; − conv32; − conv3:k1:sigmoid",
                    equal=("code size",),
                    removes="convolutions around the dense layers",
                ),
                Contrast(
                    "equal parameters",
                    _system("deep-strided-4"),
                    _layers(_DENSE_13, 5),
                    "conv32 → flatten; conv32:s2 → dense13; conv32 → dense3072:sigmoid; "
                    "conv32:s2 → reshape3x32x32; − conv32; − conv32:s2; − conv32; − up; − conv32; − up; "
                    "− conv32; − up; − conv32; − conv3:k1:sigmoid",
                    equal=("parameters",),
                    removes="more parameters",
                ),
                Contrast(
                    "dense layers that start as PCA",
                    _layers(_CONV_1024, 5),
                    _layers(_DENSE_1024, 5, initialisation="pca"),
                    "conv32 → flatten; conv32:s2 → dense1024:linear; conv32 → dense3072:linear; "
                    "conv32:s2 → reshape3x32x32; − conv16; − up; − conv32; − up; − conv32; − conv3:k1:sigmoid; "
                    "initialisation keras → pca",
                    equal=("code size",),
                    removes="a poor start of the dense layers",
                ),
            ),
        ),
        Claim(
            "more-dense",
            "more dense layers are worse",
            (
                Contrast(
                    "two more",
                    _system("dense"),
                    _system("dense-deep"),
                    "+ dense3072; + dense2048",
                    equal=("code size",),
                ),
                Contrast(
                    "10 epochs",
                    _system("dense", epochs=10),
                    _system("dense-deep", epochs=10),
                    "+ dense3072; + dense2048",
                    equal=("code size",),
                    removes="too few epochs",
                ),
                Contrast(
                    "layers as wide as the code",
                    _system("dense"),
                    _layers(_DENSE_EQUAL, 5),
                    "+ dense1024; + dense1024",
                    equal=("code size",),
                    removes="wider layers",
                ),
            ),
        ),
        Claim(
            "halvings",
            "reducing the image too many times destroys performance, whatever the pooling",
            (
                Contrast(
                    "strided",
                    _system("deep-strided-8"),
                    _system("deep-strided-4"),
                    "+ conv32; + conv32:s2; + up; + conv32",
                ),
                Contrast(
                    "max pool",
                    _system("deep-maxpool-8"),
                    _system("deep-maxpool-4"),
                    "+ conv32; + pool; + up; + conv32",
                    removes="strided convolutions",
                ),
                Contrast(
                    "strided, equal code size",
                    _system("deep-strided-8"),
                    _layers(_STRIDED_4_WIDE, 5),
                    "+ conv32; + conv128:s2; + conv128; + up",
                    equal=("code size",),
                    removes="a smaller code",
                ),
                Contrast(
                    "max pool, equal code size",
                    _system("deep-maxpool-8"),
                    _layers(_MAXPOOL_4_WIDE, 5),
                    "+ conv128; + pool; + conv128; + up",
                    equal=("code size",),
                    removes="a smaller code",
                ),
            ),
        ),
        Claim(
            "strided",
            "max pooling is OK but strided convolution is better",
            (
                Contrast(
                    "shallow",
                    _system("shallow-strided"),
                    _system("shallow-maxpool"),
                    "conv32:s2 → pool",
                    equal=("code size",),
                ),
                Contrast(
                    "equal parameters",
                    _system("shallow-strided"),
                    _layers(_MAXPOOL_CONV, 2),
                    "+ conv32; conv32:s2 → pool",
                    equal=("code size", "parameters"),
                    removes="one more convolution",
                ),
                Contrast(
                    "deep",
                    _system("deep-strided-8"),
                    _system("deep-maxpool-8"),
                    "conv32:s2 → pool; conv32:s2 → pool",
                    equal=("code size",),
                    removes="a code larger than the picture",
                ),
            ),
        ),
        Claim(
            "batch-norm",
            "batch norm gives a small but noticeable benefit",
            (
                Contrast(
                    "shallow",
                    _system("shallow-strided-bn", epochs=2),
                    _system("shallow-strided"),
                    "− bn; − bn; − bn",
                    equal=("code size",),
                ),
                Contrast(
                    "shallow, 4 epochs",
                    _system("shallow-strided-bn"),
                    _system("shallow-strided", epochs=4),
                    "− bn; − bn; − bn",
                    equal=("code size",),
                    removes="too few epochs",
                ),
                # An epoch with batch norm takes 7/6 of the time.
                Contrast(
                    "shallow, equal seconds",
                    _system("shallow-strided-bn", epochs=6),
                    _system("shallow-strided", epochs=7),
                    "− bn; − bn; − bn; epochs 6 → 7",
                    equal=("code size",),
                    removes="more seconds",
                ),
                Contrast(
                    "deep to 8×8",
                    _system("deep-strided-8-bn"),
                    _system("deep-strided-8"),
                    "− bn; − bn; − bn; − bn; − bn",
                    equal=("code size",),
                    removes="a code larger than the picture",
                ),
                Contrast(
                    "deep to 4×4",
                    _system("deep-strided-4-bn"),
                    _system("deep-strided-4"),
                    "− bn; − bn; − bn; − bn; − bn; − bn; − bn",
                    equal=("code size",),
                    removes="a code larger than the picture",
                ),
            ),
        ),
        Claim(
            "shallow",
            "shallow ones give good results and train quickly",
            (
                Contrast(
                    "2 epochs",
                    _system("shallow-strided"),
                    _system("deep-strided-8", epochs=2),
                    "+ conv32; + conv32:s2; + up; + conv32",
                ),
                # An epoch of the deep one takes 4/3 of the time.
                Contrast(
                    "equal seconds",
                    _system("shallow-strided", epochs=4),
                    _system("deep-strided-8", epochs=3),
                    "+ conv32; + conv32:s2; + up; + conv32; epochs 4 → 3",
                    removes="more seconds",
                ),
                Contrast(
                    "equal code size",
                    _layers(_SHALLOW_2048, 2),
                    _system("deep-strided-8", epochs=2),
                    "conv8:s2 → conv32:s2; + conv32; + conv32:s2; + conv32; + up",
                    equal=("code size",),
                    removes="a larger code",
                ),
            ),
        ),
        Claim(
            "deep",
            "deep ones are worse than shallow",
            (
                Contrast("5 epochs", *_shallow_and_deep(), _DEEPER),
                Contrast("2 epochs", *_shallow_and_deep(epochs=2), _DEEPER, removes="more epochs"),
                Contrast("10 epochs", *_shallow_and_deep(epochs=10), _DEEPER, removes="too few epochs"),
            ),
        ),
        # The sentence ends "unless batch norm is used".
        Claim(
            "deep-batch-norm",
            "with batch norm deep ones are better than shallow",
            (
                Contrast("5 epochs", *_shallow_and_deep("-bn")[::-1], _SHALLOWER_BN),
                Contrast("2 epochs", *_shallow_and_deep("-bn", epochs=2)[::-1], _SHALLOWER_BN, removes="more epochs"),
                Contrast(
                    "10 epochs", *_shallow_and_deep("-bn", epochs=10)[::-1], _SHALLOWER_BN, removes="too few epochs"
                ),
            ),
        ),
        Claim(
            "mse",
            "MSE works better than cross-entropy",
            (
                Contrast(
                    "cross-entropy",
                    _system("shallow-strided"),
                    _system("shallow-strided", loss="bce"),
                    "loss mse → bce",
                    equal=("code size", "parameters"),
                ),
                Contrast(
                    "cross-entropy, each at its best learning rate",
                    replace(_system("shallow-strided"), rates=_RATES),
                    replace(_system("shallow-strided", loss="bce"), rates=_RATES),
                    "loss mse → bce",
                    equal=("code size", "parameters"),
                    removes="a learning rate that suits one loss",
                ),
                Contrast(
                    "mean absolute error, each at its best learning rate",
                    replace(_system("shallow-strided"), rates=_RATES),
                    replace(_system("shallow-strided", loss="mae"), rates=_RATES),
                    "loss mse → mae",
                    equal=("code size", "parameters"),
                    removes="a loss that is not a distance",
                ),
            ),
        ),
    )
}
