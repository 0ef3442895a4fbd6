"""The look of a verdict: a colour, a mark that needs no colour to be told apart, and a word."""

from __future__ import annotations

from aecore.measuring.evidence import Verdict
from aecore.studies.verdicts import Judged
from pages.components import look

UNTRAINED = "not trained yet"
# Of each verdict its colour, and its mark as the path of a line in a circle of 16 × 16.
_MARKS: dict[str, tuple[str, str]] = {
    "supported": (look.PALETTE[2], "M4.5 8.5l2.5 2.5 4.5-6"),
    "refuted": (look.PALETTE[3], "M5 5l6 6M11 5l-6 6"),
    "depends": (look.PALETTE[5], "M8 12.5V9M8 9L5 5M8 9l3-4"),
    "too small to matter": (look.PALETTE[0], "M4.5 6.5h7M4.5 9.5h7"),
    "undecided": (look.GREY, "M4.5 8h.01M8 8h.01M11.5 8h.01"),
}


def of(judged: Judged) -> Verdict | str:
    """The verdict on a contrast in words, or that it is not trained yet."""
    return judged.finding.verdict if judged.evidence else UNTRAINED


def color(verdict: str) -> str:
    """The colour of a verdict."""
    return _MARKS[verdict][0] if verdict in _MARKS else look.GREY


def mark(verdict: str) -> str:
    """The mark of a verdict as SVG; of what is not trained, an empty circle."""
    fill = "none" if verdict == UNTRAINED else color(verdict)
    line = "" if verdict == UNTRAINED else f'<path d="{_MARKS[verdict][1]}"/>'
    return (
        '<svg class="mark" viewBox="0 0 16 16" aria-hidden="true">'
        f'<circle cx="8" cy="8" r="7" fill="{fill}" stroke="{color(verdict)}"/>{line}</svg>'
    )


def in_order() -> list[str]:
    """Every verdict, the decided ones first."""
    return [*_MARKS, UNTRAINED]
