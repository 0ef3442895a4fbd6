"""Lists of indices as people type them, such as `3, 17, 200-205`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aecore import AecoreError


class NumbersError(AecoreError):
    """A text is not a list of indices; the message says what would be legal."""


def parse(text: str, *, below: int, most: int, what: str) -> tuple[int, ...]:
    """The distinct numbers in `text`, in their order.

    Raises `NumbersError` if one is not a number from 0 to `below` - 1, and for more than `most` of them; the message
    calls a number `what`.
    """
    legal = f"write numbers from 0 to {below - 1}, such as 3, 17, 20-25"
    numbers: dict[int, None] = {}  # an ordered set
    for part in filter(None, re.split(r"[,;\s]+", text)):
        match = re.fullmatch(r"(\d{1,9})(?:[-–](\d{1,9}))?", part)
        if not match:
            raise NumbersError(f"{part!r} is not a {what}: {legal}.")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < below:
            raise NumbersError(f"There is no {what} {part}: {legal}.")
        if last - first >= most:
            raise NumbersError(_too_many(last - first + 1, most, what))
        numbers |= dict.fromkeys(range(first, last + 1))
    if not numbers:
        raise NumbersError(f"No {what} is given: {legal}.")
    if len(numbers) > most:
        raise NumbersError(_too_many(len(numbers), most, what))
    return tuple(numbers)


def text_of(numbers: Iterable[int]) -> str:
    """The text of distinct numbers, which `parse` reads: `3, 17, 200-205`. Three or more in a row are a range."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 2 else ", ".join(map(str, part)) for part in parts)


def _too_many(count: int, most: int, what: str) -> str:
    return f"{count:,} {what}s are too many: give at most {most:,}."
