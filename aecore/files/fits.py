"""What was fitted or tuned once on a data set, kept beside the runs: `.fits/<name>-<key>.safetensors`.

A fit is named by the facts that decide it, as a run is by its spec, and its content is vouched for by a checksum. A
file that is damaged, cut short or another's is renamed to `….damaged` and the fit is made again. Where nothing can be
written, nothing is kept, and that is all.
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


def kept(
    root: Path, name: str, facts: Mapping[str, Any], make: Callable[[], Mapping[str, Tensor]]
) -> dict[str, Tensor]:
    """The fit that `facts` (JSON values) decide: read from under `root`, or made and kept there.

    Asked for twice at once it is made once. Whatever `make` raises is passed on, and nothing is kept.
    """
    key = hashlib.sha256(canonical({"fit": name, **facts})).hexdigest()
    path = root / FOLDER / f"{name}-{key[:KEY_DIGITS]}.safetensors"
    if found := _read(path, key):
        return found
    with _alone(path):
        # Another process may have made it while we waited. Only now is what cannot be read damaged for sure.
        if found := _read(path, key):
            return found
        _clear(path)
        made = {part: tensor.contiguous() for part, tensor in make().items()}
        with suppress(OSError):
            write_whole(path, _content(made, key))
        return made


def _alone(path: Path) -> AbstractContextManager[Any]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path.with_suffix(".lock")).acquire()
    except OSError:
        return nullcontext()  # where nothing can be kept, nobody waits for it


def _clear(path: Path) -> None:
    """Set a damaged file aside, and remove what a killed process left half-written."""
    with suppress(OSError):
        path.replace(path.with_name(path.name + ".damaged"))
    with suppress(OSError):
        for left in path.parent.glob(f".{path.name}.*.part"):
            left.unlink(missing_ok=True)


def _read(path: Path, key: str) -> dict[str, Tensor] | None:

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            # Copied, or they would change with the file for as long as they live.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a mapping
        intact = metadata["key"] == key and metadata["sha256"] == digest(tensors, key.encode())
    except (OSError, SafetensorError, KeyError, TypeError):
        return None
    return tensors if intact else None


def _content(tensors: Mapping[str, Tensor], key: str) -> bytes:

    return safetensors.torch.save(dict(tensors), {"key": key, "sha256": digest(tensors, key.encode())})
