"""Whole numbers written by hand, such as `3, 17, 200-205`."""

from __future__ import annotations

import re

from aecore import AecoreError


class NumbersError(AecoreError):
    """A text that is not such numbers; it says what would be legal."""


def parse(text: str, *, below: int, most: int, what: str) -> tuple[int, ...]:
    """The numbers of `text`, each once and at most `most` of them, in their order.

    Raises `NumbersError` where one is no number from 0 to `below` - 1, calling it `what`.
    """
    legal = f"write numbers from 0 to {below - 1}, such as 3, 17, 20-25"
    found: dict[int, None] = {}
    for part in filter(None, re.split(r"[,;\s]+", text)):
        match = re.fullmatch(r"(\d{1,9})(?:[-–](\d{1,9}))?", part)
        if not match:
            raise NumbersError(f"{part!r} is no {what}: {legal}.")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < below:
            raise NumbersError(f"There is no {what} {part}: {legal}.")
        found |= dict.fromkeys(range(first, min(last, first + most) + 1))
    if not found:
        raise NumbersError(f"No {what} is given: {legal}.")
    return tuple(found)[:most]
