"""The file of the gallery's first figure, beside the runs: `.fits/moving-<key>.figure`.

It holds a checksum, the length of a JSON header (4 bytes, little endian), the header, and a PNG. The key is a hash of
the facts that decide the content. Imports neither torch nor Streamlit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from aecore.files import folders
from aecore.files.whole import canonical, write_whole

_FOLDER, _PREFIX = ".fits", "moving-"
_CHECKSUM = 32  # bytes of a SHA-256


def path(root: Path, facts: Mapping[str, Any]) -> Path:
    """Where the figure that `facts` (JSON values) decide is stored under `root`."""
    return root / _FOLDER / f"{_PREFIX}{hashlib.sha256(canonical(facts)).hexdigest()[:12]}.figure"


def read(path: Path) -> tuple[dict[str, Any], bytes] | None:
    """The header and the PNG of a stored figure; None where there is none, or it is damaged."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    checksum, content = stored[:_CHECKSUM], stored[_CHECKSUM:]
    if hashlib.sha256(content).digest() != checksum:
        return None
    length = int.from_bytes(content[:4], "little")
    with suppress(ValueError):  # a checksum of nothing is right too
        return json.loads(content[4 : 4 + length]), content[4 + length :]
    return None


def write(path: Path, header: Mapping[str, Any], picture: bytes) -> None:
    """Store a figure in place of those of other facts; nothing where the folder cannot be written."""
    text = json.dumps(header).encode()
    content = len(text).to_bytes(4, "little") + text + picture
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, hashlib.sha256(content).digest() + content)
        for other in path.parent.glob(f"{_PREFIX}*.figure"):
            if other != path:
                other.unlink()


def is_any_stored() -> bool:
    """Whether a figure is stored beside the runs, perhaps one of other models."""
    return any((folders.checkpoints() / _FOLDER).glob(f"{_PREFIX}*"))
