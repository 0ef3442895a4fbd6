"""The systems of the study of 2018 (rtflynn/Cifar-Autoencoder, Keras) and ours: architecture, recipe and one sentence.

The comments in `SYSTEMS` say what was chosen where the study left out a layer or a number. Our systems continue the
study: denoisers that answer its last question, and codes small enough to compare with PCA. To add a system: add one
entry to `SYSTEMS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from aecore import AecoreError, did_you_mean
from aecore.data import catalog
from aecore.data.noise import Noise
from aecore.files import folders
from aecore.models.abridged import abridged
from aecore.models.architecture import Architecture
from aecore.models.layers import LayerError, Shape, parse_layer
from aecore.models.own_zoo import OwnZoo
from aecore.models.recipe import Recipe, RunSpec

CUSTOM = "custom"  # what an architecture without a name is called
Family = Literal["dense", "conv + dense", "shallow", "deep", "denoising", "compressing", "your own"]


class UnknownSystemError(AecoreError):
    """No system has this name; the message suggests the nearest."""


@dataclass(frozen=True)
class Start:
    """The starting point of a run: an architecture, and the recipe and data set that it is trained with by default."""

    name: str
    title: str
    architecture: Architecture
    recipe: Recipe
    dataset: str = "cifar10"


@dataclass(frozen=True, kw_only=True)
class System(Start):
    """A system of the zoo, or (family `your own`) an architecture that was saved beside the runs.

    `seed_words` is what the study of 2018 wrote about it, and `seed_psnr` the pooled PSNR in dB of the 400 test
    pictures that it printed; our own systems have neither.
    """

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
_ANY_LEVEL = Noise("gaussian", 1.0, low=0.0)
_RESIDUAL = Recipe(epochs=9, noise=_ANY_LEVEL, loss="mae", schedule="cosine", batch_size=50, learning_rate=2e-3)
# Weak noise counts as much as strong noise: the logarithm of its level is drawn, and that of the error is the loss.
_ALL_ALIKE = Recipe(
    epochs=30,
    noise=Noise("gaussian", 1.0, low=0.02, logarithmic=True),
    loss="psnr",
    schedule="cosine",
    batch_size=50,
    learning_rate=1.5e-3,
    average=0.999,
    flips=True,
)
_FROM_PCA = Recipe(initialisation="pca", schedule="cosine")


def _residual(channels: int, inside: int | None = None) -> str:
    """The layers of a residual block: two convolutions, whose output is added to their input."""
    return f"skip | conv{inside or channels} | conv{channels}:linear | add"


def _of_patches(levels: Sequence[tuple[int, int, int, int]], code: str) -> Architecture:
    """Linear convolutions of patches and of patches of these, which can start as PCA, and their transposes back.

    Each level has the side of its patches, its channels, and how many residual blocks with how many channels inside
    follow it on both ways.
    """
    down, back, channels = list[str](), list[str](), 3
    for side, wide, blocks, inside in levels:
        learned = blocks * [_residual(wide, inside)]
        down += [f"conv{wide}:k{side}:s{side}:linear", *learned]
        back = [*learned, f"deconv{channels}:k{side}:s{side}:linear", *back]
        channels = wide
    return Architecture.parse(" | ".join([*down, code, *back]))


def _compressor(numbers: int, story: str, before: str, after: str, recipe: Recipe) -> System:
    """A compressor to `numbers` numbers that starts as PCA; the blocks `before` and `after` it learn the rest."""
    code = f"flatten | dense{numbers}:linear | dense3072:linear | reshape3x32x32"
    return System(
        name=f"compress-{numbers}",
        title=f"Compressor, {numbers:,} numbers",
        family="compressing",
        architecture=Architecture.parse(f"{before} | {code} | {after}"),
        recipe=recipe,
        story=story,
    )


SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        System(
            name="mnist-dense",
            title="MNIST warm-up",
            family="dense",
            architecture=Architecture.parse(
                "1x28x28 | flatten | dense100 | dense100 | dense100 | dense784:sigmoid | reshape1x28x28"
            ),
            recipe=Recipe(epochs=10),
            dataset="mnist",
            story="Handwritten digits are simple: a code of 100 numbers and no convolution are enough.",
            seed_words="looks right",
        ),
        System(
            name="dense",
            title="Dense",
            family="dense",
            architecture=Architecture.parse("flatten | dense1024 | dense3072:sigmoid | reshape3x32x32"),
            recipe=Recipe(epochs=5),
            story="One dense layer each way and a code of 1,024 numbers. It does not know which pixels are neighbours.",
            seed_words="fully connected layers always hurt",
            seed_psnr=21.6,
        ),
        System(
            name="dense-deep",
            title="Deep dense",
            family="dense",
            architecture=Architecture.parse(
                "flatten | dense3072 | dense2048 | dense1024 | dense3072:sigmoid | reshape3x32x32"
            ),
            recipe=Recipe(epochs=5),
            story="Two more dense layers before the same code: three times the weights, and a worse picture.",
            seed_words="more dense layers are worse",
            seed_psnr=19.3,
        ),
        System(
            name="conv-dense",
            title="Conv + dense",
            family="conv + dense",
            architecture=Architecture.parse(
                "conv32 | pool | conv32 | pool | conv32 | flatten | dense2048 | dense2048 | reshape32x8x8 "
                f"| up | conv32 | up | {_OUTPUT}"
            ),
            recipe=Recipe(epochs=5),
            story="Convolutions around dense layers, which mix the positions that the convolutions kept apart.",
            seed_words="fully connected layers always hurt",
            seed_psnr=20.4,
        ),
        # The study gives no layers for it. Chosen here: one more convolution before the dense layers, batch norm
        # after the convolutions of the encoder and once in the middle.
        System(
            name="conv-dense-bn",
            title="Kitchen sink",
            family="conv + dense",
            architecture=Architecture.parse(
                "conv32 | bn | pool | conv32 | bn | pool | conv32 | bn | conv32 | flatten | dense2048 | bn "
                f"| dense2048 | reshape32x8x8 | up | conv32 | bn | up | {_OUTPUT}"
            ),
            recipe=Recipe(epochs=5),
            story="Everything at once: another convolution, batch norm here and there, and dense layers in the middle.",
            seed_words="the kitchen sink",
            seed_psnr=18.7,
        ),
        System(
            name="shallow-maxpool",
            title="Shallow, max pool",
            family="shallow",
            architecture=Architecture.parse(f"conv32 | pool | conv32 | up | conv32 | {_OUTPUT}"),
            recipe=Recipe(epochs=2),
            story="Max pooling halves the picture once, upsampling doubles it again: good after two epochs.",
            seed_words="max pooling is OK but strided convolution is better",
            seed_psnr=28.1,
        ),
        System(
            name="shallow-strided",
            title="Shallow, strided",
            family="shallow",
            architecture=Architecture.parse(f"conv32 | conv32:s2 | conv32 | up | conv32 | {_OUTPUT}"),
            recipe=Recipe(epochs=2),
            story="Shallow with a strided convolution instead of the max pool, so that the halving is learned.",
            seed_words="max pooling is OK but strided convolution is better",
            seed_psnr=30.4,
        ),
        System(
            name="shallow-strided-bn",
            title="Shallow, strided, batch norm",
            family="shallow",
            architecture=Architecture.parse(_SHALLOW_BN),
            recipe=Recipe(epochs=4),
            story="Shallow, strided plus batch norm; four epochs instead of two.",
            seed_words="batch norm gives a small but noticeable benefit",
            seed_psnr=30.2,
        ),
        System(
            name="deep-strided-8",
            title="Deep, strided to 8×8",
            family="deep",
            architecture=Architecture.parse(f"{_CODE_8} | up | conv32 | up | conv32 | {_OUTPUT}"),
            recipe=Recipe(epochs=5),
            story="Two halvings: the code of 2,048 numbers is smaller than the picture, so it must compress.",
            seed_words="worse and worse",
        ),
        System(
            name="deep-strided-4",
            title="Deep, strided to 4×4",
            family="deep",
            architecture=Architecture.parse(
                f"{_CODE_8} | conv32:s2 | conv32 | up | conv32 | up | conv32 | up | conv32 | {_OUTPUT}"
            ),
            recipe=Recipe(epochs=5),
            story="Three halvings: 512 numbers for a picture of 3,072.",
            seed_words="reducing the image too many times destroys performance",
        ),
        System(
            name="deep-strided-8-bn",
            title="Deep, strided to 8×8, batch norm",
            family="deep",
            architecture=Architecture.parse(
                "conv32 | bn | conv32:s2 | conv32 | bn | conv32:s2 | conv32 | bn | up | conv32 | bn | up | conv32 | bn "
                f"| {_OUTPUT}"
            ),
            recipe=Recipe(epochs=5),
            story="Two halvings with batch norm: does it make depth trainable?",
            seed_words="the best of the lot",
        ),
        System(
            name="deep-strided-4-bn",
            title="Deep, strided to 4×4, batch norm",
            family="deep",
            architecture=Architecture.parse(
                "conv32 | bn | conv32:s2 | conv32 | bn | conv32:s2 | conv32 | bn | conv32:s2 | conv32 | bn "
                f"| up | conv32 | bn | up | conv32 | bn | up | conv32 | bn | {_OUTPUT}"
            ),
            recipe=Recipe(epochs=5),
            story="Three halvings with batch norm: 512 numbers for a picture of 3,072.",
            seed_words="deep ones are worse than shallow unless batch norm is used",
        ),
        System(
            name="deep-maxpool-8",
            title="Deep, max pool to 8×8",
            family="deep",
            architecture=Architecture.parse(
                f"conv32 | pool | conv32 | pool | conv32 | up | conv32 | up | conv32 | {_OUTPUT}"
            ),
            recipe=Recipe(epochs=5),
            story="Two max pools instead of the strided convolutions.",
            seed_words="regardless of pooling method",
        ),
        System(
            name="deep-maxpool-4",
            title="Deep, max pool to 4×4",
            family="deep",
            architecture=Architecture.parse(
                "conv32 | pool | conv32 | pool | conv32 | pool | conv32 | up | conv32 | up | conv32 | up | conv32 "
                f"| {_OUTPUT}"
            ),
            recipe=Recipe(epochs=5),
            story="Three max pools leave 4×4 positions, 512 numbers in all.",
            seed_words="reducing the image too many times destroys performance, whatever the pooling",
        ),
        System(
            name="denoise-030",
            title="Denoiser, σ 0.3",
            family="denoising",
            architecture=Architecture.parse(_SHALLOW_BN),
            recipe=Recipe(epochs=9, noise=Noise("gaussian", 0.3)),
            story="The shallow strided network with batch norm, trained to turn noisy pictures into clean ones.",
            seed_words="a simple weighted average over neighbors",
        ),
        System(
            name="denoise-100",
            title="Denoiser, σ 1.0",
            family="denoising",
            architecture=Architecture.parse(_SHALLOW_BN),
            recipe=Recipe(epochs=9, noise=Noise("gaussian", 1.0)),
            story="The network of the denoiser for σ 0.3, trained at σ 1, where hardly any shape is visible.",
            seed_words="a simple weighted average over neighbors",
        ),
        System(
            name="denoise-blind",
            title="Denoiser, any σ",
            family="denoising",
            architecture=Architecture.parse(_SHALLOW_BN),
            recipe=Recipe(epochs=9, noise=_ANY_LEVEL),
            story="The same network, trained at random levels from 0 to 1, one per picture.",
        ),
        # As DnCNN (Zhang et al. 2017, "Beyond a Gaussian denoiser"), but without batch norm, which would hide
        # how strong the noise is.
        System(
            name="denoise-residual",
            title="Denoiser, residual",
            family="denoising",
            architecture=Architecture.parse("skip | conv32 | conv32 | conv32 | conv32 | conv3:linear | add"),
            recipe=_RESIDUAL,
            story="Predicts the noise instead of the picture, at any σ and at full resolution throughout.",
        ),
        # Two more resolutions than the study's denoiser; skips carry what needs no wider view.
        System(
            name="denoise-unet",
            title="Denoiser, U-Net",
            family="denoising",
            architecture=Architecture.parse(
                "skip | conv32 | skip | conv64:k2:s2 | conv64 | skip | conv128:k2:s2 | conv128 | skip | conv128:k2:s2 "
                "| conv128 | deconv128:k2 | add | conv128 | deconv64:k2 | add | conv64 | deconv32:k2 | add | conv32 "
                "| conv3:linear | add"
            ),
            recipe=replace(_RESIDUAL, epochs=30),
            story="Predicts the noise instead of the picture, at four resolutions joined by skip connections.",
        ),
        # As DRUNet (Zhang et al. 2021, "Plug-and-play image restoration with deep denoiser prior"), but it is not told
        # the level, and it begins at half the resolution. Layers that change the resolution have no activation.
        System(
            name="denoise-res-unet",
            title="Denoiser, residual U-Net",
            family="denoising",
            architecture=Architecture.parse(
                f"skip | conv64:k4:s2:linear | {_residual(64)} | skip | conv128:k2:s2:linear | {_residual(128)} | skip "
                f"| conv256:k2:s2:linear | {_residual(256)} | deconv128:k2:linear | add | {_residual(128)} "
                f"| deconv64:k2:linear | add | {_residual(64)} | {_residual(64)} | deconv3:k4:linear | add"
            ),
            recipe=_ALL_ALIKE,
            story="A U-Net of residual blocks, trained so that weak noise counts as much as strong noise.",
        ),
        *(
            _compressor(
                numbers,
                f"PCA with {numbers} components at first; a U-Net before it and one after it learn the rest.",
                _UNET,
                _UNET,
                replace(recipe, batch_size=50),
            )
            for numbers, recipe in (
                (64, replace(_FROM_PCA, epochs=20)),
                (128, replace(_FROM_PCA, epochs=30, average=0.999, flips=True)),
            )
        ),
        # The same U-Nets diverge with 256 numbers unless the steps are small. Most is to be learned at half of the
        # picture's resolution: blocks there gain more than wider ones at lower resolutions.
        System(
            name="compress-256",
            title="Compressor, 256 numbers",
            family="compressing",
            architecture=_of_patches(
                [(2, 12, 4, 96), (2, 48, 1, 64)], "flatten | dense256:linear | dense3072:linear | reshape48x8x8"
            ),
            recipe=replace(_FROM_PCA, epochs=24, batch_size=50, average=0.999, flips=True),
            story="PCA with 256 components at first; residual blocks before it and after it learn the rest.",
        ),
        # Where PCA is almost exact, larger steps lose more than there is to gain.
        *(
            _compressor(
                numbers,
                story,
                "skip | conv32:gelu | conv3:linear | add",
                "skip | conv64:k4:s2:gelu | conv64:gelu | deconv3:k4:linear | add",
                replace(_FROM_PCA, epochs=5, learning_rate=rate),
            )
            for numbers, story, rate in (
                (512, "Starts as PCA with 512 components, which is nearly exact, so training gains little.", 1e-4),
                (1024, "Starts as PCA with 1,024 components, the code size of the dense system.", 3e-5),
            )
        ),
        # A transform, an entropy model and a transform back, as in Ballé et al. 2018 ("Variational image compression
        # with a scale hyperprior"), but one model for all rates. It starts as a codec that is linear, from which 800
        # steps make one that takes more than ten thousand steps from drawn weights. Four positions of many channels
        # suit few bits: what all of a picture shares is said once.
        System(
            name="compress-rates",
            title="Compressor, any rate",
            family="compressing",
            architecture=_of_patches([(4, 48, 2, 192), (2, 160, 2, 128), (2, 384, 1, 64)], "entropy7"),
            recipe=replace(
                _ALL_ALIKE,
                epochs=28,
                noise=None,
                initialisation="pca",
                learning_rate=2e-3,
                penalties=(("bits", 0.02),),
            ),
            story="Starts as PCA of patches, and is trained for bits instead of numbers, at any of seven rates.",
        ),
    )
}


def find(name: str) -> System:
    """The system called `name`, or the saved architecture; `UnknownSystemError` suggests the nearest name."""
    if name in SYSTEMS:
        return SYSTEMS[name]
    saved = saved_systems()
    if name in saved:
        return saved[name]
    hint = did_you_mean(name, [*SYSTEMS, *saved])
    names = f" Saved architectures: {', '.join(saved)}." if saved else ""
    raise UnknownSystemError(f"There is no system {name!r}: {hint}Systems: {', '.join(SYSTEMS)}.{names}")


def own_zoo(root: Path | None = None) -> OwnZoo:
    """The architectures that were saved beside the runs below `root`, by default `folders.checkpoints()`."""
    return OwnZoo(root or folders.checkpoints(), reserved={*SYSTEMS, CUSTOM})


def saved_systems() -> dict[str, System]:
    """The saved architectures by name, with the default recipe."""
    return {
        name: System(
            name=name,
            title=name.capitalize(),
            architecture=architecture,
            recipe=Recipe(),
            dataset=_dataset(architecture),
            family="your own",
            story=f"Saved: {abridged(architecture)}.",
        )
        for name, architecture in own_zoo().read().architectures.items()
    }


def from_text(text: str) -> Start:
    """Where to start from, given a system's name or a line of layers.

    A line of layers gives the system that has them, or the saved architecture, or else a custom start with the default
    recipe, on a data set whose pictures have this shape. Raises `UnknownSystemError` for an unknown name, and the
    errors of `Architecture.parse`.
    """
    if not _is_architecture(text):
        try:
            return find(text)
        except UnknownSystemError:
            if not _is_layer(text):
                raise
    return of(Architecture.parse(text))


def of(architecture: Architecture) -> Start:
    """The system with these layers, or the saved architecture, or else a custom start as of `from_text`."""
    known = (start for start in (*SYSTEMS.values(), *saved_systems().values()) if start.architecture == architecture)
    return next(known, None) or Start(CUSTOM, "Custom", architecture, Recipe(), _dataset(architecture))


def _dataset(architecture: Architecture) -> str:
    """A data set with pictures of the architecture's shape: the systems' own one, another, or CIFAR-10 for none."""
    shape = architecture.input_shape
    alike = (one.dataset for one in SYSTEMS.values() if one.architecture.input_shape == shape)
    return next(alike, None) or next(iter(catalog.with_shape(shape)), "cifar10")


def at_shape(start: Start, shape: Shape) -> Start:
    """The same start with its layers for pictures of another shape; `ArchitectureError` where they do not fit it."""
    return replace(start, architecture=start.architecture.at(shape))


def from_run(spec: RunSpec) -> Start:
    """The start that repeats or varies a run; a system of the zoo keeps its title and story."""
    known = SYSTEMS.get(spec.name)
    if known is None or known.architecture != spec.architecture:
        return Start(spec.name, spec.name.capitalize(), spec.architecture, spec.recipe, spec.dataset)
    return replace(known, recipe=spec.recipe, dataset=spec.dataset)


def _is_architecture(text: str) -> bool:
    """Whether `text` is a line of layers, such as `conv4 | up`, `conv3:k1` or `1x28x28`, and not a name."""
    return "|" in text or ":" in text or (text[:1].isdigit() and "x" in text)


def _is_layer(text: str) -> bool:
    """Whether `text` is a single layer, such as `conv3`."""
    try:
        parse_layer(text)
    except LayerError:
        return False
    return True


def is_own(spec: RunSpec) -> bool:
    """Whether a run has exactly a system's architecture, recipe and data, at seed 0, and is not a variant."""
    system = SYSTEMS.get(spec.name)
    return (
        system is not None
        and spec.seed == 0
        and (system.architecture, system.recipe, system.dataset) == (spec.architecture, spec.recipe, spec.dataset)
    )


def label(spec: RunSpec) -> str:
    """A run's name in texts: the system's name, followed for a variant by the first digits of its key."""
    return spec.name if is_own(spec) else f"{spec.name} {spec.key[:6]}"
