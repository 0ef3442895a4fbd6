"""A small STL-10 in torchvision's binary layout, for tests that need its files and not its pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aecore.data import catalog, datasets


def write(root: Path, pixels: np.ndarray, labels: list[int]) -> None:
    """Pictures [N, 3, 96, 96] of these classes, both to learn from and to test on; each is stored column by column."""
    folder = root / catalog.SOURCES["stl10"].folder
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        (folder / f"{part}_X.bin").write_bytes(pixels.transpose(0, 1, 3, 2).tobytes())
        (folder / f"{part}_y.bin").write_bytes(bytes(label + 1 for label in labels))
    (folder / "unlabeled_X.bin").touch()
    (folder / "class_names.txt").write_text("\n".join(datasets.load("stl10").classes))


def accept(monkeypatch: pytest.MonkeyPatch, pictures: int) -> None:
    """Take so many pictures to learn from, and as many to test on, for the whole of it, whatever their MD5."""
    from torchvision.datasets import STL10

    source = catalog.SOURCES["stl10"]
    monkeypatch.setitem(catalog.SOURCES, "stl10", replace(source, pictures=2 * pictures, test_pictures=pictures))
    for checks in ("train_list", "test_list"):
        monkeypatch.setattr(STL10, checks, [[file, None] for file, _ in getattr(STL10, checks)])
