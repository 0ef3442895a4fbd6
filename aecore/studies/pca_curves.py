"""The error of PCA at every code size, published as `checkpoints/pca-<data set>.json` and drawn in the gallery."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aecore.files import figures

PUBLISHED = ("cifar10", "mnist")  # the data sets of the zoo


@dataclass(frozen=True)
class Curve:
    """Test MSE of PCA at each number of components, outputs clamped to `[0, 1]` as for every model."""

    dataset: str
    fingerprint: str
    method: str
    components: tuple[int, ...]
    mse: tuple[float, ...]

    def at(self, code_size: int) -> float | None:
        """The MSE at a code size, interpolated between points in logarithms; None outside the measured range.

        The range ends below the size of the picture, where PCA makes no error.
        """
        known = [(size, error) for size, error in zip(self.components, self.mse, strict=True) if size and error]
        sizes, errors = zip(*known, strict=True)
        if not sizes[0] <= code_size <= sizes[-1]:
            return None
        return float(np.exp(np.interp(np.log(code_size), np.log(sizes), np.log(errors))))


def pca_curve(dataset_name: str, root: Path) -> Curve:
    """The published curve of a data set, read without torch.

    Raises `PublishedError` if the file is missing, damaged or of another version.
    """
    if dataset_name not in PUBLISHED:
        raise figures.PublishedError(f"PCA is published for {' and '.join(PUBLISHED)} only, not for {dataset_name}.")
    path, again = (
        path_of(dataset_name, root),
        f"`python -m aecore baselines` makes it again; it needs the data set {dataset_name}.",
    )

    def build(facts: dict[str, Any]) -> Curve:
        return Curve(**(facts | {name: tuple(facts[name]) for name in ("components", "mse")}))

    return figures.read(path, dataset_name, build, again)


def path_of(dataset_name: str, root: Path) -> Path:
    return root / f"pca-{dataset_name}.json"
