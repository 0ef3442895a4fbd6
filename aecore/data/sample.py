"""The embedded pictures: crops of the photographs in scikit-image's wheel, for machines without a data set.

`sample` has 32×32 pixels, as CIFAR-10 has. `scenes-32`, `scenes-64` and `scenes-96` are the same windows of the
photographs at three resolutions: picture i of one shows what picture i of the others shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial, reduce
from importlib.resources import files
from math import gcd
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from aecore.data.catalog import CROPS, Crops, DatasetError
from aecore.data.splits import Dataset, Split


@cache  # they never change, and a supervisor uses them for many runs
def load_crops(name: str) -> Dataset:
    """The embedded pictures of this name as a data set; they need no files besides scikit-image's."""
    crops = CROPS[name]
    split = partial(_split, crops)
    return Dataset(
        name,
        crops.title,
        tuple(crops.photographs),
        crops.shape,
        lambda: (split("train"), split("validation")),
        lambda: (split("test"),),
    )


def _split(crops: Crops, name: str) -> Split:
    photographs = [_photograph(file) for file in crops.photographs.values()]
    pixels = np.stack([crops_of(photograph, crops, name) for photograph in photographs], axis=1)
    labels = torch.arange(len(photographs)).repeat(crops.strips[name].crops)
    # [crops, photographs, C, H, W] → [N, C, H, W]
    return Split(torch.from_numpy(pixels.reshape(-1, *crops.shape)), labels)


@cache
def _photograph(file: str) -> np.ndarray:
    """A photograph, [H, W, 3] uint8; all of them are 13 MB."""
    # Read as a file: `skimage.data` would download a missing photograph.
    folder = Path(str(files("skimage") / "data"))
    try:
        return np.asarray(Image.open(folder / file).convert("RGB"))
    except OSError as error:
        raise DatasetError(
            f"The embedded sample needs the photographs of scikit-image, and {folder} lacks one of them "
            f"({error}): reinstall scikit-image."
        ) from error


def crops_of(photograph: np.ndarray, crops: Crops, split: str) -> np.ndarray:
    """The windows of a photograph [H, W, 3] that a split takes, averaged to the side of `crops`, [N, 3, side, side]."""
    windows = _windows(photograph, crops, split)
    return np.ascontiguousarray(np.stack([averaged(window, crops.side) for window in windows]).transpose(0, 3, 1, 2))


def _windows(photograph: np.ndarray, crops: Crops, split: str) -> Iterator[np.ndarray]:
    """Square windows, spread evenly over strips and scales; they depend on nothing that differs between machines.

    The positions follow the R2 sequence (M. Roberts, 2018, "The unreasonable effectiveness of quasirandom
    sequences").
    """
    height, width, _ = photograph.shape
    strips = crops.strips[split]
    # Windows that fit into a fifth, so that all splits of a photograph have the same scales.
    kinds = [(fifth, scale) for fifth in strips.fifths for scale in crops.scales if crops.window * scale <= width // 5]
    plastic = 1.32471795724474602596  # the real root of x³ = x + 1
    for index in range(strips.crops):
        fifth, scale = kinds[index % len(kinds)]
        side, left, right = crops.window * scale, fifth * width // 5, (fifth + 1) * width // 5
        top = int((0.5 + index / plastic) % 1 * (height - side + 1))
        left += int((0.5 + index / plastic**2) % 1 * (right - left - side + 1))
        yield photograph[top : top + side, left : left + side]


def averaged(window: np.ndarray, side: int) -> np.ndarray:
    """A square window [W, W, C] uint8 averaged by area to [side, side, C].

    In integers, so that every machine gets the same pixels. Where `side` does not divide W, each pixel is repeated
    until it does: of 96 pixels, three halves make one of 64.
    """
    shared = gcd(len(window), side)
    repeats, block = side // shared, len(window) // shared
    # Added slice by slice in 16 bits, which can hold 16 × 16 × 255: ten times as fast as a sum over axes.
    sums = window.astype(np.uint16).repeat(repeats, 0).repeat(repeats, 1)
    sums = reduce(np.add, [sums[row::block] for row in range(block)])
    sums = reduce(np.add, [sums[:, column::block] for column in range(block)])
    return ((sums + block**2 // 2) // block**2).astype(np.uint8)
