"""Files that reach their final name whole or not at all, and JSON whose bytes can be hashed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


def write_whole(path: Path, content: bytes, before: Path | None = None) -> None:
    """Write beside the place, force to disk, rename into it, and force the folder too.

    What was at `path` is renamed to `before`, if that is given. Raises `OSError`; what was there is then kept.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if before and path.exists():
            path.replace(before)
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        # A process told to stop leaves nothing half-written; where nothing can be written nothing can be removed.
        with suppress(OSError):
            part.unlink(missing_ok=True)


def canonical(facts: Mapping[str, Any]) -> bytes:
    """JSON values as bytes that are equal whenever the values are, to be hashed."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
