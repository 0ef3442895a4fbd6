"""The only caches of the dashboard. Each is keyed on names and numbers, never on pixels, and bounded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from aecore import datasets, scores, store
from aecore.datasets import Dataset, to_float
from aecore.noise import Noise, noisy
from aecore.store import Model, Store

Pixels = NDArray[np.uint8]


@st.cache_resource(max_entries=4, show_spinner="Reading the pictures")
def dataset(name: str) -> Dataset:
    """A data set, read once for every session."""
    found = datasets.load(name)
    # Read here, under this spinner: a damaged data set must be told where it is picked.
    _ = found.test
    return found


@st.cache_resource(max_entries=64, show_spinner="Loading the model")
def model(key: str) -> Model:
    """A trained model, by the key of its run."""
    return store.load(key)


@st.cache_data(max_entries=64)
def history(key: str) -> pd.DataFrame:
    """The loss curves of a run."""
    return Store().find(key).history()


@st.cache_data(max_entries=512, show_spinner=False)
def originals(dataset_name: str, pictures: tuple[int, ...]) -> Pixels:
    """Test pictures `[N, C, H, W]`."""
    return np.asarray(dataset(dataset_name).test.pixels[list(pictures)].numpy())


@st.cache_data(max_entries=512, show_spinner=False)
def corrupted(dataset_name: str, pictures: tuple[int, ...], noise: Noise, seed: int) -> tuple[Pixels, pd.DataFrame]:
    """The same pictures under `noise`, clipped for display, and their scores against the clean ones."""
    clean = to_float(dataset(dataset_name).test.pixels[list(pictures)])
    given = noisy(clean, noise, seed, pictures)
    return _displayed(given.numpy()), scores.per_picture(given, clean)


@st.cache_data(max_entries=1024, show_spinner=False)
def reconstructions(
    key: str, dataset_name: str, pictures: tuple[int, ...], noise: Noise, seed: int
) -> tuple[Pixels, pd.DataFrame]:
    """What the run's model makes of the noisy pictures, and its scores against the clean ones."""
    clean = to_float(dataset(dataset_name).test.pixels[list(pictures)])
    output = model(key)(noisy(clean, noise, seed, pictures))
    return _displayed(output.numpy()), scores.per_picture(output, clean)


def _displayed(values: NDArray[np.float32]) -> Pixels:
    return np.asarray((values.clip(0, 1) * 255).round().astype(np.uint8))
