"""Load a data set by its name; its files are read when a split is first used."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from aecore.data import folder
from aecore.data.catalog import CROPS, EXCERPTS, data_root, find_source, folder_parts, is_folder
from aecore.data.downloads import read
from aecore.data.excerpts import load_excerpt
from aecore.data.sample import load_crops
from aecore.data.splits import Dataset


def stamp(name: str) -> str:
    """What changes with the files of a folder, so that it need not be loaded again while it stays the same.

    Empty for every other data set, whose content is fixed. Raises `DatasetError` for a folder that does not exist.
    """
    return folder.stamp(folder_parts(name)[1]) if is_folder(name) else ""


def load(name: str, root: Path | None = None) -> Dataset:
    """The data set `name`: one of `NAMES`, or "folder:PATH" for the pictures under a folder of your own.

    Those become 32×32 pixels; "folder@64:PATH" makes it 64×64, or another size up to 256×256.
    `root` holds the data sets in torchvision's layout; by default it is `folders.data()`. Raises `DatasetError` for an
    unknown name, and for a folder that does not exist or holds fewer than 10 pictures. Missing files of the other data
    sets raise it when a split is first used.
    """
    if name in EXCERPTS:
        return load_excerpt(name)
    if name in CROPS:
        return load_crops(name)
    if is_folder(name):
        side, path = folder_parts(name)
        return folder.load_folder(path, side)
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
