"""The embedded sample: the same pictures on every machine, in splits that share no strip of a photograph."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from aecore.data import catalog, datasets
from aecore.data.sample import crops_of
from aecore.data.splits import Dataset
from tests.aecore.data.reading import splits

SAMPLE_FINGERPRINT = "506e16793e6974894dc25796cd540dc35797fa2f31cb127467529874c5e400db"


def test_sample_is_the_same_everywhere(sample: Dataset) -> None:
    assert sample.fingerprint == datasets.load("sample").fingerprint == SAMPLE_FINGERPRINT


def test_sample_sizes(sample: Dataset) -> None:
    assert list(map(len, splits(sample))) == [4_512, 504, 1_000]
    for split in splits(sample):
        assert len(set(split.labels.bincount().tolist())) == 1
    # Pictures of all classes come first, whatever a gallery's size.
    assert sample.test.labels[:8].tolist() == list(range(8))


def test_sample_crops_stay_in_their_strips_and_strips_are_disjoint() -> None:
    folder = Path(str(files("skimage"))) / "data"
    for file in catalog.PHOTOGRAPHS.values():
        with Image.open(folder / file) as opened:
            width, height = opened.size
        # Each column is painted with the number of its split, so that a crop across a border would mix them.
        painted = np.repeat([10, 10, 200, 100, 10], np.diff([fifth * width // 5 for fifth in range(6)]))
        photograph = np.broadcast_to(painted[None, :, None].astype(np.uint8), (height, width, 3))
        for split, colour in {"train": 10, "validation": 100, "test": 200}.items():
            crops = crops_of(photograph, catalog.STRIPS[split])
            assert np.unique(crops).tolist() == [colour]


def test_sample_crops_average_their_window() -> None:
    rows, columns = np.mgrid[0:400, 0:640]
    photograph = np.stack([(rows // 2) % 256, (columns // 3) % 256, np.full_like(rows, 7)], axis=-1).astype(np.uint8)
    crops = crops_of(photograph, catalog.STRIPS["test"])
    assert crops.shape == (125, 3, 32, 32)
    assert (crops[:, 2] == 7).all()
    heights = crops[:, 0].astype(int).max((1, 2)) - crops[:, 0].min((1, 2))
    assert len(set(np.round(heights / 15.5).tolist())) == 4  # windows of 32, 64, 96 and 128 pixels


def test_sample_pictures_differ(sample: Dataset) -> None:
    flat = torch.cat([split.pixels.flatten(1) for split in splits(sample)])
    assert len(flat.unique(dim=0)) > 0.97 * len(flat)
