"""A checksum over tensors by name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor


def digest(tensors: Mapping[str, Tensor], before: bytes) -> str:
    """SHA-256, hexadecimal, of the bytes `before` and then of every name, type, shape and content."""
    hashed = hashlib.sha256(before)
    for name in sorted(tensors):
        hashed.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        hashed.update(tensors[name].contiguous().reshape(-1).numpy().tobytes())
    return hashed.hexdigest()
