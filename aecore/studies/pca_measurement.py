"""Measures PCA at every code size on the real data, and publishes the curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from math import prod
from pathlib import Path

import numpy as np

from aecore.data import datasets
from aecore.data.splits import Dataset
from aecore.files import figures
from aecore.reconstructors.pca import fit_pca
from aecore.studies.pca_curves import PUBLISHED, Curve, path_of

ROUND_SIZES = (64, 100, 128, 200, 256, 384, 500, 512, 1000, 1024, 2000, 2048)  # sizes that people choose
_CURVE_POINTS = 150


def curve_sizes(numbers: int) -> list[int]:
    """The numbers of components to publish for pictures of `numbers` numbers.

    0, then even steps in logarithms up to `numbers` − 1, and the round sizes among them.
    """
    steps = np.geomspace(1, numbers - 1, _CURVE_POINTS).round().astype(int).tolist()
    return sorted({0, *steps, *(size for size in ROUND_SIZES if size < numbers)})


def measure(dataset: Dataset) -> Curve:
    """Fit PCA on the training pictures and measure it on the test pictures. About a minute for CIFAR-10."""
    sizes = curve_sizes(prod(dataset.shape))
    errors = fit_pca(dataset.train.pixels).clamped_errors(dataset.test.pixels, sizes)
    method = f"PCA of the {len(dataset.train):,} training pictures, on the {len(dataset.test):,} test pictures, clamped"
    return Curve(
        dataset.name, dataset.fingerprint, method, tuple(sizes), tuple(float(f"{error:.6g}") for error in errors)
    )


def publish(root: Path, progress: Callable[[str], None] = print) -> None:
    """Measure PCA on each data set and write its curve under `root`; `progress` gets a sentence per data set.

    Raises `DatasetError` if a data set is not here, `PublishedError` if the file cannot be written.
    """
    for name in PUBLISHED:
        path = path_of(name, root)
        figures.check(path)
        curve = measure(datasets.load(name))
        figures.write(path, asdict(curve))
        progress(f"{path.name}: {curve.method}; MSE {curve.mse[0]:.3g} of the mean picture to {curve.mse[-1]:.3g}.")
