"""How legible reconstructions are: whether a classifier reads the right class from them.

    accuracy(model, dataset.test)      the share of the pictures whose class is read from the reconstruction
    right(model, dataset.test)         1 or 0 for each of them

The classifier (`aecore.measuring.classifiers`) was trained on original pictures alone, and no model was trained for it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from aecore.data.noise import Noise, noisy
from aecore.data.splits import Split, to_float
from aecore.measuring.classifiers import design_for, load
from aecore.models.reconstructor import Reconstructor

BATCH = 500


def classes_read(model: Reconstructor, split: Split, noise: Noise | None = None, seed: int = 0) -> Tensor:
    """The class number read from the reconstruction of each picture of `split`, `[N]` int64.

    With `noise` the model gets the noisy pictures. The pictures must be those of a data set that has a classifier.
    Raises `ClassifierError` where no classifier takes pictures of their shape, or its file is missing or damaged.
    """
    classifier = load(design_for(tuple(split.pixels.shape[1:])))
    read = []
    with torch.inference_mode():
        for first in range(0, len(split), BATCH):
            pictures = range(first, min(first + BATCH, len(split)))
            clean = to_float(split.pixels[first : first + BATCH])
            read.append(classifier(model(noisy(clean, noise, seed, pictures))))
    return torch.cat(read)


def right(model: Reconstructor, split: Split, noise: Noise | None = None, seed: int = 0) -> Tensor:
    """1 for each picture of `split` whose true class is read from its reconstruction, 0 for the others, `[N]` float64.

    Arguments and errors as for `classes_read`.
    """
    return (classes_read(model, split, noise, seed) == split.labels).double()


def accuracy(model: Reconstructor, split: Split, noise: Noise | None = None, seed: int = 0) -> float:
    """The share of the pictures of `split` whose true class is read from their reconstruction.

    Arguments and errors as for `classes_read`.
    """
    return float(right(model, split, noise, seed).mean())
