"""The embedded sample: crops of the photographs in scikit-image's wheel, for machines without a data set."""

from __future__ import annotations

from functools import cache, reduce
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from aecore.data.catalog import PHOTOGRAPHS, SAMPLE, SAMPLE_TITLE, STRIPS, DatasetError, Strips
from aecore.data.splits import Dataset, Split


@cache  # it never changes, and a supervisor uses it for many runs
def load_sample() -> Dataset:
    """The sample as a data set; it needs no files besides scikit-image's."""
    return Dataset(
        SAMPLE,
        SAMPLE_TITLE,
        tuple(PHOTOGRAPHS),
        (3, 32, 32),
        lambda: (_sample_split(STRIPS["train"]), _sample_split(STRIPS["validation"])),
        lambda: (_sample_split(STRIPS["test"]),),
    )


def _sample_split(strips: Strips) -> Split:
    crops = np.stack([crops_of(photograph, strips) for photograph in _photographs()], axis=1)  # [crops, photographs, …]
    labels = torch.arange(len(PHOTOGRAPHS)).repeat(strips.crops)
    return Split(torch.from_numpy(crops.reshape(-1, *crops.shape[2:])), labels)


@cache
def _photographs() -> list[np.ndarray]:
    """The photographs, [H, W, 3] uint8, 13 MB in total."""
    # Read as files: `skimage.data` would download a missing photograph.
    folder = Path(str(files("skimage") / "data"))
    try:
        return [np.asarray(Image.open(folder / file).convert("RGB")) for file in PHOTOGRAPHS.values()]
    except OSError as error:
        raise DatasetError(
            f"The embedded sample needs the photographs of scikit-image, and {folder} lacks one of them "
            f"({error}): reinstall scikit-image."
        ) from error


def crops_of(photograph: np.ndarray, strips: Strips) -> np.ndarray:
    """`strips.crops` windows [N, 3, 32, 32] of a photograph [H, W, 3], spread evenly over strips and scales.

    The positions follow the R2 sequence (M. Roberts, 2018, "The unreasonable effectiveness of quasirandom
    sequences") and windows are averaged in integers, so every machine gets the same pixels.
    """
    height, width, channels = photograph.shape
    # Windows of 32 × scale pixels that fit into a fifth, so that all splits of a photograph have the same scales.
    kinds = [(fifth, scale) for fifth in strips.fifths for scale in (1, 2, 3, 4) if 32 * scale <= width // 5]
    plastic = 1.32471795724474602596  # the real root of x³ = x + 1
    crops = np.empty((strips.crops, channels, 32, 32), dtype=np.uint8)
    for index in range(strips.crops):
        fifth, scale = kinds[index % len(kinds)]
        side, left, right = 32 * scale, fifth * width // 5, (fifth + 1) * width // 5
        top = int((0.5 + index / plastic) % 1 * (height - side + 1))
        left += int((0.5 + index / plastic**2) % 1 * (right - left - side + 1))
        # Added slice by slice in 16 bits, which can hold 4 × 4 × 255: ten times as fast as a sum over axes.
        sums = photograph[top : top + side, left : left + side].astype(np.uint16)
        sums = reduce(np.add, [sums[row::scale] for row in range(scale)])
        sums = reduce(np.add, [sums[:, column::scale] for column in range(scale)])  # [32, 32, C]
        crops[index] = ((sums + scale**2 // 2) // scale**2).transpose(2, 0, 1)
    return crops
