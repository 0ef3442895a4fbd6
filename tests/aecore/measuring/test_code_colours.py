"""A code as a picture, compared with NumPy's singular value decomposition of all positions at once."""

import numpy as np
import pytest
import torch

from aecore.data import datasets
from aecore.measuring import codes
from aecore.measuring.code_colours import Palette
from aecore.measuring.units import Activity, CodeError
from aecore.runs.store import Store


def vectors_of(made: torch.Tensor) -> np.ndarray:
    """The channels at every position of every picture: `[N × h × w, channels]`."""
    return made.permute(0, 2, 3, 1).reshape(-1, made.shape[1]).double().numpy()


def reference(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first three right singular vectors, the largest weight positive, and all variances."""
    _, values, axes = np.linalg.svd(vectors - vectors.mean(0), full_matrices=False)
    signs = np.sign(np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1))
    return (axes * signs)[:3], values**2 / len(vectors)


@pytest.mark.parametrize("name", ["shallow-strided", "deep-strided-8"])
def test_the_components_are_those_of_numpy(name: str) -> None:
    model, pixels = Store().load(name), datasets.load("cifar10-excerpt").test.pixels[:60]
    made = torch.cat(list(codes.in_batches(model, pixels)))
    palette = Palette.of(Activity.of(torch.split(made, 25)))
    vectors = vectors_of(made)
    axes, variances = reference(vectors)
    np.testing.assert_allclose(palette.axes, axes, atol=1e-6)
    np.testing.assert_allclose(palette.deviations, np.sqrt(variances[:3]), rtol=1e-6)
    np.testing.assert_allclose(palette.shares, variances[:3] / variances.sum(), rtol=1e-6)
    along = palette.components(made)
    expected = ((vectors - vectors.mean(0)) @ axes.T / np.sqrt(variances[:3])).reshape(60, *made.shape[2:], 3)
    np.testing.assert_allclose(along.permute(0, 2, 3, 1), expected, atol=1e-5)


def test_colours_are_the_same_in_whatever_parts_the_codes_arrive() -> None:
    made = torch.randn(30, 6, 4, 4, generator=torch.Generator().manual_seed(5))
    once, often = (Palette.of(Activity.of(torch.split(made, size))) for size in (30, 7))
    assert torch.equal(once.pictures(made), often.pictures(made))
    assert once.pictures(made).dtype == torch.uint8
    assert once.pictures(made).shape == (30, 3, 4, 4)


def test_the_mean_is_grey_and_far_away_is_black_or_bright() -> None:
    made = (
        torch.randn(500, 3, 2, 2, generator=torch.Generator().manual_seed(6)) * torch.tensor([3.0, 2, 1])[:, None, None]
    )
    palette = Palette.of(Activity.of([made]))
    mean = palette.mean[None, :, None, None]
    first = (palette.axes[0] * palette.deviations[0])[None, :, None, None]
    assert palette.pictures(mean).flatten().tolist() == [128, 128, 128]
    assert palette.pictures(mean + 9 * first).flatten().tolist() == [255, 128, 128]
    assert palette.pictures(mean - 9 * first).flatten().tolist() == [0, 128, 128]


@pytest.mark.parametrize(("channels", "components"), [(1, 1), (2, 2), (3, 3)])
def test_fewer_channels_give_fewer_components(channels: int, components: int) -> None:
    made = torch.randn(50, channels, 2, 2, generator=torch.Generator().manual_seed(7))
    palette = Palette.of(Activity.of([made]))
    drawn = palette.pictures(made)
    assert len(palette.axes) == components
    assert (drawn[:, 0] == drawn[:, 2]).all() == (channels == 1)
    assert (drawn[:, 2] == 128).all() == (channels == 2)


def test_channels_that_never_change_get_no_colour() -> None:
    made = torch.full((20, 4, 2, 2), 0.7)
    made[:, 1] = torch.rand(20, 2, 2, generator=torch.Generator().manual_seed(8))
    palette = Palette.of(Activity.of([made]))
    np.testing.assert_allclose(palette.axes, [[0, 1, 0, 0]], atol=1e-9)
    constant = torch.full((2, 4, 2, 2), 0.7)
    assert (Palette.of(Activity.of([constant])).pictures(constant) == 128).all()


def test_a_flat_code_is_no_picture() -> None:
    with pytest.raises(CodeError, match="flat"):
        Palette.of(Activity.of([torch.randn(5, 8)]))
