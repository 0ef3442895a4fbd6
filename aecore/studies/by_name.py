"""Whatever gives pictures back, by its name: a trained run, PCA, a codec, a filter. Nobody need ask which it is.

find("shallow-strided", …)   find("pca-256", …)   find("jpeg-75", …)   find("bm3d", …)
"""

from __future__ import annotations

import difflib

from aecore.data.noise import Noise
from aecore.data.splits import Dataset
from aecore.models.reconstructor import Reconstructor
from aecore.reconstructors import codecs, denoisers, pca
from aecore.runs.store import Run, Store, StoreError

NONE = Noise("gaussian", 0.0)


def is_baseline(name: str) -> bool:
    """Whether this is no run's name."""
    return pca.is_known(name) or codecs.is_known(name) or name in denoisers.METHODS


def find(name: str, dataset: Dataset, noise: Noise | None, store: Store) -> Reconstructor:
    """The reconstructor of this name for pictures of `dataset` under `noise`.

    What has to be fitted is fitted once and kept beside the runs. Raises an `AecoreError` with what is known where
    nothing has this name.
    """
    if pca.is_known(name):
        return pca.find(name, dataset, store.root)
    if codecs.is_known(name):
        return codecs.find(name, dataset.shape)
    if name in denoisers.METHODS:
        return denoisers.prepare(name, dataset, noise or NONE, store.root)
    return trained(name, store).model()


def trained(name: str, store: Store) -> Run:
    """The run of this name; raises `StoreError` with the runs and the baselines that there are."""
    try:
        return store.find(name)
    except StoreError as error:
        near = difflib.get_close_matches(name.lower(), KNOWN, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise StoreError(f"{error} Baselines: {', '.join(KNOWN)}{hint}") from None


KNOWN = (*pca.EXAMPLES, *codecs.EXAMPLES, *denoisers.METHODS)
