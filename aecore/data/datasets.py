"""Any data set by its name: `load("cifar10")` reads lazily."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from aecore.data.catalog import SAMPLE, data_root, find_source
from aecore.data.downloads import read
from aecore.data.folder import load_folder
from aecore.data.sample import load_sample
from aecore.data.splits import Dataset


def load(name: str, root: Path | None = None) -> Dataset:
    """The data set `name`: one of `NAMES`, or "folder:PATH" for the pictures under a folder of one's own.

    `root` holds the data sets in torchvision's layout; by default it is `folders.data()`. Raises `DatasetError` if
    there is no such name, or the folder of pictures is absent or holds fewer than 10; files that the others lack show
    when a split is asked for.
    """
    if name == SAMPLE:
        return load_sample()
    if name.startswith("folder:"):
        return load_folder(name.removeprefix("folder:"))
    source, root = find_source(name), data_root(root)
    return Dataset(
        name,
        source.title,
        tuple(source.classes.split(", ")),
        source.shape,
        partial(read, source, name, root, "learning"),
        partial(read, source, name, root, "test"),
        source.digests,
    )
