"""Everything there is to say about a line of layers, whatever its text: what is wrong, what would help, what it costs.

diagnosis = diagnose("conv8 | pol | conv3:sigmoid")
diagnosis.problems[0].sentence          "Layer 2 (`pol`): there is no such layer, did you mean `pool`? …"
diagnosis.problems[0].repairs[0].line   the whole line without this problem
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

from aecore.models import rules
from aecore.models.advice import Advice, advice_on
from aecore.models.architecture import Architecture, Row
from aecore.models.inspection import Inspection, Inspector
from aecore.models.layers import Shape
from aecore.models.reading import Line, Word, words_of
from aecore.models.receptive_fields import receptive_fields
from aecore.models.repairs import Repair, repairs
from aecore.models.rules import MOST_PIXELS, Limits
from aecore.models.steps import Step


@dataclass(frozen=True)
class Problem:
    """Why a line is not legal: a sentence, and lines without this problem; no position if no single layer is at fault.

    A line has fewer problems after each of the repairs, and none if this was the only one. There may be no repair.
    """

    position: int | None
    sentence: str
    repairs: tuple[Repair, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """A line of layers, and all that is known of it.

    `steps` has the layers that are legal where they stand, after an error too: the shapes go on as if the layer had
    been mended. The pictures have `input_shape`. There is an `architecture`, and advice on it, if there is no problem.
    """

    text: str
    words: tuple[Word, ...]
    input_shape: Shape
    problems: tuple[Problem, ...]
    steps: tuple[Step, ...]
    architecture: Architecture | None = None
    advice: tuple[Advice, ...] = ()

    @property
    def is_legal(self) -> bool:
        """Whether the line is an architecture within the limits."""
        return self.architecture is not None

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The steps before the first layer that is not legal, with their receptive fields: all of a legal line.

        There are none for pictures of more than `MOST_PIXELS` along a side.
        """
        if rules.side(self.input_shape, MOST_PIXELS):
            return ()
        known = [
            step for _, step in takewhile(lambda pair: pair[0] == pair[1].position, enumerate(self.steps, start=1))
        ]
        return tuple(map(Row, known, receptive_fields(known, self.input_shape)))


def diagnose(text: str, limits: Limits | None = None) -> Diagnosis:
    """All that can be said of a line of layers; raises for no text.

    Every sentence that `Architecture.parse` would raise is among the problems. An architecture that costs more than the
    `limits` is not legal here, though it can be parsed.
    """
    limits = limits or Limits()
    inspector = Inspector(limits)
    inspection = inspector.inspect(Line.of(text))
    problems = _problems(inspection, inspector)
    words, picture, steps = words_of(text), inspection.picture, inspection.steps
    if problems:
        return Diagnosis(text, words, picture, problems, steps)
    architecture = Architecture(tuple(step.layer for step in steps), picture)
    return Diagnosis(text, words, picture, (), steps, architecture, advice_on(architecture, limits))


def _problems(inspection: Inspection, inspector: Inspector) -> tuple[Problem, ...]:
    return tuple(
        Problem(error.position, str(error), repairs(error, inspection, inspector)) for error in inspection.errors
    )
