"""The pictures of the gallery's first figure, computed: `moving` shows them. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from aecore.data import datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import Split, to_float
from aecore.measuring.totals import decibels, psnr_text
from aecore.runs.store import Store
from pages.components import png
from pages.components.jobs import one_core

DATASET = "cifar10-excerpt"  # sooner read than the whole
PICTURES = (1, 13, 6, 4)  # a ship, a horse, a car and a frog
SEED = 0


def computed(store: Store, keys: Sequence[str], strengths: Sequence[float]) -> tuple[dict[str, Any], bytes]:
    """What the header says of the pictures, with the PSNR of each column at each level, and a PNG of all of them.

    The first row of the PNG holds the clean pictures. Each further row is a level: the noisy pictures, then those of
    each model.
    """
    one_core()
    dataset = datasets.load(DATASET)
    test = Split(dataset.test.pixels[list(PICTURES)], dataset.test.labels[list(PICTURES)])
    clean = to_float(test.pixels)  # [N, C, H, W]
    levels = [noisy(clean, Noise("gaussian", level), SEED, PICTURES) for level in strengths]
    given = torch.stack(levels)  # [levels, N, C, H, W]
    columns = [given, *(store.load(key)(given.flatten(0, 1)).reshape(given.shape) for key in keys)]
    errors = torch.stack([(column.clamp(0, 1).double() - clean).square().mean((1, 2, 3, 4)) for column in columns])
    psnr = [[psnr_text(decibels(error)) for error in row] for row in errors.T.tolist()]
    psnr[0][0] = ""  # without noise the input is what it should be
    rows = [torch.cat([clean, *[torch.zeros_like(clean)] * len(keys)])]
    rows += [torch.cat([column[level] for column in columns]) for level in range(len(strengths))]
    pixels = torch.cat([torch.cat(list(row), 2) for row in rows], 1)  # [C, (1 + levels) × H, columns × N × W]
    picture = png.in_colour((pixels.clamp(0, 1) * 255).round().to(torch.uint8).numpy())
    header = {
        "side": dataset.shape[1],
        "pictures": [dataset.classes[label] for label in test.labels.tolist()],
        "psnr": psnr,
    }
    return header, png.encoded(Image.fromarray(picture))
