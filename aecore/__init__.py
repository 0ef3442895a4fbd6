"""Train, cache and compare autoencoder architectures."""

import difflib
import re
from collections.abc import Iterable


class AecoreError(Exception):
    """Something the person who asked can mend: one sentence that says what was wrong and what would be right."""

    def __str__(self) -> str:
        return printable(super().__str__())


def printable(text: str) -> str:
    """`text` with replacement characters for what no encoding of Unicode can hold: the bytes of an odd file name, and
    halves of a pair of surrogates."""
    text = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", text)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """`did you mean X? ` with the nearest of `names`, for an error message; empty where none is near."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {near[0]}? " if near else ""
