"""The twelve sentences of the study of 2018 as claims: what each one compares, and in what the sides differ.

The study ends with "my sample sizes are far too small to be sure of any of my above conclusions". A claim says what
would make them large enough: contrasts of two ways of training, each trained from several seeds. All this is fixed
before its runs, and `Claim.key` holds it fixed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any, get_args

from aecore.data.noise import Noise
from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.studies.contrasts import LEGIBLE, SSIM, Budget, Claim, Contrast, Side

_OUTPUT = "conv3:k1:sigmoid"
_UP_FROM_4 = f"up | conv32 | up | conv32 | up | conv32 | {_OUTPUT}"
_DOWN_TO_8 = "conv32 | conv32:s2 | conv32 | conv32:s2"

# Architectures that no system of the study has, by the name that they have in sentences.
_LINES = {
    "convolutions to 2,048 numbers": f"conv32 | pool | conv32 | pool | conv32 | up | conv32 | up | {_OUTPUT}",
    "convolutions to 1,024 numbers": f"{_DOWN_TO_8} | conv16 | up | conv32 | up | conv32 | {_OUTPUT}",
    "linear dense layers that start as PCA": "flatten | dense1024:linear | dense3072:linear | reshape3x32x32",
    "a dense network as small": "flatten | dense13 | dense3072:sigmoid | reshape3x32x32",  # as deep-strided-4
    "dense layers of equal width": ("flatten | dense1024 | dense1024 | dense1024 | dense3072:sigmoid | reshape3x32x32"),
    "strided to 4×4 with 128 channels": f"{_DOWN_TO_8} | conv32 | conv128:s2 | conv128 | {_UP_FROM_4}",
    "max pool to 4×4 with 128 channels": f"conv32 | pool | conv32 | pool | conv128 | pool | conv128 | {_UP_FROM_4}",
    "max pool with one more convolution": f"conv32 | conv32 | pool | conv32 | up | conv32 | {_OUTPUT}",
    "shallow with 2,048 numbers": f"conv32 | conv8:s2 | conv32 | up | conv32 | {_OUTPUT}",
    "the same layers without ReLU": (
        "conv32:linear | bn | conv32:s2:linear | conv32:linear | bn | up | conv32:linear | bn | conv3:k1:linear"
    ),
    "one convolution of 11×11": "conv3:k11:linear",  # as far as the denoiser sees
    "three layers of 32": "1x28x28 | flatten | dense32 | dense32 | dense32 | dense784:sigmoid | reshape1x28x28",
    "two layers of 100": "1x28x28 | flatten | dense100 | dense100 | dense784:sigmoid | reshape1x28x28",
    "one layer of 100": "1x28x28 | flatten | dense100 | dense784:sigmoid | reshape1x28x28",
    "one layer of 32": "1x28x28 | flatten | dense32 | dense784:sigmoid | reshape1x28x28",
}


def _system(name: str, **changes: Any) -> Side:
    """A system of the study, with some settings of its recipe changed; the label names them, but not the epochs."""
    system = zoo.SYSTEMS[name]
    label = ", ".join([name, *(f"{setting} {value}" for setting, value in changes.items() if setting == "loss")])
    return Side(label, system.architecture, replace(system.recipe, **changes), system.dataset)


def _layers(name: str, epochs: int, dataset: str = "cifar10", **changes: Any) -> Side:
    """An architecture of `_LINES`, with the study's recipe."""
    return Side(name, Architecture.parse(_LINES[name]), Recipe(epochs=epochs, **changes), dataset)


def _and_redrawn(own: Contrast, *others: Contrast) -> tuple[Contrast, ...]:
    """The contrasts of a claim, and its own once more with other training pictures for each seed."""
    first, second = (replace(side, recipe=replace(side.recipe, redraw=True)) for side in own.sides)
    name, removes = f"{own.name}, other training pictures for each seed", "one draw of the training pictures"
    return own, *others, replace(own, name=name, first=first, second=second, removes=removes)


_SIGMA_03, _SIGMA_1 = Noise("gaussian", 0.3), Noise("gaussian", 1.0)
_RATES = (3e-4, 1e-3, 3e-3)


def _shallow_and_deep(batch_norm: str = "", **changes: int) -> tuple[Side, Side]:
    """The shallow strided network and the deep one; `batch_norm` is "-bn" or nothing."""
    epochs = {"epochs": 5} | changes
    return _system(f"shallow-strided{batch_norm}", **epochs), _system(f"deep-strided-8{batch_norm}", **epochs)


_DEEPER = "+ conv32; + conv32:s2; + up; + conv32"
_TO_DENSE = (
    "conv32 → flatten; conv32:s2 → dense1024; conv32 → dense3072:sigmoid; conv32:s2 → reshape3x32x32; "
    "− conv16; − up; − conv32; − up; − conv32; − conv3:k1:sigmoid"
)
_UNLESS = "with batch norm the deep one is better"
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
                    _layers("convolutions to 2,048 numbers", 5),
                    _system("conv-dense"),
                    "+ flatten; + dense2048; + dense2048; + reshape32x8x8",
                    equal=("code size",),
                ),
                Contrast(
                    "a dense network",
                    _layers("convolutions to 1,024 numbers", 5),
                    _system("dense"),
                    _TO_DENSE,
                    equal=("code size",),
                    removes="convolutions around the dense layers",
                ),
                Contrast(
                    "equal parameters",
                    _system("deep-strided-4"),
                    _layers("a dense network as small", 5),
                    "conv32 → flatten; conv32:s2 → dense13; conv32 → dense3072:sigmoid; "
                    "conv32:s2 → reshape3x32x32; − conv32; − conv32:s2; − conv32; − up; − conv32; − up; "
                    "− conv32; − up; − conv32; − conv3:k1:sigmoid",
                    equal=("parameters",),
                    removes="more parameters (with a smaller code)",
                ),
                Contrast(
                    "dense layers that start as PCA",
                    _layers("convolutions to 1,024 numbers", 5),
                    _layers("linear dense layers that start as PCA", 5, initialisation="pca"),
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
                    _layers("dense layers of equal width", 5),
                    "+ dense1024; + dense1024",
                    equal=("code size",),
                    removes="wider layers",
                ),
            ),
        ),
        Claim(
            "halvings",
            "reducing the image too many times destroys performance, whatever the pooling",
            _and_redrawn(
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
                    _layers("strided to 4×4 with 128 channels", 5),
                    "+ conv32; + conv128:s2; + conv128; + up",
                    equal=("code size",),
                    removes="a smaller code",
                ),
                Contrast(
                    "max pool, equal code size",
                    _system("deep-maxpool-8"),
                    _layers("max pool to 4×4 with 128 channels", 5),
                    "+ conv128; + pool; + conv128; + up",
                    equal=("code size",),
                    removes="a smaller code",
                ),
            ),
        ),
        Claim(
            "strided",
            "max pooling is OK but strided convolution is better",
            _and_redrawn(
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
                    _layers("max pool with one more convolution", 2),
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
            _and_redrawn(
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
                    removes="more seconds (and with more epochs)",
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
            _and_redrawn(
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
                    removes="more seconds (and with more epochs)",
                ),
                Contrast(
                    "equal code size",
                    _layers("shallow with 2,048 numbers", 2),
                    _system("deep-strided-8", epochs=2),
                    "conv8:s2 → conv32:s2; + conv32; + conv32:s2; + conv32; + up",
                    equal=("code size",),
                    removes="a larger code",
                ),
            ),
        ),
        Claim(
            "deep",
            "deep ones are worse than shallow unless batch norm is used",
            (
                Contrast("5 epochs", *_shallow_and_deep(), _DEEPER),
                Contrast("2 epochs", *_shallow_and_deep(epochs=2), _DEEPER, removes="more epochs"),
                Contrast("10 epochs", *_shallow_and_deep(epochs=10), _DEEPER, removes="too few epochs"),
                # "Unless": with batch norm the deep one comes first.
                Contrast(
                    _UNLESS,
                    *_shallow_and_deep("-bn")[::-1],
                    _SHALLOWER_BN,
                    removes="the lack of batch norm",
                    is_part=True,
                ),
                Contrast(
                    f"{_UNLESS}, 2 epochs",
                    *_shallow_and_deep("-bn", epochs=2)[::-1],
                    _SHALLOWER_BN,
                    removes="the lack of batch norm",
                    is_part=True,
                ),
                Contrast(
                    f"{_UNLESS}, 10 epochs",
                    *_shallow_and_deep("-bn", epochs=10)[::-1],
                    _SHALLOWER_BN,
                    removes="the lack of batch norm",
                    is_part=True,
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
                Contrast(
                    "cross-entropy, each at its best learning rate, by SSIM",
                    replace(_system("shallow-strided"), rates=_RATES),
                    replace(_system("shallow-strided", loss="bce"), rates=_RATES),
                    "loss mse → bce",
                    equal=("code size", "parameters"),
                    removes="a measure that is the loss of one side",
                    measure=SSIM,
                ),
                Contrast(
                    "mean absolute error, each at its best learning rate, by SSIM",
                    replace(_system("shallow-strided"), rates=_RATES),
                    replace(_system("shallow-strided", loss="mae"), rates=_RATES),
                    "loss mse → mae",
                    equal=("code size", "parameters"),
                    removes="a measure that is the loss of one side",
                    measure=SSIM,
                ),
            ),
        ),
        Claim(
            "denoiser",
            'the denoiser is "a simple weighted average over neighbours"',
            (
                Contrast(
                    "the same layers without ReLU",
                    _layers("the same layers without ReLU", 9, noise=_SIGMA_03),
                    _system("denoise-030"),
                    "conv32:linear → conv32; conv32:s2:linear → conv32:s2; conv32:linear → conv32; "
                    "conv32:linear → conv32; conv3:k1:linear → conv3:k1:sigmoid",
                    equal=("code size", "parameters"),
                ),
                Contrast(
                    "one convolution",
                    _layers("one convolution of 11×11", 9, noise=_SIGMA_03),
                    _system("denoise-030"),
                    "conv3:k11:linear → conv32; + bn; + conv32:s2; + conv32; + bn; + up; + conv32; + bn; "
                    "+ conv3:k1:sigmoid",
                    removes="a code in between",
                ),
                Contrast(
                    "the same layers without ReLU, σ 1",
                    _layers("the same layers without ReLU", 9, noise=_SIGMA_1),
                    _system("denoise-100"),
                    "conv32:linear → conv32; conv32:s2:linear → conv32:s2; conv32:linear → conv32; "
                    "conv32:linear → conv32; conv3:k1:linear → conv3:k1:sigmoid",
                    equal=("code size", "parameters"),
                    removes="the choice of one noise level",
                ),
            ),
            says="no worse",
        ),
        Claim(
            "legible",
            'dense reconstructions are "blurry images from which it would be difficult to extract class labels"',
            (
                Contrast(
                    "a dense network",
                    _layers("convolutions to 1,024 numbers", 5),
                    _system("dense"),
                    _TO_DENSE,
                    equal=("code size",),
                    measure=LEGIBLE,
                ),
                Contrast(
                    "a deeper dense network",
                    _layers("convolutions to 1,024 numbers", 5),
                    _system("dense-deep"),
                    "conv32 → flatten; conv32:s2 → dense3072; conv32 → dense2048; conv32:s2 → dense1024; "
                    "conv16 → dense3072:sigmoid; up → reshape3x32x32; − conv32; − up; − conv32; − conv3:k1:sigmoid",
                    equal=("code size",),
                    removes="the choice of one dense network",
                    measure=LEGIBLE,
                ),
            ),
        ),
        Claim(
            "eye",
            'once good enough, "it\'s hard for the human eye to see the difference", and MSE "probably won\'t help us '
            'discriminate between the best models"',
            (
                Contrast(
                    "the best two of the study",
                    _system("shallow-strided-bn"),
                    _system("shallow-strided", epochs=4),
                    "− bn; − bn; − bn",
                    equal=("code size",),
                ),
                Contrast(
                    "another pair",
                    _system("shallow-strided"),
                    _system("shallow-maxpool"),
                    "conv32:s2 → pool",
                    equal=("code size",),
                    removes="the choice of one pair",
                    is_part=True,
                ),
                Contrast(
                    "the best two of the study, by SSIM",
                    _system("shallow-strided-bn"),
                    _system("shallow-strided", epochs=4),
                    "− bn; − bn; − bn",
                    equal=("code size",),
                    removes="MSE as the judge",
                    measure=SSIM,
                ),
            ),
            says="equal",
        ),
        Claim(
            "mnist",
            'the digits of MNIST are "almost too easy": many fewer hidden units, and one or two layers, do as well',
            (
                Contrast(
                    "fewer units",
                    _layers("three layers of 32", 10, "mnist"),
                    _system("mnist-dense"),
                    "dense32 → dense100; dense32 → dense100; dense32 → dense100",
                ),
                Contrast(
                    "two layers",
                    _layers("two layers of 100", 10, "mnist"),
                    _system("mnist-dense"),
                    "+ dense100",
                    equal=("code size",),
                    removes="a smaller code",
                    is_part=True,
                ),
                Contrast(
                    "one layer",
                    _layers("one layer of 100", 10, "mnist"),
                    _system("mnist-dense"),
                    "+ dense100; + dense100",
                    equal=("code size",),
                    removes="a smaller code",
                    is_part=True,
                ),
                Contrast(
                    "one layer and fewer units",
                    _layers("one layer of 32", 10, "mnist"),
                    _system("mnist-dense"),
                    "dense32 → dense100; + dense100; + dense100",
                    removes="several layers",
                    is_part=True,
                ),
            ),
            says="no worse",
        ),
    )
}


# ---- whose runs they need

_Training = tuple[str, Recipe, str]  # the layers, the recipe and the data set
_Place = tuple[str, str, Budget, bool]  # the names of a claim and of its contrast, the budget, and whether side one


@cache
def _sides() -> dict[_Training, tuple[_Place, ...]]:
    """Every way of training that a claim compares, with the claims, contrasts and budgets that it is a side of."""
    places = defaultdict[_Training, list[_Place]](list)
    for claim in CLAIMS.values():
        for contrast, budget in product(claim.contrasts, get_args(Budget)):
            for side in contrast.sides:
                for recipe in side.recipes(budget):
                    place = claim.name, contrast.name, budget, side is contrast.first
                    places[str(side.architecture), recipe, side.dataset].append(place)
    return {training: tuple(names) for training, names in places.items()}


def has_side(spec: RunSpec) -> bool:
    """Whether a claim compares this way of training with another one."""
    return _training(spec) in _sides()


def comparing(first: RunSpec, second: RunSpec) -> tuple[str, str, Budget] | None:
    """The claim, contrast and budget whose sides are trained as these two runs; None where there is none."""
    others = _sides().get(_training(second), ())
    for claim, contrast, budget, is_first in _sides().get(_training(first), ()):
        if (claim, contrast, budget, not is_first) in others:
            return claim, contrast, budget
    return None


def _training(spec: RunSpec) -> _Training:
    return str(spec.architecture), spec.recipe, spec.dataset
