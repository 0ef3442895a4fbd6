"""The pictures of CIFAR-10 and MNIST that come with the package, so that a new installation shows real ones.

Of each: the first test pictures, and the first validation pictures, on which settings are tuned. Their indices are
those in the whole data set. The sheets in `shipped/` are lossless; `python -m docs.excerpts` writes them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from aecore.data.catalog import EXCERPTS, SHIPPED, DatasetError, Excerpt, Shape, find_source
from aecore.data.splits import Dataset, Split, digest

COLUMNS = 10  # pictures per row of a sheet


def load_excerpt(name: str) -> Dataset:
    """The excerpt `name`, read when its pictures are first used: its training pictures cannot be had.

    Its fingerprint is that of the whole data set, because everything known of that holds for these pictures.
    """
    excerpt = EXCERPTS[name]
    source = find_source(excerpt.whole)

    def read(part: str) -> Split:
        return _read(excerpt, part, source.shape)

    def read_learning() -> tuple[Split, ...]:
        validation = read("validation")
        return Split(validation.pixels[:0], validation.labels[:0]), validation

    return Dataset(
        name,
        excerpt.title,
        tuple(source.classes.split(", ")),
        source.shape,
        read_learning,
        lambda: (read("test"),),
        source.digests,
        whole=excerpt.whole,
    )


def write(whole: Dataset, excerpt: Excerpt, folder: Path) -> dict[str, str]:
    """Write the sheets of an excerpt of `whole` into `folder`; returns the digest of each split."""
    digests = {}
    for part, split in (("test", whole.test), ("validation", whole.validation)):
        count = excerpt.counts[part]
        split = Split(split.pixels[:count], split.labels[:count])
        sheet, labels = _paths(excerpt, part, folder)
        count, channels, height, width = split.pixels.shape
        rows = split.pixels.numpy().reshape(count // COLUMNS, COLUMNS, channels, height, width)
        pixels = rows.transpose(0, 3, 1, 4, 2).reshape(count // COLUMNS * height, COLUMNS * width, channels)
        colours = np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
        Image.fromarray(colours).save(sheet, lossless=True, quality=100, method=6, exact=True)
        labels.write_text("".join(map(str, split.labels.tolist())) + "\n")
        digests[part] = digest(split)
    return digests


def _paths(excerpt: Excerpt, part: str, folder: Path) -> tuple[Path, Path]:
    return folder / f"{excerpt.whole}-{part}.webp", folder / f"{excerpt.whole}-{part}.txt"


def _read(excerpt: Excerpt, part: str, shape: Shape) -> Split:
    """A split of an excerpt, `[N, C, H, W]`; raises `DatasetError` where a file is missing or was changed."""
    sheet, labels = _paths(excerpt, part, SHIPPED)
    channels, height, width = shape
    try:
        with Image.open(sheet) as opened:
            pixels = np.asarray(opened.convert("RGB"))[:, :, :channels]
        rows = pixels.reshape(-1, height, COLUMNS, width, channels).transpose(0, 2, 4, 1, 3)
        split = Split(
            torch.from_numpy(np.ascontiguousarray(rows.reshape(-1, channels, height, width))),
            torch.tensor([int(digit) for digit in labels.read_text().strip()]),
        )
    except (OSError, ValueError) as error:
        raise DatasetError(f"{excerpt.title}: {sheet} cannot be read. Install the package again.") from error
    if digest(split) != excerpt.digests[part]:
        raise DatasetError(f"{excerpt.title}: {sheet} is damaged. Install the package again.")
    return split
