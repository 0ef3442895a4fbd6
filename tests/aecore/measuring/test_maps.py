"""Maps of codes: components against NumPy, neighbours against SciPy's search tree, UMAP by what it keeps."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from aecore.data import datasets
from aecore.measuring import codes, maps
from aecore.measuring.maps import MapError
from aecore.runs.store import Store
from tests.optional import needs_umap


def drawn(count: int, size: int, seed: int = 0) -> Tensor:
    """Codes whose variances fall by a fifth from axis to axis, along axes that are no units."""
    generator = torch.Generator().manual_seed(seed)
    turned = torch.linalg.qr(torch.randn(size, size, generator=generator))[0]
    spread = 0.8 ** (torch.arange(size) / 2)
    return torch.randn(count, size, generator=generator) * spread @ turned + 3


@pytest.mark.parametrize("size", [1, 3, 64, 700])
def test_components_are_those_of_the_singular_value_decomposition(size: int) -> None:
    points = drawn(400, size)
    principal = maps.principal(points, 5)
    centred = points.double().numpy() - points.double().numpy().mean(0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    count = min(size, 5)
    np.testing.assert_allclose(principal.shares, singular[:count] ** 2 / (singular**2).sum(), rtol=1e-4)
    expected = (left * singular)[:, :count]
    signs = np.sign((expected * principal.positions.numpy()).sum(0))
    np.testing.assert_allclose(principal.positions, expected * signs, atol=1e-3 * singular[0] / 20)


def test_half_precision_and_parts_give_the_components_of_a_real_code() -> None:
    taken = codes.codes(Store().load("shallow-strided"), datasets.load("cifar10-excerpt").test.pixels[:300])
    principal = maps.principal(taken, 2)
    flat = taken.flatten(1).double().numpy()
    left, singular, axes = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    np.testing.assert_allclose(principal.shares, (singular**2 / (singular**2).sum())[:2], rtol=1e-4)
    largest = axes[np.arange(2), np.abs(axes[:2]).argmax(1)]  # is made positive
    expected = (left * singular)[:, :2] * np.sign(largest)
    np.testing.assert_allclose(principal.positions, expected, atol=1e-3 * singular[0] / 17)


def test_components_do_not_depend_on_chance() -> None:
    points = drawn(200, 40)
    torch.manual_seed(1)
    first = maps.principal(points)
    torch.manual_seed(2)
    assert torch.equal(maps.principal(points).positions, first.positions)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (torch.zeros(9, 4), "needs 10 pictures or more, not 9"),
        (torch.ones(20, 4), "are the same"),
        (torch.full((20, 4), torch.nan), "not finite"),
    ],
)
def test_codes_without_a_map_are_named(points: Tensor, message: str) -> None:
    with pytest.raises(MapError, match=message):
        maps.principal(points)


@pytest.mark.parametrize("size", [2, 30])
def test_neighbours_are_those_of_a_search_tree(size: int) -> None:
    points = drawn(500, size, seed=3)
    distances, indices = cKDTree(points.double().numpy()).query(points[7].double().numpy(), 9)
    order, measured = maps.nearest(points, 7, 8)
    assert order.tolist() == indices[1:].tolist()
    np.testing.assert_allclose(measured, distances[1:], rtol=1e-5)


def test_neighbours_of_pixels_are_measured_in_their_own_unit() -> None:
    pixels = datasets.load("sample").test.pixels[:200]
    order, distances = maps.nearest(pixels, 0, 3)
    all_distances = np.linalg.norm(pixels.flatten(1).double().numpy() - pixels[0].flatten().double().numpy(), axis=1)
    assert order.tolist() == np.argsort(all_distances, kind="stable")[1:4].tolist()
    np.testing.assert_allclose(distances, np.sort(all_distances)[1:4], rtol=1e-5)


def test_a_code_is_no_neighbour_of_itself_even_where_others_equal_it() -> None:
    order, distances = maps.nearest(torch.zeros(5, 3, dtype=torch.float16), 2, 8)
    assert order.tolist() == [0, 1, 3, 4]
    assert distances.tolist() == [0, 0, 0, 0]


# ---- UMAP


@pytest.fixture(scope="module")
def groups() -> Tensor:
    """Three groups of 40 codes, far from each other."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(120, 5, generator=generator) + 100 * torch.eye(5)[torch.arange(3).repeat_interleave(40)]


@needs_umap
@pytest.mark.slow
def test_umap_keeps_groups_apart_and_gives_the_same_map_again(groups: Tensor) -> None:
    placed = maps.umap(groups)
    assert placed.shape == (120, 2)
    assert placed.dtype == torch.float32
    assert torch.equal(maps.umap(groups), placed)
    distances, indices = cKDTree(placed.numpy()).query(placed.numpy(), 6)
    assert (indices[:, 1:] // 40 == np.arange(120)[:, None] // 40).all()
    assert np.isfinite(distances).all()


@needs_umap
def test_a_failure_of_umap_is_said_in_one_sentence() -> None:
    with pytest.raises(MapError, match="UMAP failed: "):
        maps.umap(torch.full((20, 3), torch.nan))


def test_without_its_package_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, groups: Tensor) -> None:
    monkeypatch.setattr(maps, "find_spec", lambda name: None)
    assert not maps.has_umap()
    with pytest.raises(MapError, match=r"requirements-umap\.txt"):
        maps.umap(groups)
