"""Atomic file writes, and JSON in a canonical form that can be hashed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def write_whole(path: Path, content: bytes, backup: Path | None = None) -> None:
    """Write `content` to a temporary file beside `path`, fsync it, rename it to `path`, and fsync the folder.

    The previous file at `path` is renamed to `backup` if that is given. Raises `OSError`; the previous content then
    still exists, at `path` or at `backup`.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if backup and path.exists():
            path.replace(backup)
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        # A process that is asked to stop leaves no half-written file. In a read-only folder the removal fails too.
        with suppress(OSError):
            part.unlink(missing_ok=True)


def canonical(facts: Mapping[str, Any]) -> bytes:
    """JSON values as bytes for hashing: equal values give equal bytes."""
    return _ENCODER.encode(facts).encode()
