"""A checksum over named tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor


def digest(tensors: Mapping[str, Tensor], prefix: bytes) -> str:
    """Hex SHA-256 of `prefix` followed by every tensor's name, type, shape and content, sorted by name."""
    hashed = hashlib.sha256(prefix)
    for name in sorted(tensors):
        hashed.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        hashed.update(tensors[name].contiguous().reshape(-1).numpy().tobytes())
    return hashed.hexdigest()
