"""Why a file of a folder is left out, and the sentence that says it of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

NAMED = 3  # files that are named for each reason; of the others there is the number


@dataclass(frozen=True)
class Reason:
    """A reason as it is said of one file, and of several."""

    one: str
    several: str


NOT_A_PICTURE = Reason("is not a picture", "are not pictures")
UNDECODED = Reason("cannot be decoded", "cannot be decoded")
FORBIDDEN = Reason("may not be read", "may not be read")
TOO_LARGE = Reason("has too many pixels", "have too many pixels")
DANGLING = Reason("is a link to nothing", "are links to nothing")
CIRCLE = Reason("is a link in a circle", "are links in a circle")
OUTSIDE = Reason("is in none of the splits", "are in none of the splits")
_NO_WHITE = "which do not say which value is white"
INTEGERS = Reason(f"holds signed or 32-bit values, {_NO_WHITE}", f"hold signed or 32-bit values, {_NO_WHITE}")
FRACTIONS = Reason(f"holds values outside 0 to 1, {_NO_WHITE}", f"hold values outside 0 to 1, {_NO_WHITE}")


def sentence(left_out: Mapping[PurePath, Reason], of: int) -> str:
    """Such as `2 of 40 files were left out: a.txt is not a picture; b.png may not be read.`; empty for no files.

    `left_out` are the paths to show, and `of` counts them and those that were taken.
    """
    if not left_out:
        return ""
    by_reason: dict[Reason, list[str]] = {}
    for path, reason in sorted(left_out.items()):
        by_reason.setdefault(reason, []).append(_shown(path))
    count = f"{len(left_out):,} of {of:,} files {'was' if len(left_out) == 1 else 'were'} left out"
    return f"{count}: {'; '.join(_clause(reason, names) for reason, names in by_reason.items())}."


def _clause(reason: Reason, names: list[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} {reason.one}"
    *first, last = names if len(names) <= NAMED else [*names[:NAMED], f"{len(names) - NAMED:,} more"]
    return f"{', '.join(first)} and {last} {reason.several}"


def _shown(path: PurePath) -> str:
    """A name without what no terminal and no page can show, such as line ends and the bytes of an odd file name."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(path))
