"""The sets of a code: every number is in one, and each set has neighbours in those before."""

from itertools import product

import pytest

from aecore.models.code_sets import COARSE_TO_FINE, CodeSet, sets_of


def places(one: CodeSet, height: int, width: int) -> list[tuple[int, int]]:
    """The rows and columns of a set in maps of this size."""
    return [
        place
        for row, column, step in one.grids
        for place in product(range(row, height, step), range(column, width, step))
    ]


@pytest.mark.parametrize("channels", [1, 3, 13, 48, 384])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (5, 3), (8, 8)])
def test_every_number_is_in_one_set(channels: int, size: tuple[int, int]) -> None:
    numbers = []
    for one in sets_of(channels):
        assert len(places(one, *size)) == one.positions(*size)
        numbers += list(product(range(one.first, one.last), places(one, *size)))
    assert sorted(numbers) == list(product(range(channels), product(*map(range, size))))


def test_the_first_channels_come_from_a_coarse_grid_to_the_gaps_of_a_fine_one() -> None:
    first = [one for one in sets_of(48) if one.first == 0]
    assert [one.grids for one in first] == [*COARSE_TO_FINE]
    assert [one.positions(8, 8) for one in first] == [4, 12, 16, 32]
    before: list[tuple[int, int]] = places(first[0], 8, 8)
    for one in first[1:]:
        for row, column in places(one, 8, 8):  # a neighbour that a kernel of 5×5 sees is known
            assert any(abs(row - other) <= 2 and abs(column - beside) <= 2 for other, beside in before)
        before += places(one, 8, 8)


def test_the_groups_of_channels_grow() -> None:
    groups = [(one.first, one.last) for one in sets_of(384)[len(COARSE_TO_FINE) - 1 :]]
    assert groups == [(0, 8), (8, 32), (32, 128), (128, 384)]
