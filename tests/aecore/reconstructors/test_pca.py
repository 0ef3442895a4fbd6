"""PCA: the best linear autoencoder, and the error of every size at once."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from aecore.data import catalog, datasets
from aecore.data.splits import to_float
from aecore.measuring.metrics import mse
from aecore.reconstructors.pca import PCA, BaselineError, fit_pca
from aecore.studies.pca_curves import pca_curve
from tests.aecore.reconstructors.dependent import drawn
from tests.aecore.rounding import of_sum

ROOT = Path(__file__).parents[3]


def test_components_and_errors_are_those_of_a_singular_value_decomposition() -> None:
    learned, unseen = drawn(200), drawn(50, seed=1)
    pca = fit_pca(learned)
    flat, other = (pixels.flatten(1).numpy() / 255 for pixels in (learned, unseen))
    mean = flat.mean(0)
    axes = np.linalg.svd(flat - mean, full_matrices=False)[2]
    expected = []
    for count in range(25):
        output = mean + (other - mean) @ axes[:count].T @ axes[:count]
        expected.append(np.square(output - other).mean())
    np.testing.assert_allclose(pca.errors(unseen), expected, atol=1e-12)


def off_at_most(pca: PCA, pictures: Tensor) -> float:
    """The most that a number of `pictures` is off after they were projected in float32.

    The axes are of length 1. Without signs, the sum that makes a component is then at most the picture's distance from
    the mean, and the sum over all components at most that times the root of their number (Cauchy & Schwarz).
    """
    distance = float((pictures.flatten(1) - pca.mean).norm(dim=1).max())
    return of_sum(len(pca.mean) + 2) * (1 + len(pca.mean) ** 0.5) * distance


def test_the_curve_is_the_error_of_the_reconstructor() -> None:
    learned, unseen = drawn(200), drawn(50, seed=1)
    pca = fit_pca(learned)
    target = to_float(unseen)
    for count, error in zip((0, 3, 7), pca.clamped_errors(unseen, [0, 3, 7]), strict=True):
        model = pca.keep(count)
        assert (model.name, model.code_size) == (f"pca-{count}", count)
        output = model(target)
        assert output.shape == target.shape
        exact, off = float(pca.errors(unseen)[count]), off_at_most(pca, target)
        for errors, expected in ((mse(output, target), error), ((output - target).square(), exact)):
            bound = 2 * off * expected**0.5 + off**2 + of_sum(output.numel()) * expected
            assert float(errors.mean()) == pytest.approx(expected, abs=bound)


def test_more_components_never_do_worse_and_all_of_them_give_the_picture_back() -> None:
    pca, unseen = fit_pca(drawn(200)), drawn(50, seed=1)
    errors = pca.errors(unseen)
    assert (errors.diff() <= 0).all()
    assert float(errors[-1]) == 0
    pictures = to_float(unseen)
    torch.testing.assert_close(pca.keep(24)(pictures), pictures, rtol=0, atol=off_at_most(pca, pictures))


def test_clamping_never_does_worse() -> None:
    pca, unseen = fit_pca(drawn(200)), drawn(50, seed=1)
    assert (np.array(pca.clamped_errors(unseen, range(24))) <= pca.errors(unseen)[:24].numpy() + 1e-12).all()


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 23))
@settings(max_examples=50)
def test_no_other_projection_of_the_same_size_does_better_on_the_training_pictures(seed: int, count: int) -> None:
    pictures = drawn(60, seed % 7)
    best = float(fit_pca(pictures).errors(pictures)[count])
    flat = pictures.flatten(1).numpy() / 255
    draw = np.random.default_rng(seed)
    axes = np.linalg.qr(draw.normal(size=(24, count)))[0].T
    offset = flat.mean(0) + draw.normal(scale=draw.choice([0.0, 0.01, 0.1]), size=24)
    output = offset + (flat - offset) @ axes.T @ axes
    assert best <= np.square(output - flat).mean() + 1e-12


@pytest.mark.parametrize("count", [-1, 25])
def test_components_that_are_not_there_are_refused(count: int) -> None:
    with pytest.raises(BaselineError, match="0 to 24 components"):
        fit_pca(drawn(30)).keep(count)


def test_pictures_too_large_to_fit_are_refused() -> None:
    with pytest.raises(BaselineError, match=r"at most 4,096 numbers, .*; these have 4,800"):
        fit_pca(torch.zeros(2, 3, 40, 40, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("mnist", [0, 64, 256, 512]), pytest.param("cifar10", [0, 64, 256, 1024], marks=pytest.mark.slow)],
)
def test_the_real_pictures_give_the_published_curve(name: str, sizes: list[int], real_data: Path) -> None:
    if not catalog.available(name, real_data):
        pytest.skip(f"the real {name} is not in AECORE_DATA ({real_data}): `python -m aecore data fetch {name}`")
    dataset = datasets.load(name, real_data)
    errors = fit_pca(dataset.train.pixels).clamped_errors(dataset.test.pixels, sizes)
    curve = pca_curve(name, ROOT / "checkpoints")
    known = dict(zip(curve.components, curve.mse, strict=True))
    assert errors == pytest.approx([known[size] for size in sizes], rel=5e-6)  # six digits are published
