"""Stored answers: none is lost or counted twice, whoever writes at once and whatever a kill leaves behind."""

import json
import subprocess
import sys
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest

from aecore.studies.answers import FILE, Answers, AnswersError
from tests.aecore.studies.made_up_answers import answer

ROOT = Path(__file__).parents[3]


def test_what_was_added_is_read_in_order(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "store")
    assert answers.read() == ([], [])
    first, second = answer(0), replace(answer(1), choice="right", dataset="folder:/Bilder/Größe")
    answers.add([first])
    answers.add([second])
    assert Answers(tmp_path / "store").read() == ([first, second], [])
    assert [json.loads(line)["number"] for line in (tmp_path / "store" / FILE).read_text().splitlines()] == [0, 1]


def test_a_round_is_answered_once(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    answers.add([answer(0), answer(1)])
    answers.add([answer(0, right=False), answer(2)])
    assert answers.read()[0] == [answer(0), answer(1), answer(2)]
    answers.add([answer(0, mode="abx"), replace(answer(0), seed=8)])
    assert len(answers.read()[0]) == 5


def test_a_line_that_was_cut_short_is_named_and_the_next_one_is_whole(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    answers.add([answer(0)])
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole + whole[:100])
    answers.add([answer(1)])
    assert answers.read() == ([answer(0), answer(1)], [f"Line 2 of {FILE} is damaged and left out."])


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"choice": "up"},
        {"strength": 0.0},
        {"left": {"key": "x"}},
        {"left": {"key": "x", "label": "x", "scores": {"ssim": 1.0}}},
        {"more": 1},
        {"left": None},
    ],
)
def test_a_line_of_something_else_is_left_out(tmp_path: Path, changes: dict[str, object]) -> None:
    line = json.dumps(json.loads(answer(0).to_line()) | changes)
    (tmp_path / FILE).write_text(f"{line}\n[]\nnull\n\xff\n{answer(1).to_line()}\n", "latin-1")
    stored, damaged = Answers(tmp_path).read()
    assert stored == [answer(1)]
    assert len(damaged) == 4


def test_a_metric_without_a_finite_value_is_stored_as_none(tmp_path: Path) -> None:
    Answers(tmp_path).add([answer(left={"mse": nan, "ssim": inf}, other={"mse": 0.1, "ssim": None})])
    (stored,), damaged = Answers(tmp_path).read()
    assert not damaged
    assert stored.left.scores == {"mse": None, "ssim": None}
    assert stored.right.scores == {"mse": 0.1, "ssim": None}


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    code = """
import sys
from dataclasses import replace
from pathlib import Path
from aecore.studies.answers import Answer, Answers
one = Answer.from_line(sys.argv[2].encode())
for number in range(25):
    Answers(Path(sys.argv[1])).add([replace(one, seed=int(sys.argv[3]), number=number)])
assert "torch" not in sys.modules
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), answer().to_line(), str(seed)], cwd=ROOT)
        for seed in range(4)
    ]
    assert [writer.wait() for writer in writers] == [0] * 4
    stored, damaged = Answers(tmp_path).read()
    assert not damaged
    assert {(one.seed, one.number) for one in stored} == {(seed, number) for seed in range(4) for number in range(25)}
    assert [one.number for one in stored if one.seed == 2] == list(range(25))


def test_all_are_deleted(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    answers.add([answer(0)])
    answers.clear()
    answers.clear()
    assert answers.read() == ([], [])
    assert not (tmp_path / FILE).exists()


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AnswersError, match=f"{FILE} cannot be written .* AECORE_CHECKPOINTS"):
        Answers(tmp_path / "file").add([answer()])
    (tmp_path / FILE).mkdir()
    with pytest.raises(AnswersError, match=f"{FILE} cannot be read"):
        Answers(tmp_path).read()
