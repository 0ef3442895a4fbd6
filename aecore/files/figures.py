"""Published figures: measured once and shipped with the project as JSON files with a checksum. No torch here."""

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
    """A file of figures cannot be read or written; the message says why and which command writes it again."""


class MissingError(PublishedError):
    """The file does not exist."""


def check(path: Path) -> None:
    """Fail early: raise `PublishedError` if `path` is not writable, before a long measurement starts."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise _unwritable(path, error) from None


def write(path: Path, facts: Mapping[str, Any]) -> None:
    """Write `facts` (JSON values) with a checksum, whole or not at all; raises `PublishedError` on failure."""
    facts = {"format": FORMAT, **facts}
    content = json.dumps(facts | {"sha256": _digest(facts)}, indent=1).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> PublishedError:
    return PublishedError(f"{path} cannot be written ({error.strerror}): set AECORE_CHECKPOINTS to a writable folder.")


def read(path: Path, dataset: str, build: Callable[[dict[str, Any]], Figures], remedy: str) -> Figures:
    """Read the facts that `write` wrote for `dataset`, and return what `build` makes of them.

    Raises `PublishedError` if the file cannot be read, is damaged, or belongs to another data set or version;
    `MissingError` if it does not exist. The message is one sentence that ends with `remedy`.
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
