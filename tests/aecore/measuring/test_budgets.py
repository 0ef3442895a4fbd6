"""The best picture within a budget: compared with a search by hand, and with files on disk."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from aecore.data import datasets
from aecore.data.splits import to_float
from aecore.measuring import budgets
from aecore.measuring.budgets import BudgetError, Outcomes, best_within
from aecore.reconstructors.packers import Files
from tests.aecore.rounding import of_mse

QUALITIES = (1, 20, 40, 60, 80, 95)


@pytest.fixture(scope="module")
def photographs() -> Tensor:
    """Eight crops of photographs, `[8, 3, 32, 32]`."""
    return to_float(datasets.load("sample").test.pixels[:8])


def outcomes(sizes: list[list[int]], errors: list[list[float]]) -> Outcomes:
    """What settings would do to pictures of one value, which is the number of the setting."""
    count, pictures = len(sizes), len(sizes[0])
    pixels = torch.arange(count).reshape(-1, 1, 1, 1, 1).expand(count, pictures, 1, 1, 1).byte()
    return Outcomes(torch.tensor(sizes), torch.zeros(count), torch.tensor(errors, dtype=torch.float64), pixels)


tables = st.integers(1, 6).flatmap(
    lambda count: st.lists(
        st.lists(st.tuples(st.integers(1, 40), st.sampled_from([0.0, 0.1, 0.2, 0.3])), min_size=count, max_size=count),
        min_size=1,
        max_size=8,
    )
)


@given(tables, st.integers(0, 45))
def test_the_best_is_that_of_a_search_by_hand(table: list[list[tuple[int, float]]], budget: int) -> None:
    known = outcomes([[size for size, _ in row] for row in table], [[error for _, error in row] for row in table])
    for picture, setting in enumerate(known.best_within(budget).tolist()):
        fitting = [(row[picture][1], row[picture][0]) for row in table if row[picture][0] <= budget]
        if not fitting:
            assert setting == -1
            assert int(known.smallest[picture]) > budget
        else:
            size, error = table[setting][picture]
            assert (error, size) == min(fitting)
            assert size <= budget


@given(tables)
def test_a_larger_budget_never_has_a_larger_error(table: list[list[tuple[int, float]]]) -> None:
    known = outcomes([[size for size, _ in row] for row in table], [[error for _, error in row] for row in table])
    for picture in range(len(table[0])):
        settings = [int(known.best_within(budget)[picture]) for budget in range(45)]
        fitting = [setting for setting in settings if setting >= 0]
        assert settings[-len(fitting) :] == fitting, "what fits once fits in every larger budget"
        for smaller, larger in pairwise(fitting):
            assert table[larger][picture][1] <= table[smaller][picture][1]


def test_an_error_that_is_no_number_is_never_the_best() -> None:
    known = outcomes([[5], [9]], [[float("nan")], [0.5]])
    assert known.best_within(9).tolist() == [1]
    assert known.best_within(5).tolist() == [-1]


@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
def test_sizes_and_errors_are_those_of_files_on_disk(kind: str, photographs: Tensor, tmp_path: Path) -> None:
    packer = Files(kind, QUALITIES)
    known = budgets.measure(packer, photographs)
    for setting in range(len(QUALITIES)):
        for picture, stream in enumerate(packer.pack(photographs, setting)):
            path = tmp_path / f"{setting} {picture}"
            path.write_bytes(stream)
            with Image.open(path) as image:
                assert image.format == kind.upper()
                read = np.asarray(image.convert("RGB")).astype(float) / 255
            clean = photographs[picture].permute(1, 2, 0).numpy().astype(float)
            assert path.stat().st_size == int(known.sizes[setting, picture])
            error = float(((read - clean) ** 2).mean())
            assert float(known.errors[setting, picture]) == pytest.approx(error, rel=of_mse(photographs[picture]))
            pixels = known.pixels[setting, picture].permute(1, 2, 0).numpy()
            assert np.array_equal(pixels, (read * 255).round().astype(np.uint8))


@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
def test_one_picture_gets_what_it_gets_among_others(kind: str, photographs: Tensor) -> None:
    packer = Files(kind, QUALITIES)
    known = budgets.measure(packer, photographs)
    for budget in (10, 350, 700, 3072):
        settings = known.best_within(budget)
        for picture, setting in zip(range(3), settings.tolist(), strict=False):
            best = best_within(packer, photographs[picture], budget)
            if setting < 0:
                assert best is None
                continue
            assert best is not None
            assert best.setting == setting
            assert best.size == len(packer.pack(photographs[picture][None], setting)[0]) <= budget
            assert best.error == float(known.errors[setting, picture])
            assert torch.equal(best.pixels, known.pixels[setting, picture])
    assert best_within(packer, photographs[0], 10) is None


def test_settings_measured_in_parts_are_those_measured_at_once(photographs: Tensor) -> None:
    packer = Files("jpeg", QUALITIES)
    whole = budgets.measure(packer, photographs)
    parts = budgets.joined([budgets.measure(packer, photographs, [index]) for index in range(len(QUALITIES))])
    for name in ("sizes", "headers", "errors", "pixels"):
        assert torch.equal(getattr(whole, name), getattr(parts, name))


def test_there_must_be_something_to_measure(photographs: Tensor) -> None:
    for settings, pictures in (([], photographs), ([0], photographs[:0])):
        with pytest.raises(BudgetError, match="at least one picture and one setting"):
            budgets.measure(Files("jpeg", QUALITIES), pictures, settings)
