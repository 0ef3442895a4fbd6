"""Splits: read once, on demand, and named by the SHA-256 of their content."""

import pytest
import torch

from aecore.data.catalog import DatasetError
from aecore.data.splits import Dataset, Split, to_float
from tests.aecore.training import little


def test_a_split_is_read_when_asked_for_and_once() -> None:
    reads = []
    split = Split(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))

    def read(part: str, count: int) -> tuple[Split, ...]:
        reads.append(part)
        return (split,) * count

    dataset = Dataset("made", "Made", ("one",), (3, 32, 32), lambda: read("learning", 2), lambda: read("test", 1))
    assert reads == []
    assert dataset.test is dataset.test
    assert reads == ["test"]
    assert dataset.train is dataset.validation
    assert dataset.fingerprint
    assert reads == ["test", "learning"]


def test_the_fingerprint_sees_pixels_labels_shapes_and_splits() -> None:
    def fingerprint(pixels: torch.Tensor, labels: torch.Tensor, cut: int = 2) -> str:
        whole = Split(pixels, labels)
        learning = Split(pixels[:cut], labels[:cut]), Split(pixels[cut:], labels[cut:])
        return Dataset("m", "M", ("a",), (1, 4, 2), lambda: learning, lambda: (whole,)).fingerprint

    pixels, labels = torch.arange(32, dtype=torch.uint8).reshape(4, 1, 4, 2), torch.tensor([0, 1, 2, 3])
    seen = {
        fingerprint(pixels, labels),
        fingerprint(pixels.clone().index_fill_(0, torch.tensor([3]), 9), labels),
        fingerprint(pixels, labels.flip(0)),
        fingerprint(pixels.reshape(4, 1, 2, 4), labels),
        fingerprint(pixels, labels, cut=3),
    }
    assert len(seen) == 5
    assert fingerprint(pixels.clone(), labels.clone()) in seen


def test_a_redrawn_split_holds_the_same_pictures_and_as_many_on_either_side() -> None:
    dataset = little.dataset()

    def listed(*parts: Split) -> list[list[int]]:
        return sorted(picture.flatten().tolist() for part in parts for picture in part.pixels)

    drawn = {seed: dataset.redrawn(seed) for seed in range(3)}
    for train, held_out in drawn.values():
        assert (len(train), len(held_out)) == (len(dataset.train), len(dataset.validation))
        assert listed(train, held_out) == listed(dataset.train, dataset.validation)
        assert listed(held_out) != listed(dataset.validation)
    assert len({str(listed(held_out)) for _, held_out in drawn.values()}) == 3
    again, _ = dataset.redrawn(1)
    assert torch.equal(again.pixels, drawn[1][0].pixels)


def test_a_redrawn_split_takes_each_label_with_its_picture() -> None:
    pixels, labels = torch.arange(20, dtype=torch.uint8).reshape(20, 1, 1, 1), torch.arange(20)
    parts = Split(pixels[:15], labels[:15]), Split(pixels[15:], labels[15:])
    dataset = Dataset("m", "M", tuple("abcdefghijklmnopqrst"), (1, 1, 1), lambda: parts, lambda: (parts[1],))
    for part in dataset.redrawn(0):
        assert part.pixels.flatten().tolist() == part.labels.tolist()


def test_an_excerpt_has_nothing_to_redraw() -> None:
    part = Split(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    excerpt = Dataset("e", "E", ("one",), (3, 8, 8), lambda: (part, part), lambda: (part,), whole="cifar10")
    with pytest.raises(DatasetError, match="data fetch cifar10"):
        excerpt.redrawn(0)


def test_to_float_spans_zero_to_one() -> None:
    pixels = to_float(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert pixels.dtype == torch.float32
    assert pixels.tolist() == pytest.approx([0, 0.2, 1])
