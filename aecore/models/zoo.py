"""The seed's systems (rtflynn/Cifar-Autoencoder, Keras, 2018) and ours: architecture, recipe and one sentence each.

Where the seed left a layer or a number out, the choice made here stands in the system's own entry. Ours follow the
seed's: denoisers that answer its last question, and codes small enough to stand beside PCA. To add a system: one entry
in `SYSTEMS`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Any, Literal

from aecore import AecoreError
from aecore.data.noise import Noise
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec

Family = Literal["dense", "conv + dense", "shallow", "deep", "denoising", "compressing"]


class UnknownSystemError(AecoreError):
    """No system has this name; the text suggests the nearest."""


@dataclass(frozen=True)
class Start:
    """What a run can start from: an architecture, and the recipe and data set that it is trained with by default."""

    name: str
    title: str
    architecture: Architecture
    recipe: Recipe
    dataset: str


@dataclass(frozen=True)
class System(Start):
    """A system of the zoo. `seed_psnr` is the pooled PSNR in dB of the 400 test pictures that the seed printed,
    `seed_words` what it wrote about the system: empty for ours."""

    family: Family
    story: str
    seed_words: str = ""
    seed_psnr: float | None = None


_CODE_8 = "conv32 | conv32:s2 | conv32 | conv32:s2 | conv32"
_OUTPUT = "conv3:k1:sigmoid"
_UNET = (
    "skip | conv48:k4:s2:gelu | skip | conv96:k2:s2:gelu | skip | conv128:k2:s2:gelu | conv128:gelu "
    "| deconv96:k2:linear | add | conv96:gelu | deconv48:k2:linear | add | deconv3:k4:linear | add"
)
_SHALLOW_BN = f"conv32 | bn | conv32:s2 | conv32 | bn | up | conv32 | bn | {_OUTPUT}"
_RESIDUAL: dict[str, Any] = {
    "noise": "gaussian:0..1",
    "loss": "mae",
    "schedule": "cosine",
    "batch_size": 50,
    "learning_rate": 2e-3,
}


def _system(
    name: str,
    title: str,
    family: Family,
    layers: str,
    epochs: int,
    story: str,
    seed_words: str = "",
    seed_psnr: float | None = None,
    noise: str | None = None,
    dataset: str = "cifar10",
    **settings: Any,
) -> System:
    """A system whose recipe has these `settings` beside its epochs and its noise."""
    recipe = Recipe(epochs=epochs, noise=Noise.parse(noise) if noise else None, **settings)
    return System(name, title, Architecture.parse(layers), recipe, dataset, family, story, seed_words, seed_psnr)


def _compressing(numbers: int, story: str, before: str, after: str, epochs: int, **settings: Any) -> System:
    """PCA at first, with as many components; what is learned is what blocks `before` and `after` it can add."""
    return _system(
        f"compress-{numbers}",
        f"Compressor, {numbers:,} numbers",
        "compressing",
        f"{before} | flatten | dense{numbers}:linear | dense3072:linear | reshape3x32x32 | {after}",
        epochs,
        story,
        initialisation="pca",
        schedule="cosine",
        **settings,
    )


SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        _system(
            "mnist-dense",
            "MNIST warm-up",
            "dense",
            "1x28x28 | flatten | dense100 | dense100 | dense100 | dense784:sigmoid | reshape1x28x28",
            10,
            "Handwritten digits are simple enough that a hundred numbers and no convolution will do.",
            "looks right",
            dataset="mnist",
        ),
        _system(
            "dense",
            "Dense",
            "dense",
            "flatten | dense1024 | dense3072:sigmoid | reshape3x32x32",
            5,
            "One fully connected layer each way: 1,024 numbers for a picture, and the neighbourhood is forgotten.",
            "fully connected layers always hurt",
            21.6,
        ),
        _system(
            "dense-deep",
            "Deep dense",
            "dense",
            "flatten | dense3072 | dense2048 | dense1024 | dense3072:sigmoid | reshape3x32x32",
            5,
            "Two more dense layers before the same code: three times the weights, and a worse picture.",
            "more dense layers are worse",
            19.3,
        ),
        _system(
            "conv-dense",
            "Conv + dense",
            "conv + dense",
            "conv32 | pool | conv32 | pool | conv32 | flatten | dense2048 | dense2048 | reshape32x8x8 "
            f"| up | conv32 | up | {_OUTPUT}",
            5,
            "Convolutions around a dense middle, which mixes up the places that the convolutions kept apart.",
            "fully connected layers always hurt",
            20.4,
        ),
        _system(
            # The seed gives no layers for it: one more convolution before the dense ones, batch norm after the
            # convolutions on the way in and once in the middle.
            "conv-dense-bn",
            "Kitchen sink",
            "conv + dense",
            "conv32 | bn | pool | conv32 | bn | pool | conv32 | bn | conv32 | flatten | dense2048 | bn "
            f"| dense2048 | reshape32x8x8 | up | conv32 | bn | up | {_OUTPUT}",
            5,
            "Everything at once: another convolution, batch norm here and there, and dense layers in the middle.",
            "the kitchen sink",
            18.7,
        ),
        _system(
            "shallow-maxpool",
            "Shallow, max pool",
            "shallow",
            f"conv32 | pool | conv32 | up | conv32 | {_OUTPUT}",
            2,
            "Halve the picture once by max pooling and double it again: good after two epochs.",
            "max pooling is OK but strided convolution is better",
            28.1,
        ),
        _system(
            "shallow-strided",
            "Shallow, strided",
            "shallow",
            f"conv32 | conv32:s2 | conv32 | up | conv32 | {_OUTPUT}",
            2,
            "The same with a strided convolution in place of the pool, so that the halving is learned.",
            "max pooling is OK but strided convolution is better",
            30.4,
        ),
        _system(
            "shallow-strided-bn",
            "Shallow, strided, batch norm",
            "shallow",
            _SHALLOW_BN,
            4,
            "The same again with batch norm after three of the convolutions, and two more epochs.",
            "batch norm gives a small but noticeable benefit",
            30.2,
        ),
        _system(
            "deep-strided-8",
            "Deep, strided to 8×8",
            "deep",
            f"{_CODE_8} | up | conv32 | up | conv32 | {_OUTPUT}",
            5,
            "Two halvings: 2,048 numbers, the first of the convolutional codes that has to compress.",
            "worse and worse",
        ),
        _system(
            "deep-strided-4",
            "Deep, strided to 4×4",
            "deep",
            f"{_CODE_8} | conv32:s2 | conv32 | up | conv32 | up | conv32 | up | conv32 | {_OUTPUT}",
            5,
            "Three halvings: 512 numbers for a picture of 3,072.",
            "reducing the image too many times destroys performance",
        ),
        _system(
            "deep-strided-8-bn",
            "Deep, strided to 8×8, batch norm",
            "deep",
            "conv32 | bn | conv32:s2 | conv32 | bn | conv32:s2 | conv32 | bn | up | conv32 | bn | up | conv32 | bn "
            f"| {_OUTPUT}",
            5,
            "Two halvings with batch norm: does it make depth trainable?",
            "the best of the lot, in one version of the text",
        ),
        _system(
            "deep-strided-4-bn",
            "Deep, strided to 4×4, batch norm",
            "deep",
            "conv32 | bn | conv32:s2 | conv32 | bn | conv32:s2 | conv32 | bn | conv32:s2 | conv32 | bn "
            f"| up | conv32 | bn | up | conv32 | bn | up | conv32 | bn | {_OUTPUT}",
            5,
            "Three halvings with batch norm: 512 numbers for a picture of 3,072.",
            "deep ones are worse than shallow unless batch norm is used",
        ),
        _system(
            "deep-maxpool-8",
            "Deep, max pool to 8×8",
            "deep",
            f"conv32 | pool | conv32 | pool | conv32 | up | conv32 | up | conv32 | {_OUTPUT}",
            5,
            "Two max pools in place of the strided convolutions.",
            "regardless of pooling method",
        ),
        _system(
            "deep-maxpool-4",
            "Deep, max pool to 4×4",
            "deep",
            "conv32 | pool | conv32 | pool | conv32 | pool | conv32 | up | conv32 | up | conv32 | up | conv32 "
            f"| {_OUTPUT}",
            5,
            "Three max pools: 4×4 places are left, 512 numbers in all.",
            "reducing the image too many times destroys performance, whatever the pooling",
        ),
        _system(
            "denoise-030",
            "Denoiser, σ 0.3",
            "denoising",
            _SHALLOW_BN,
            9,
            "The shallow strided network with batch norm, shown noisy pictures and asked for the clean ones.",
            "a simple weighted average over neighbors",
            noise="gaussian:0.3",
        ),
        _system(
            "denoise-100",
            "Denoiser, σ 1.0",
            "denoising",
            _SHALLOW_BN,
            9,
            "The same under noise three times as strong, where hardly a shape is left to see.",
            "a simple weighted average over neighbors",
            noise="gaussian:1.0",
        ),
        _system(
            "denoise-blind",
            "Denoiser, any σ",
            "denoising",
            _SHALLOW_BN,
            9,
            "The same again, never told how strong the noise is: every picture gets its own level from 0 to 1.",
            noise="gaussian:0..1",
        ),
        _system(
            # As DnCNN (Zhang et al. 2017, "Beyond a Gaussian denoiser"), but without batch norm: how large the noise is
            # must come through.
            "denoise-residual",
            "Denoiser, residual",
            "denoising",
            "skip | conv32 | conv32 | conv32 | conv32 | conv3:linear | add",
            9,
            "Asked for the noise and not for the picture, at any σ; it never leaves the full resolution.",
            **_RESIDUAL,
        ),
        _system(
            # Two resolutions more than the seed's, each with a way around it for what needs no wider view.
            "denoise-unet",
            "Denoiser, U-Net",
            "denoising",
            "skip | conv32 | skip | conv64:k2:s2 | conv64 | skip | conv128:k2:s2 | conv128 | skip | conv128:k2:s2 "
            "| conv128 | deconv128:k2 | add | conv128 | deconv64:k2 | add | conv64 | deconv32:k2 | add | conv32 "
            "| conv3:linear | add",
            30,
            "Asked for the noise and not for the picture, at four resolutions with a way around each.",
            **_RESIDUAL,
        ),
        # The more numbers, the closer to the edge: with steps of 1e-3 the one of 256 comes apart in its second epoch.
        *(
            _compressing(
                numbers,
                f"PCA with {numbers} components at first; a U-Net before it and one after it learn the rest.",
                _UNET,
                _UNET,
                epochs,
                batch_size=50,
                learning_rate=rate,
            )
            for numbers, epochs, rate in ((64, 20, 1e-3), (128, 30, 1e-3), (256, 25, 5e-4))
        ),
        # Where PCA is nearly exact, larger steps lose more than there is to learn.
        *(
            _compressing(
                numbers,
                story,
                "skip | conv32:gelu | conv3:linear | add",
                "skip | conv64:k4:s2:gelu | conv64:gelu | deconv3:k4:linear | add",
                5,
                learning_rate=rate,
            )
            for numbers, story, rate in (
                (512, "PCA with 512 components: the less the code leaves out, the less there is to learn.", 1e-4),
                (1024, "PCA with 1,024 components, as many numbers as the dense system keeps.", 3e-5),
            )
        ),
    )
}


def find(name: str) -> System:
    """The system called `name`; `UnknownSystemError` suggests the nearest names."""
    if name in SYSTEMS:
        return SYSTEMS[name]
    near = difflib.get_close_matches(name, SYSTEMS, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UnknownSystemError(f"There is no system {name!r}: {hint}Systems: {', '.join(SYSTEMS)}.")


def from_text(text: str) -> Start:
    """A system by its name, or what a line of layers describes: the system with these layers, or else one of its own
    on the data set whose pictures have this shape, with the default recipe.

    Raises `UnknownSystemError` for an unknown name, and what `Architecture.parse` raises for layers that do not fit.
    """
    if not _is_architecture(text):
        return find(text)
    architecture = Architecture.parse(text)
    alike = [system for system in SYSTEMS.values() if system.architecture.input_shape == architecture.input_shape]
    for system in alike:
        if system.architecture == architecture:
            return system
    return Start("custom", "Custom", architecture, Recipe(), alike[0].dataset if alike else "cifar10")


def from_run(spec: RunSpec) -> Start:
    """What was run, to start another run from; a system of the zoo keeps its title and words."""
    known = SYSTEMS.get(spec.name)
    if known is None or known.architecture != spec.architecture:
        return Start(spec.name, spec.name.capitalize(), spec.architecture, spec.recipe, spec.dataset)
    return replace(known, recipe=spec.recipe, dataset=spec.dataset)


def _is_architecture(text: str) -> bool:
    """Whether this is meant as a line of layers and not as a name: `conv4 | up`, `conv3:k1` or `1x28x28`."""
    return "|" in text or ":" in text or (text[:1].isdigit() and "x" in text)


def is_own(spec: RunSpec) -> bool:
    """Whether this is a system's own run: its architecture, recipe and data at seed 0, and not a variant."""
    system = SYSTEMS.get(spec.name)
    return (
        system is not None
        and spec.seed == 0
        and (system.architecture, system.recipe, system.dataset) == (spec.architecture, spec.recipe, spec.dataset)
    )


def label(spec: RunSpec) -> str:
    """What people call a run: the system's name, and for a variant of it the first digits of its key too."""
    return spec.name if is_own(spec) else f"{spec.name} {spec.key[:6]}"
