"""A cache on disk for fits and tuned settings, beside the runs: `.fits/<name>-<key>.safetensors`.

The key is a hash of the facts that decide the fit, as a run's key is of its spec; a checksum guards the content. A
file that is damaged, cut short or holds another fit is renamed to `….damaged`, and the fit is made again. If the
folder is read-only, the fit is returned but not cached.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import safetensors.torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from torch import Tensor

from aecore.files.tensors import digest
from aecore.files.whole import canonical, write_whole

FOLDER = ".fits"
KEY_DIGITS = 12


def load_or_make(
    root: Path, name: str, facts: Mapping[str, Any], make: Callable[[], Mapping[str, Tensor]]
) -> dict[str, Tensor]:
    """The fit that `facts` (JSON values) decide: read from the cache under `root`, or made and stored there.

    Two processes that ask at the same time make it once. An error that `make` raises is passed on, and nothing is
    stored.
    """
    key = hashlib.sha256(canonical({"fit": name, **facts})).hexdigest()
    path = root / FOLDER / f"{name}-{key[:KEY_DIGITS]}.safetensors"
    if stored := _read(path, key):
        return stored
    with _lock(path):
        # Another process may have made it while we waited. Under the lock, an unreadable file is certainly damaged.
        if stored := _read(path, key):
            return stored
        _set_aside(path)
        made = {part: tensor.contiguous() for part, tensor in make().items()}
        with suppress(OSError):
            write_whole(path, sealed(made, key))
        return made


def _lock(path: Path) -> AbstractContextManager[Any]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path.with_suffix(".lock")).acquire()
    except OSError:
        return nullcontext()  # in a read-only folder nothing is stored, so there is nothing to wait for


def _set_aside(path: Path) -> None:
    """Rename a damaged file to `….damaged`, and remove the half-written files of killed processes."""
    with suppress(OSError):
        path.replace(path.with_name(path.name + ".damaged"))
    with suppress(OSError):
        for left in path.parent.glob(f".{path.name}.*.part"):
            left.unlink(missing_ok=True)


def _read(path: Path, key: str) -> dict[str, Tensor] | None:
    try:
        return read_sealed(path, key)
    except OSError:
        return None


def read_sealed(path: Path, key: str) -> dict[str, Tensor] | None:
    """The tensors of a file that holds `sealed` content of this key; None if it is damaged or of another key.

    Raises `OSError` where it cannot be read.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            # Copied: the originals are mapped to the file and would change with it.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a mapping
        intact = metadata["key"] == key and metadata["sha256"] == digest(tensors, key.encode())
    except (SafetensorError, KeyError, TypeError):
        return None
    return tensors if intact else None


def sealed(tensors: Mapping[str, Tensor], key: str) -> bytes:
    """The content of a file with these contiguous tensors, their key and a checksum of both."""
    return safetensors.torch.save(dict(tensors), {"key": key, "sha256": digest(tensors, key.encode())})
