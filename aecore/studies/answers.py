"""A viewer's answers in the blind test: one line of JSON each, in `answers.jsonl` beside the runs.

An answer is written as soon as it is given. Several processes may write at once, and a line that was cut short by a
kill is left out of what is read and named. Nothing leaves this machine. Imports no torch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from filelock import FileLock

from aecore import AecoreError

FILE = "answers.jsonl"
FORMAT = 1
_SIDES = ("left", "right")


class AnswersError(AecoreError):
    """The answers cannot be read or written; the message names the file."""


@dataclass(frozen=True)
class Reconstruction:
    """One of the two that were shown: the key and label of its model, and its metrics by name.

    A metric without a finite value is None.
    """

    key: str
    label: str
    scores: Mapping[str, float | None]


@dataclass(frozen=True)
class Answer:
    """What was shown in a round, and what the viewer answered.

    `time` is in ISO 8601. The round is known by `mode`, `seed` and `number`; `fingerprint` is that of the data set.
    `answer` is the right side and `choice` the viewer's. `strength` is in the unit of `discrimination.strengths`. It
    took `milliseconds`, and each pixel of the picture was shown as `scale`×`scale` pixels.
    """

    time: str
    mode: str
    seed: int
    number: int
    dataset: str
    fingerprint: str
    picture: int
    left: Reconstruction
    right: Reconstruction
    strength: float
    answer: str
    choice: str
    milliseconds: int
    scale: int

    @property
    def is_right(self) -> bool:
        """Whether the choice is the right side."""
        return self.choice == self.answer

    @property
    def round(self) -> tuple[str, int, int]:
        """What identifies the round."""
        return self.mode, self.seed, self.number

    def to_line(self) -> str:
        """The line that stands for it."""
        facts = {"format": FORMAT, **asdict(self)}
        for side in _SIDES:
            scores = facts[side]["scores"]
            facts[side]["scores"] = {name: value if _is_number(value) else None for name, value in scores.items()}
        return json.dumps(facts, allow_nan=False)

    @classmethod
    def from_line(cls, line: bytes) -> Answer:
        """The answer in a line; raises `ValueError`, `TypeError` or `KeyError` where it holds none."""
        facts: dict[str, Any] = json.loads(line)
        if facts.pop("format") != FORMAT or not {facts["answer"], facts["choice"]} <= {*_SIDES}:
            raise ValueError
        answer = cls(**facts | {side: Reconstruction(**facts[side]) for side in _SIDES})
        if not answer.strength > 0 or not answer.left.scores.keys() == answer.right.scores.keys():
            raise ValueError
        return answer


def _is_number(value: float | None) -> bool:
    return value is not None and isfinite(value)


class Answers:
    """The answers in the folder `root`."""

    def __init__(self, root: Path) -> None:
        self.path = root / FILE

    def read(self) -> tuple[list[Answer], list[str]]:
        """All answers in the order in which they were given, and a sentence for each line that holds none.

        Raises `AnswersError` where the file cannot be read.
        """
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return [], []
        except OSError as error:
            raise AnswersError(f"{self.path} cannot be read ({error.strerror}).") from None
        answers, damaged = dict[tuple[str, int, int], Answer](), []
        for number, line in enumerate(lines, 1):
            try:
                answer = Answer.from_line(line)
            except (ValueError, TypeError, KeyError, AttributeError):
                damaged.append(f"Line {number} of {FILE} is damaged and left out.")
            else:
                answers.setdefault(answer.round, answer)
        return list(answers.values()), damaged

    def add(self, answers: Sequence[Answer]) -> None:
        """Append answers; an answer to a round that has one is left out. They are on the disk when this returns.

        Raises `AnswersError` where the file cannot be written.
        """
        with self._locked():
            stored = {answer.round for answer in self.read()[0]}
            lines = "".join(f"{answer.to_line()}\n" for answer in answers if answer.round not in stored).encode()
            if not lines:
                return
            with self.path.open("a+b") as file:
                if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                    lines = b"\n" + lines  # after what a killed process left of its line
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())

    def clear(self) -> None:
        """Delete all answers; raises `AnswersError` where that may not be done."""
        with self._locked():
            self.path.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        folder = self.path.parent / ".locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / "answers.lock"):
                yield
        except OSError as error:
            raise AnswersError(
                f"{self.path} cannot be written ({error.strerror}): set AECORE_CHECKPOINTS to a writable folder."
            ) from None
