"""How results and sentences are printed."""

import io
import json
import sys
from math import inf

import pytest

from aecore.cli import output
from aecore.models.recipe import Recipe


class Terminal(io.StringIO):
    """Standard output as if a person looked at it."""

    def isatty(self) -> bool:
        return True


def test_the_width_is_that_of_where_it_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "77")
    assert output.out().width == 160, "piped"
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert output.out().width == 77


def test_no_digit_is_cut_where_a_table_is_wider_than_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    row = {f"column {number}": 10**15 + number for number in range(12)}
    output.write_table([row], list(row))
    printed = capsys.readouterr().out
    assert all(f"{value:,}" in printed for value in row.values())


def test_rows_are_json_without_infinity(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_rows([{"name": "identity", "PSNR": inf}], ["name"], as_json=True)
    assert json.loads(capsys.readouterr().out) == [{"name": "identity", "PSNR": None}]


def test_json_of_nested_values_holds_no_infinity(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_json([{"run": {"PSNR mean": inf}, "epochs": (1.5, -inf)}])
    assert json.loads(capsys.readouterr().out) == [{"run": {"PSNR mean": None}, "epochs": [1.5, None]}]


def test_scores_are_aligned_to_the_right_though_a_group_has_them_as_texts(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_table([{"name": "a", "SSIM": "0.9"}, {"name": "b", "SSIM": "0.9534"}], ["name", "SSIM"])
    assert "a        0.9" in capsys.readouterr().out


def test_a_recipe_is_told_by_what_it_sets() -> None:
    recipe = Recipe(epochs=3, penalties=(("sparsity", 0.001),), average=0.999, flips=True)
    expected = "epochs 3, batch size 100, learning rate 0.001, loss mse, initialisation keras, penalties sparsity:0.001"
    expected += ", average 0.999, flips"
    assert output.recipe_text(recipe) == expected
