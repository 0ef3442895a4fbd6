"""What a denoiser does to a pixel: weights against a kernel, a closed form and differences; bias and variance."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from aecore.data import datasets
from aecore.data.noise import Noise, key, noisy
from aecore.data.splits import to_float
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.reconstructors import denoisers
from aecore.reconstructors.denoisers import METHODS, Denoiser
from aecore.reconstructors.pca import Identity
from aecore.reconstructors.trained import Model
from aecore.runs import store
from aecore.studies import sensitivity
from tests.aecore.rounding import EXACT, in_float64, of_sum

NOISE = Noise("gaussian", 0.2)


@pytest.fixture(scope="module")
def picture() -> Tensor:
    """A noisy embedded picture, `[3, 32, 32]`."""
    clean = to_float(datasets.load("sample").test.pixels[[3]])
    return noisy(clean, NOISE, 0, [3])[0]


def one_convolution(kernel: Tensor) -> Model:
    """A model that is nothing but this convolution `[3, 3, K, K]`, without a bias."""
    architecture = Architecture.parse(f"conv3:k{kernel.shape[-1]}:linear")
    names = list(architecture.module().state_dict())
    weights = {name: torch.zeros(3) if name.endswith("bias") else kernel for name in names}
    return Model(RunSpec(architecture, Recipe(), "sample", "none"), weights)


def test_the_weights_of_one_convolution_are_its_kernel(picture: Tensor) -> None:
    kernel = torch.randn(3, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    weights = sensitivity.weights_of(one_convolution(kernel), picture, 10, 20)
    assert weights.shape == (3, 3, 32, 32)
    torch.testing.assert_close(weights[:, :, 8:13, 18:23], kernel)
    weights[:, :, 8:13, 18:23] = 0
    assert not weights.any()


def test_at_a_corner_the_kernel_is_cut(picture: Tensor) -> None:
    kernel = torch.randn(3, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    weights = sensitivity.weights_of(one_convolution(kernel), picture, 0, 31)
    torch.testing.assert_close(weights[:, :, :2, 30:], kernel[:, :, 1:, :2])
    assert weights.count_nonzero() == 9 * 4


def test_the_weights_of_a_trained_model_are_its_differences(picture: Tensor) -> None:
    model = store.load("denoise-030")
    module, given = model.module.double(), picture.double()
    weights = sensitivity.weights_of(model, given, 9, 14)
    directions = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    step = 1e-6
    with torch.no_grad():
        moved = module(given + step * directions) - module(given - step * directions)
    expected = moved[:, :, 9, 14] / (2 * step)
    torch.testing.assert_close(torch.einsum("oihw,nihw->no", weights, directions), expected, rtol=1e-4, atol=1e-7)


def test_the_weights_of_the_wiener_filter_are_the_matrix_of_the_closed_form() -> None:
    shape, size = (3, 4, 5), 60
    draw = torch.Generator().manual_seed(0)
    root = torch.randn(size, size, generator=draw, dtype=torch.float64)
    covariance = root @ root.T / size
    variances, axes = torch.linalg.eigh(covariance)
    settings = {
        "mean": torch.rand(size, generator=draw),
        "axes": axes.T.float(),
        "gains": (variances / (variances + NOISE.level**2)).float(),
    }
    denoiser = Denoiser("wiener", size, settings, METHODS["wiener"].clean)
    matrix = np.linalg.solve(covariance.numpy() + NOISE.level**2 * np.eye(size), covariance.numpy())
    weights = sensitivity.weights_of(denoiser, torch.rand(shape, generator=draw), 2, 3)
    pixel = [channel * 20 + 2 * 5 + 3 for channel in range(3)]
    # A weight is a sum over the components. Without signs its terms add up to at most 1, as the axes are of length 1
    # (Cauchy & Schwarz); each term's gain and two numbers of axes were rounded before.
    np.testing.assert_allclose(weights.reshape(3, size), matrix[pixel], rtol=0, atol=of_sum(size + 3))


def test_a_patchwise_wiener_filter_is_its_weights_and_a_constant(picture: Tensor, tmp_path: Path) -> None:
    denoiser = in_float64(denoisers.prepare("patch-wiener", datasets.load("sample"), NOISE, tmp_path))
    picture = picture.double()
    weights = sensitivity.weights_of(denoiser, picture, 0, 31)
    constant = denoiser(torch.zeros_like(picture)[None])[0, :, 0, 31]
    expected = torch.einsum("oihw,ihw->o", weights, picture) + constant
    torch.testing.assert_close(denoiser(picture[None])[0, :, 0, 31], expected, rtol=0, atol=EXACT)


def test_the_weights_of_each_channel_on_itself_are_averaged() -> None:
    weights = torch.zeros(3, 3, 2, 2)
    for channel in range(3):
        weights[channel, channel, 0, 1] = channel + 1
        weights[channel, (channel + 1) % 3] = 100
    assert sensitivity.within_channels(weights).tolist() == [[0, 2], [0, 0]]


@pytest.mark.parametrize(
    ("weights", "pixels"),
    [
        ([[0.0, 0.0], [1.0, 0.0]], 1),
        ([[0.5, 0.0], [-0.5, 0.0]], 2),
        ([[0.9, 0.05], [0.03, -0.02]], 1),
        ([[0.1] * 5] * 2, 9),
        ([[0.2, 0.2], [0.2, 0.2]], 4),
        ([[0.0, 0.0], [0.0, 0.0]], 0),
    ],
)
def test_pixels_are_counted_from_the_largest_weight_on(weights: list[list[float]], pixels: int) -> None:
    assert sensitivity.fewest_pixels(0.9, torch.tensor(weights)) == pixels


class InFloat64:
    """A model in which a batch of draws comes out as each draw does by itself."""

    def __init__(self, model: Model) -> None:
        self.name, self.code_size, self._module = model.name, model.code_size, model.module.double()

    def __call__(self, pictures: Tensor) -> Tensor:
        with torch.inference_mode():
            output: Tensor = self._module(pictures.double())
        return output


def test_bias_and_variance_add_up_to_the_error_over_the_draws() -> None:
    model, pixels, draws = InFloat64(store.load("denoise-030")), datasets.load("sample").test.pixels[5], 12
    spread = sensitivity.spread(model, pixels, NOISE, draws, seed=4)
    clean = to_float(pixels[None])
    outputs = [model(noisy(clean, NOISE, key("draws", 4), [draw])).clamp(0, 1) for draw in range(draws)]
    error = torch.cat(outputs).sub(clean).square().mean()
    assert sum(spread.mse) == pytest.approx(float(error), rel=EXACT)
    assert min(spread.mse) > 0


def test_what_is_not_denoised_has_the_noise_as_its_deviation_and_no_bias() -> None:
    grey = torch.full((3, 16, 16), 128, dtype=torch.uint8)
    spread = sensitivity.spread(Identity(768), grey, Noise("gaussian", 0.05), 200)
    assert float(spread.deviation.mean()) == pytest.approx(0.05, rel=0.02)
    # Of the mean of 200 draws nothing is left but 0.05 / √200 at a pixel.
    assert float(spread.bias.square().mean().sqrt()) == pytest.approx(0.05 / 200**0.5, rel=0.1)
