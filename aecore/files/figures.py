"""Figures that were measured once and come with the project: a JSON file with a checksum, read without torch."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from aecore import AecoreError
from aecore.files.whole import canonical, write_whole

FORMAT = 1
Figures = TypeVar("Figures")


class PublishedError(AecoreError):
    """A file of figures that cannot be read or written; the text says why and what makes it again."""


class MissingError(PublishedError):
    """There is no such file."""


def check(path: Path) -> None:
    """Raise `PublishedError` where nothing could be written at `path`: before what takes minutes to measure."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise _unwritable(path, error) from None


def write(path: Path, facts: Mapping[str, Any]) -> None:
    """Write `facts`, JSON values, whole; `PublishedError` where that cannot be."""
    facts = {"format": FORMAT, **facts}
    content = json.dumps(facts | {"sha256": _digest(facts)}, indent=1).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> PublishedError:
    return PublishedError(f"{path} cannot be written ({error.strerror}): set AECORE_CHECKPOINTS.")


def read(path: Path, dataset: str, build: Callable[[dict[str, Any]], Figures], remedy: str) -> Figures:
    """What `build` makes of the facts that `write` wrote, measured on `dataset`.

    Raises `PublishedError`, one sentence that ends with the `remedy`, where the file cannot be read, is damaged, of
    another data set or of another version; `MissingError` where there is none.
    """
    try:
        facts: dict[str, Any] = json.loads(path.read_bytes())
        intact = facts.pop("sha256") == _digest(facts)
    except FileNotFoundError:
        raise MissingError(f"{path.name} is missing: {remedy}") from None
    except PermissionError as error:
        raise PublishedError(f"{path.name} cannot be read ({error.strerror}): {remedy}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        intact = False
    if not intact:
        raise PublishedError(f"{path.name} is damaged: {remedy}")
    other = PublishedError(f"{path.name} was written by another version of aecore: {remedy}")
    if facts.pop("format", None) != FORMAT:
        raise other
    if facts.get("dataset", dataset) != dataset:
        raise PublishedError(f"{path.name} was measured on {facts['dataset']}: {remedy}")
    try:
        return build(facts)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise other from None


def _digest(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(facts)).hexdigest()
