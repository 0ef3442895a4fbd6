"""UMAP of the codes of a run's test pictures, which takes long: cached beside the runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from torch import Tensor

from aecore.data import noise
from aecore.data.splits import Dataset
from aecore.files.fits import load_or_make
from aecore.measuring import maps
from aecore.measuring.maps import MapError
from aecore.runs.execution import SCORING_SEED
from aecore.runs.store import WEIGHTS, Run


def umap_of(run: Run, dataset: Dataset, pictures: int, positions: Callable[[], Tensor], root: Path) -> Tensor:
    """UMAP of the codes of the first test `pictures`, `[N, 2]`; made once and stored under `root`.

    The pictures are under the noise that the run was trained with. `positions` gives the first `maps.COMPONENTS`
    principal components of their codes, and is called only where no map is stored. Raises `MapError` as `maps.umap`
    does.
    """
    if not maps.has_umap():
        raise MapError(maps.REMEDY)
    facts = {
        "version": maps.VERSION,
        "umap": version("umap-learn"),
        "model": run.digest(WEIGHTS),  # the same spec may give other weights on another machine
        "noise": str(run.spec.recipe.noise),
        "noise version": noise.VERSION,
        "noise seed": SCORING_SEED,
        "dataset": dataset.fingerprint,
        "pictures": pictures,
        "components": maps.COMPONENTS,
        "neighbours": maps.NEIGHBOURS,
        "least distance": maps.LEAST_DISTANCE,
        "seed": maps.SEED,
    }
    return load_or_make(root, "umap", facts, lambda: {"map": maps.umap(positions())})["map"]
