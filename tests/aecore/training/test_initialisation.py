"""Initialisation: weights fill the published intervals, or start as the PCA of the pictures."""

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from aecore.data import splits
from aecore.models.architecture import Architecture
from aecore.models.entropy_model import EntropyModel
from aecore.models.recipe import Initialisation, Recipe
from aecore.training import initialisation
from aecore.training.initialisation import initialise
from aecore.training.loop import train
from tests.aecore.rounding import of_projection
from tests.aecore.training.little import CPU, PCA_BLOCKS, dataset, ended, spec_of

pytestmark = pytest.mark.usefixtures("one_thread")


def test_initial_weights_fill_the_published_intervals() -> None:
    """Keras: Glorot uniform, ±√(6 / (fan in + fan out)), zero biases. Torch: ±1/√(fan in), biases too."""
    architecture = Architecture.parse("conv64 | conv32:k5:s2 | deconv16 | conv3:k1:sigmoid")
    fans = [(3 * 9, 64 * 9), (64 * 25, 32 * 25), (16 * 9, 32 * 9), (16, 3)]
    for kind in ("keras", "torch"):
        model = initialisation.build(architecture, Recipe(initialisation=kind), 0, CPU)  # type: ignore[arg-type]
        layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
        for layer, (fan_in, fan_out) in zip(layers, fans, strict=True):
            bound = (6 / (fan_in + fan_out)) ** 0.5 if kind == "keras" else fan_in**-0.5
            weight = layer.weight.detach()
            assert weight.abs().max() <= bound * (1 + 1e-6)
            assert float(weight.abs().max()) > 0.9 * bound
            if weight.numel() > 1000:
                assert float(weight.std()) == pytest.approx(bound / 3**0.5, rel=0.05)
            assert layer.bias is not None
            assert bool(layer.bias.any()) == (kind == "torch")
            assert float(layer.bias.detach().abs().max()) <= bound


def test_a_run_may_start_as_the_pca_of_its_pictures() -> None:
    """Before any step it gives what scikit-learn would: numpy's singular vectors are the truth here."""
    spec = spec_of(PCA_BLOCKS, initialisation="pca", images=30)
    pixels = dataset().train.pixels
    model = initialisation.build(spec.architecture, spec.recipe, 0, CPU, pixels[:30])
    flat = pixels.double().flatten(1).numpy() / 255
    mean = flat[:30].mean(0)
    axes = np.linalg.svd(flat[:30] - mean)[2][:10]
    expected = mean + (flat - mean) @ axes.T @ axes
    pictures = splits.to_float(pixels).double()
    with torch.inference_mode():
        output = model.double()(pictures).flatten(1).numpy()
    bound = of_projection(pictures, torch.from_numpy(mean), 10)
    np.testing.assert_allclose(output, expected, rtol=0, atol=bound)
    # Where it starts, it learns: no part of it is dead.
    first, last = (event.row.train_loss for event in ended(train(spec, dataset()))[:: spec.recipe.epochs - 1])
    assert last < first


def test_a_convolution_of_patches_may_start_as_their_pca() -> None:
    """The residual blocks change nothing at first, and a pass without rounding gives numpy's projection of patches."""
    pixels = dataset().train.pixels
    line = (
        "3x8x8 | skip | conv4 | conv3:linear | add | conv7:k4:s4:linear | skip | conv9 | conv7:linear | add "
        "| entropy2:h4 | skip | conv9 | conv7:linear | add | deconv3:k4:s4:linear"
    )
    spec = spec_of(line, initialisation="pca", loss="psnr", penalties=(("bits", 1e-3),))
    model = initialisation.build(spec.architecture, spec.recipe, 0, CPU, pixels)
    pictures = splits.to_float(pixels)
    rounding = next(index for index, layer in enumerate(model) if isinstance(layer, EntropyModel))
    model[rounding] = nn.Identity()
    with torch.inference_mode():
        output = model(pictures)
    patches = (pixels.numpy() / 255).reshape(-1, 3, 2, 4, 2, 4).transpose(0, 2, 4, 1, 3, 5).reshape(-1, 48)
    axes = np.linalg.svd(patches - patches.mean(0), full_matrices=False)[2][:7]
    mean = patches.mean(0).reshape(3, 16).mean(1).repeat(16)
    expected = (mean + (patches - mean) @ axes.T @ axes).reshape(-1, 2, 2, 3, 4, 4).transpose(0, 3, 1, 4, 2, 5)
    np.testing.assert_allclose(output, expected.reshape(pictures.shape), rtol=0, atol=1e-4)
    first, last = (event.row.train_loss for event in ended(train(spec, dataset()))[:: spec.recipe.epochs - 1])
    assert last < first


@pytest.mark.parametrize(
    "around",
    [
        "conv5:k2:s2:linear | deconv48:k2:s2:linear",
        "flatten | dense5:linear | dense192:linear | reshape48x2x2",
    ],
)
def test_patches_of_patches_start_as_the_pca_of_whole_pictures(around: str) -> None:
    """Where the first convolution loses nothing, the layers around the code have the components of what they see."""
    pixels = dataset().train.pixels
    line = f"3x8x8 | conv48:k4:s4:linear | skip | conv9 | conv48:linear | add | {around} | deconv3:k4:s4:linear"
    spec = spec_of(line, initialisation="pca")
    model = initialisation.build(spec.architecture, spec.recipe, 0, CPU, pixels).double()
    flat = pixels.double().flatten(1).numpy() / 255
    code = spec.architecture.code
    assert code
    with torch.inference_mode():
        codes = model[: code.position](splits.to_float(pixels).double()).flatten(1).numpy()
    axes = np.linalg.svd(flat - flat.mean(0), full_matrices=False)[2][:5]
    # The sign of an axis is free, and the mean of a code is: one bias serves all pixels of a patch.
    expected = (flat - flat.mean(0)) @ axes.T
    codes = codes - codes.mean(0)
    np.testing.assert_allclose(codes * np.sign((codes * expected).sum(0)), expected, rtol=0, atol=1e-3)


LEARNING = Architecture.parse(
    "conv64 | conv48:k5:s2 | bn | deconv32:k4 | flatten | dense16 | dense3072 | reshape3x32x32 | conv3:k1:sigmoid"
)
# (fan in, fan out) of each layer's weight as Keras counts them: receptive area × channels on either side.
FANS = [(3 * 9, 64 * 9), (64 * 25, 48 * 25), (48 * 16, 32 * 16), (32 * 32 * 32, 16), (16, 3072), (3, 3)]
# torch takes the second dimension of a transposed convolution's weight, its output channels, for the fan in.
TORCH_FANS_IN = [3 * 9, 64 * 25, 32 * 16, 32 * 32 * 32, 16, 3]


def learners(initialisation: Initialisation, seed: int = 0) -> list[nn.Module]:
    module = LEARNING.module()
    initialise(module, initialisation, Generator().manual_seed(seed))
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]


def assert_uniform(values: Tensor, limit: float) -> None:
    assert values.abs().max().item() <= limit * (1 + 1e-6)
    if values.numel() > 1000:
        assert values.abs().max().item() > 0.99 * limit
        assert values.std().item() == pytest.approx(limit / 3**0.5, rel=0.05)


def test_keras_weights_are_glorot_uniform_with_zero_biases() -> None:
    for layer, (fan_in, fan_out) in zip(learners("keras"), FANS, strict=True):
        assert_uniform(layer.weight, (6 / (fan_in + fan_out)) ** 0.5)
        assert not layer.bias.any()


def test_torch_weights_and_biases_are_uniform_within_the_root_of_the_fan_in() -> None:
    for layer, fan_in in zip(learners("torch"), TORCH_FANS_IN, strict=True):
        assert_uniform(layer.weight, fan_in**-0.5)
        assert_uniform(layer.bias, fan_in**-0.5)
        assert layer.bias.any()


@pytest.mark.parametrize("initialisation", ["keras", "torch"])
def test_the_seed_decides_the_weights(initialisation: Initialisation) -> None:
    first, again, other = (learners(initialisation, seed) for seed in (0, 0, 1))
    for one, same, different in zip(first, again, other, strict=True):
        assert torch.equal(one.weight, same.weight)
        assert torch.equal(one.bias, same.bias)
        assert not torch.equal(one.weight, different.weight)
