"""Codes as maps: principal components of many codes, UMAP from them, and the nearest neighbours of a code.

Codes are `[N, D]` tensors of floating-point numbers, as `codes.codes` gives them, flattened. They are taken in parts,
because 10,000 codes of 8,192 numbers in half precision fill 164 MB, and would fill four times that if centred at once.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor

from aecore import AecoreError
from aecore.files import background

COMPONENTS = 50  # to which codes are reduced before UMAP
NEIGHBOURS, LEAST_DISTANCE = 15, 0.1  # the usual settings of UMAP
FEWEST = 10  # pictures of which a map is made
SEED = 0
VERSION = 1  # of what `umap` computes; raise it when the same codes give another map
REMEDY = "UMAP needs a package that is not installed here: `python -m pip install -r requirements-umap.txt`."
_PART = 1_000_000  # numbers of codes in single precision at a time, which fit into the processor's cache
_SPARE, _ROUNDS, _TOLERANCE = 10, 100, 1e-6  # of the iteration that gives principal components
_SECONDS = 1800  # after which a map is given up


class MapError(AecoreError):
    """A map cannot be made; the message says why."""


@dataclass(frozen=True, eq=False)
class Principal:
    """Codes along their principal axes: `positions` `[N, K]`, by falling variance, and the `shares` `[K]` of it."""

    positions: Tensor
    shares: Tensor


def principal(codes: Tensor, components: int = COMPONENTS) -> Principal:
    """The first principal components of `codes`, or all of them where there are fewer.

    They are the limit of a subspace that is multiplied by the covariance again and again (Halko, Martinsson and Tropp
    2011, "Finding structure with randomness", algorithm 4.4). It is reached when no variance changes by more than a
    millionth of the largest. Of the two directions of an axis it is the one in which its largest number is positive.

    Raises `MapError` for fewer than `FEWEST` codes, for codes that are all the same, and for numbers that are not
    finite.
    """
    codes = codes.flatten(1)
    if len(codes) < FEWEST:
        raise MapError(f"A map needs {FEWEST} pictures or more, not {len(codes)}.")
    mean = sum((part.sum(0) for part in _parts(codes, torch.float64)), torch.zeros(())).float() / len(codes)
    total = sum(float((part - mean).double().square().sum()) for part in _parts(codes))
    if not np.isfinite(total):
        raise MapError("The codes hold numbers that are not finite.")
    if total == 0:
        raise MapError("The codes of all pictures are the same.")
    most = min(*codes.shape, components)
    width = min(*codes.shape, most + _SPARE)
    axes = torch.randn(codes.shape[1], width, generator=torch.Generator().manual_seed(SEED))
    before = torch.zeros(most)
    for _ in range(_ROUNDS):
        axes = torch.linalg.qr(axes)[0]
        projected = torch.cat([(part - mean) @ axes for part in _parts(codes)])  # [N, width]
        _, singular, rotation = torch.linalg.svd(projected.double(), full_matrices=False)
        variances = singular[:most].float().square()
        if (variances - before).abs().max() <= _TOLERANCE * variances[0]:
            break
        before, start = variances, 0
        axes = torch.zeros_like(axes)
        for part in _parts(codes):
            axes.addmm_((part - mean).T, projected[start : start + len(part)])
            start += len(part)
    turned = rotation[:most].T.float()
    axes = axes @ turned
    signs = axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    return Principal(projected @ turned * signs, variances / total)


def nearest(codes: Tensor, index: int, count: int) -> tuple[Tensor, Tensor]:
    """The `count` codes with the smallest Euclidean distances from the one at `index`: their indices and distances.

    Every distance is computed from the differences. The code itself is left out; of equally distant ones the first is
    nearer. Integers, such as pixels, are codes too.
    """
    codes = codes.flatten(1)
    wanted = codes[index].float()
    squares = torch.cat([(part - wanted).square_().sum(1) for part in _parts(codes)])
    squares[index] = -1
    order = squares.argsort(stable=True)[1 : count + 1]
    return order, squares[order].sqrt()


def _parts(codes: Tensor, dtype: torch.dtype = torch.float32) -> Iterator[Tensor]:
    return (part.to(dtype) for part in torch.split(codes, max(1, _PART // codes.shape[1])))


# ---- UMAP


def has_umap() -> bool:
    """Whether its package is installed; nothing of it is imported."""
    return find_spec("umap") is not None


def umap(positions: Tensor) -> Tensor:
    """UMAP (McInnes, Healy and Melville 2018) of float32 `positions` `[N, K]`: float32 `[N, 2]`.

    The nearest neighbours are exact and the seed is fixed, so the same positions give the same map on the same machine.
    It is computed in a process of its own, about 20 seconds for 10,000 positions on one core: in this one it would stop
    all other threads. Raises `MapError` where the package is missing, and where the process fails.
    """
    if not has_umap():
        raise MapError(REMEDY)
    given, taken = io.BytesIO(), io.BytesIO()
    np.savez(given, *(part.numpy() for part in (positions.float(), *_neighbourhoods(positions.float()))))
    command = [sys.executable, "-m", "aecore.measuring.umap_process"]
    try:
        done = subprocess.run(
            command, cwd=background.ROOT, input=given.getvalue(), capture_output=True, timeout=_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        raise MapError(f"UMAP took longer than {_SECONDS // 60} minutes.") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or ["it was ended"]
        raise MapError(f"UMAP failed: {lines[-1]}") from None
    taken.write(done.stdout)
    taken.seek(0)
    return torch.from_numpy(np.load(taken))


def _neighbourhoods(positions: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest positions of each one, itself first, and their distances: int64 and float32 `[N, NEIGHBOURS]`."""
    parts = [
        torch.cdist(part, positions, compute_mode="donot_use_mm_for_euclid_dist").topk(
            min(NEIGHBOURS, len(positions)), largest=False
        )
        for part in torch.split(positions, 500)
    ]
    return torch.cat([part.indices for part in parts]), torch.cat([part.values for part in parts])
