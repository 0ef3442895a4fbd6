"""Principal directions of codes, against numpy's singular values."""

import numpy as np
import pytest
import torch

from aecore.measuring.directions import Directions
from aecore.measuring.units import Activity

DRAW = np.random.default_rng(0)
MIXED = DRAW.normal(size=(300, 12)) @ DRAW.normal(size=(12, 12)) + 3


@pytest.mark.parametrize("shape", [(12,), (12, 5, 3)])
def test_directions_are_the_principal_components_of_all_numbers_of_the_units(shape: tuple[int, ...]) -> None:
    codes = torch.tensor(MIXED[: 20 if shape[1:] else 300].repeat(int(np.prod(shape[1:])), 0), dtype=torch.float32)
    rows = codes.reshape(-1, *shape[1:], 12).movedim(-1, 1) if shape[1:] else codes
    numbers = rows.movedim(1, -1).reshape(-1, 12).double().numpy()
    centred = numbers - numbers.mean(0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    along = Directions.of(Activity.of(rows.split(7)), 5)
    np.testing.assert_allclose(along.mean, numbers.mean(0), rtol=1e-9)
    np.testing.assert_allclose(along.spread, numbers.std(0), rtol=1e-6)
    np.testing.assert_allclose(along.shares, (sizes**2 / (sizes**2).sum())[:5], rtol=1e-6)
    np.testing.assert_allclose(along.deviations, (centred @ axes[:5].T).std(0), rtol=1e-6)
    np.testing.assert_allclose(np.abs((along.axes.numpy() * axes[:5]).sum(1)), 1, rtol=1e-6)
    assert bool((along.axes.gather(1, along.axes.abs().argmax(1, keepdim=True)) > 0).all())


def test_there_are_no_more_directions_than_units_that_change() -> None:
    codes = torch.zeros(50, 4)
    codes[:, 1] = torch.arange(50.0)
    along = Directions.of(Activity.of([codes]), 8)
    assert along.axes.tolist() == [[0, 1, 0, 0]]
    assert along.shares.tolist() == [1]
    assert not len(Directions.of(Activity.of([torch.ones(5, 3)]), 8).axes)
