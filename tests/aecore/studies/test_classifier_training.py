"""Training a classifier: pictures are shifted and mirrored, what is learned repeats, and the best epoch is taken."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from aecore.data.splits import Dataset, Split, to_float
from aecore.measuring.classifiers import Classifier, Design
from aecore.studies import classifier_training
from aecore.studies.classifier_training import Epoch, augmented, train, trained

LAYERS = "conv8:linear | bn | act | pool4 | conv8:linear | bn | act | pool8 | flatten | dense10:linear"
DESIGN = Design("cifar10", (3, 32, 32), LAYERS, 2, mirrors=True, batch_size=20, learning_rate=0.1)


def split(count: int, seed: int) -> Split:
    """Ten classes of random pictures that differ in their mean colour."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(10, (count,), generator=draw)
    colours = torch.rand(10, 3, 1, 1, generator=torch.Generator().manual_seed(9))[labels]
    pixels = (255 * (0.8 * colours + 0.2 * torch.rand(count, 3, 32, 32, generator=draw))).to(torch.uint8)
    return Split(pixels, labels)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    parts = split(300, 0), split(100, 1), split(100, 2)
    return Dataset("made", "ten colours", tuple("abcdefghij"), (3, 32, 32), lambda: parts[:2], lambda: parts[2:])


def test_it_learns_what_tells_the_classes_apart_and_weights_are_in_float16(dataset: Dataset) -> None:
    epochs = list(train(replace(DESIGN, epochs=6), dataset))
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[-1].loss < epochs[0].loss
    read = Classifier(DESIGN, epochs[-1].weights)(to_float(dataset.validation.pixels))
    assert epochs[-1].accuracy == np.mean(read.numpy() == dataset.validation.labels.numpy())
    assert epochs[-1].accuracy > 0.5  # chance is 0.1
    kinds = {tensor.dtype for tensor in epochs[-1].weights.values()}
    assert kinds == {torch.float16, torch.int64}


def test_the_same_seed_gives_the_same_weights_and_another_one_others(dataset: Dataset) -> None:
    first, again, other = (list(train(replace(DESIGN, seed=seed), dataset))[-1].weights for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first if name.endswith("0.weight"))


@pytest.mark.parametrize("mirrors", [True, False])
def test_pictures_are_shifted_with_reflected_edges_and_perhaps_mirrored(mirrors: bool) -> None:
    pictures, shift = to_float(split(60, 3).pixels), 2
    design = replace(DESIGN, mirrors=mirrors, shift=shift)
    results = augmented(pictures, design, torch.Generator().manual_seed(0)).numpy()
    seen = set()
    for picture, result in zip(pictures.numpy(), results, strict=True):
        padded = np.pad(picture, ((0, 0), (shift, shift), (shift, shift)), mode="reflect")
        ways = [
            (top, left, step)
            for top, left, step in product(range(2 * shift + 1), range(2 * shift + 1), (1, -1))
            if np.array_equal(padded[:, top : top + 32, left : left + 32][:, :, ::step], result)
        ]
        assert len(ways) == 1
        seen.add(ways[0])
    assert {step for *_, step in seen} == ({1, -1} if mirrors else {1})
    assert {top for top, *_ in seen} == {left for _, left, _ in seen} == set(range(2 * shift + 1))


def test_the_epoch_that_reads_most_validation_pictures_is_taken(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = [Epoch(number, 1.0, accuracy, {}) for number, accuracy in enumerate((0.2, 0.4, 0.3, 0.4), start=1)]
    monkeypatch.setattr(classifier_training, "train", lambda design, dataset: iter(epochs))
    sentences = list[str]()
    assert trained(DESIGN, dataset, sentences.append) is epochs[1]
    assert sentences[1] == (
        "Classifier of ten colours, epoch 2 of 2: loss 1.000, 40.0% of the validation pictures right."
    )
