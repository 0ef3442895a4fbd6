"""The codes of a run's test pictures and their places in the plane, computed behind the page; neighbours at once."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import cast

import numpy as np
import streamlit as st
import torch
from numpy.typing import NDArray
from torch import Tensor

from aecore.data.splits import Dataset
from aecore.measuring import codes, maps
from aecore.models.reconstructor import Coder
from aecore.runs.execution import SCORING_SEED
from aecore.runs.store import WEIGHTS, Run, Store
from aecore.studies import code_maps
from aecore.studies.contestants import Contestant
from pages.components import cached, jobs

PCA, UMAP = "PCA", "UMAP"
NEAREST = 8
MOST = 10_000  # pictures on a map
MOST_NUMBERS = 82_000_000  # in their codes, which take two bytes each


@dataclass(frozen=True, eq=False)
class Plane:
    """Where each test picture lies, float32 `[N, 2]`; of PCA also which share of the variance each axis has."""

    places: NDArray[np.float32]
    shares: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Near:
    """The pictures nearest to one, the nearest first, and their distances."""

    pictures: tuple[int, ...]
    distances: tuple[float, ...]

    def alike(self, labels: Tensor, picture: int) -> int:
        """How many of them share the class of `picture`."""
        return int((labels[list(self.pictures)] == labels[picture]).sum())


def count_of(run: Run, data: Dataset) -> int:
    """How many of the test pictures, from the first on, are on the map of a run with a code."""
    size = run.spec.architecture.code_size
    assert size
    return min(len(data.test), MOST, max(maps.FEWEST, MOST_NUMBERS // size))


def begun(contestant: Contestant, dataset_name: str, projection: str) -> Future[Plane]:
    """The map of a trained contestant's codes, as a job."""
    if projection == UMAP:
        return jobs.begun("slow", _by_umap, contestant, dataset_name)
    return jobs.begun("fits", _by_pca, contestant, dataset_name)


def _by_pca(contestant: Contestant, dataset_name: str) -> Plane:
    principal = maps.principal(_codes_of(contestant, dataset_name), 2)
    places = torch.zeros(len(principal.positions), 2)
    places[:, : principal.positions.shape[1]] = principal.positions  # a code of one number has one axis
    return Plane(places.numpy(), tuple(principal.shares.tolist()))


def _by_umap(contestant: Contestant, dataset_name: str) -> Plane:
    run, data = contestant.run, cached.dataset(dataset_name)
    assert run

    def positions() -> Tensor:
        return maps.principal(_codes_of(contestant, dataset_name)).positions

    return Plane(code_maps.umap_of(run, data, count_of(run, data), positions, Store().root).numpy())


def near_code(contestant: Contestant, dataset_name: str, picture: int) -> Near:
    """The pictures whose codes are nearest by Euclidean distance."""
    jobs.one_core()
    return _near(_codes_of(contestant, dataset_name), picture)


def near_pixels(dataset_name: str, count: int, picture: int) -> Near:
    """Of the first `count` pictures those whose pixels, in [0, 1], are nearest by Euclidean distance."""
    jobs.one_core()
    near = _near(cached.dataset(dataset_name).test.pixels[:count], picture)
    return Near(near.pictures, tuple(distance / 255 for distance in near.distances))


def _near(points: Tensor, picture: int) -> Near:
    pictures, distances = maps.nearest(points, picture, NEAREST)
    return Near(tuple(pictures.tolist()), tuple(distances.tolist()))


def _codes_of(contestant: Contestant, dataset_name: str) -> Tensor:
    assert contestant.run
    weights = contestant.run.digest(WEIGHTS)
    return _codes(contestant, weights, dataset_name, cached.dataset(dataset_name).fingerprint)


# Two, because each may fill 164 MB.
@st.cache_resource(max_entries=2, show_spinner=False)
def _codes(_contestant: Contestant, weights: str, dataset_name: str, fingerprint: str) -> Tensor:
    """The codes of the pictures on the map, under the noise that the model was trained with, `[N, D]`."""
    model = cast(Coder, cached.reconstructor(_contestant, dataset_name, None))
    assert _contestant.run
    data = cached.dataset(dataset_name)
    pixels = data.test.pixels[: count_of(_contestant.run, data)]
    return codes.codes(model, pixels, _contestant.trained_under, SCORING_SEED).flatten(1)
