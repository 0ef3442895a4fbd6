"""Figures that were measured once and come with the project: a JSON file with a checksum, read without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aecore import AecoreError
from aecore.files import write_whole

FORMAT = 1


class PublishedError(AecoreError):
    """A file of figures that cannot be read or written; the text says why and what makes it again."""


def write(path: Path, facts: Mapping[str, Any]) -> None:
    """Write `facts`, JSON values, whole; `PublishedError` where that cannot be."""
    facts = {"format": FORMAT, **facts}
    content = json.dumps(facts | {"sha256": _digest(facts)}, indent=1).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise PublishedError(f"{path} cannot be written ({error.strerror}): set AECORE_CHECKPOINTS.") from None


def read(path: Path, remedy: str) -> dict[str, Any]:
    """The facts that `write` wrote.

    Raises `PublishedError`, one sentence that ends with the `remedy`, where the file is missing, damaged or of another
    version.
    """
    try:
        facts: dict[str, Any] = json.loads(path.read_bytes())
        intact = facts.pop("sha256") == _digest(facts)
    except FileNotFoundError:
        raise PublishedError(f"{path.name} is missing: {remedy}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        intact = False
    if not intact:
        raise PublishedError(f"{path.name} is damaged: {remedy}")
    if facts.pop("format", None) != FORMAT:
        raise PublishedError(f"{path.name} was written by another version of aecore: {remedy}")
    return facts


def _digest(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
