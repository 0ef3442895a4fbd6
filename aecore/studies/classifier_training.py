"""Trains the classifiers of `aecore.measuring.classifiers`.

    for epoch in train(DESIGNS["cifar10"], dataset):
        print(epoch.number, epoch.accuracy)

Every random number comes from a generator keyed by (seed, epoch): on the same CPU with the same number of threads a
training repeats bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from aecore.data.noise import key
from aecore.data.splits import Dataset, to_float
from aecore.measuring.classifiers import Classifier, Design, centred
from aecore.reconstructors.trained import half_precision
from aecore.training.initialisation import initialise
from aecore.training.loop import Pictures, batch_starts

RISING = 0.25  # share of the steps over which the learning rate rises


@dataclass(frozen=True, eq=False)
class Epoch:
    """An epoch of training: its mean loss, the accuracy on the validation pictures after it, and the weights."""

    number: int
    loss: float
    accuracy: float
    weights: dict[str, Tensor]


def train(design: Design, dataset: Dataset) -> Iterator[Epoch]:
    """Train on the training pictures of `dataset`, on the CPU, and yield every epoch with its weights in float16."""
    module = design.module()
    initialise(module, "keras", Generator().manual_seed(key(design.seed, "classifier's weights")))
    module = module.to(memory_format=torch.channels_last)
    pictures = Pictures(dataset.train.pixels, torch.device("cpu"), torch.channels_last)
    starts = batch_starts(len(pictures), design.batch_size)
    optimiser = torch.optim.SGD(
        module.parameters(),
        design.learning_rate,
        design.momentum,
        weight_decay=design.weight_decay,
        nesterov=True,
    )
    schedule = OneCycleLR(
        optimiser,
        design.learning_rate,
        total_steps=design.epochs * len(starts) + 1,
        pct_start=RISING,
        anneal_strategy="linear",
        cycle_momentum=False,
    )
    for epoch in range(1, design.epochs + 1):
        generator, total = Generator().manual_seed(key(design.seed, epoch, "classifier")), 0.0
        order = torch.randperm(len(pictures), generator=generator)
        module.train()
        for first, last in zip(starts, [*starts[1:], len(pictures)], strict=True):
            rows = order[first:last]
            given = augmented(pictures.batch(rows), design, generator)
            loss = F.cross_entropy(module(centred(given)), dataset.train.labels[rows], label_smoothing=design.smoothing)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(rows)
        weights = half_precision({name: tensor.detach().clone() for name, tensor in module.state_dict().items()})
        held_out = dataset.validation
        right = Classifier(design, weights)(to_float(held_out.pixels)) == held_out.labels
        yield Epoch(epoch, total / len(pictures), float(right.double().mean()), weights)


def augmented(pictures: Tensor, design: Design, generator: Generator) -> Tensor:
    """`pictures` `[N, C, H, W]`, each shifted at random, with its edge reflected, and perhaps mirrored."""
    count, _, height, width = pictures.shape
    shift = design.shift
    padded = F.pad(pictures, [shift] * 4, mode="reflect").permute(0, 2, 3, 1).contiguous()
    rows, columns = (
        torch.randint(2 * shift + 1, (count, 1), generator=generator) + torch.arange(extent)
        for extent in (height, width)
    )  # [N, H] and [N, W]
    if design.mirrors:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    shifted = padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]  # [N, H, W, C]
    return shifted.permute(0, 3, 1, 2)


def trained(design: Design, dataset: Dataset, progress: Callable[[str], None]) -> Epoch:
    """Train, and return the epoch with the highest accuracy on the validation pictures.

    `progress` gets a sentence per epoch.
    """
    best: Epoch | None = None
    for epoch in train(design, dataset):
        progress(
            f"Classifier of {dataset.title}, epoch {epoch.number} of {design.epochs}: loss {epoch.loss:.3f}, "
            f"{epoch.accuracy:.1%} of the validation pictures right."
        )
        if best is None or epoch.accuracy > best.accuracy:
            best = epoch
    assert best is not None  # a design has at least one epoch
    return best
