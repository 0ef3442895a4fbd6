"""The embedded pictures: the same on every machine, in splits that share no strip of a photograph."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aecore.data import catalog, datasets
from aecore.data.sample import averaged, crops_of
from aecore.data.splits import Dataset
from tests.aecore.data.reading import splits

SAMPLE_FINGERPRINT = "506e16793e6974894dc25796cd540dc35797fa2f31cb127467529874c5e400db"


SCENES_FINGERPRINTS = {
    "scenes-32": "1d45be77be14e2b73be239529ae3752e19d2e60eda6d2d828e76dbb9d36933c5",
    "scenes-64": "bcd7034ab53cb7f39093eeb70ff6c1803c3e785fa73228800d8196ae8aece62d",
    "scenes-96": "61ee380c67d4a4e0610795eb8547d58e7a495f00452faa8c70e6eceac51e23d7",
}


def test_sample_is_the_same_everywhere(sample: Dataset) -> None:
    assert sample.fingerprint == datasets.load("sample").fingerprint == SAMPLE_FINGERPRINT


@pytest.mark.parametrize("name", SCENES_FINGERPRINTS)
def test_scenes_are_the_same_everywhere(name: str) -> None:
    scenes = datasets.load(name)
    assert scenes.fingerprint == SCENES_FINGERPRINTS[name]
    assert scenes.shape == (3, int(name[-2:]), int(name[-2:])) == catalog.CROPS[name].shape
    assert list(map(len, splits(scenes))) == [2_100, 210, 420]
    assert "cat" not in scenes.classes, "a fifth of that photograph is narrower than 96 pixels"


def test_scenes_show_the_same_at_every_resolution() -> None:
    small, medium, large = (datasets.load(f"scenes-{side}").test.pixels.double() for side in (32, 64, 96))
    # Area averages of one window: each was rounded once, so that two of them differ by less than one level.
    area = torch.nn.functional.interpolate
    assert (torch.nn.functional.avg_pool2d(large, 3) - small).abs().max() <= 1
    assert (area(medium, size=(32, 32), mode="area") - small).abs().max() <= 1
    for side in (32, 64, 96):
        assert len(datasets.load(f"scenes-{side}").train.pixels.flatten(1).unique(dim=0)) > 2_000


@pytest.mark.parametrize(("width", "side"), [(96, 64), (192, 64), (96, 32), (128, 32), (96, 96)])
def test_windows_are_averaged_by_area(width: int, side: int) -> None:
    window = np.random.default_rng(width + side).integers(0, 256, (width, width, 3), dtype=np.uint8)
    # Enlarged by whole pixels to a common multiple, a box filter has no pixel to share.
    common = width * side
    exact = np.asarray(window, float).repeat(side, 0).repeat(side, 1).reshape(side, common // side, side, -1, 3)
    np.testing.assert_allclose(averaged(window, side), exact.mean((1, 3)), atol=0.5 + 1e-9)


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
            assert np.unique(crops_of(photograph, catalog.CROPS["sample"], split)).tolist() == [colour]
            if file != "chelsea.png":
                assert np.unique(crops_of(photograph, catalog.CROPS["scenes-64"], split)).tolist() == [colour]


def test_sample_crops_average_their_window() -> None:
    rows, columns = np.mgrid[0:400, 0:640]
    photograph = np.stack([(rows // 2) % 256, (columns // 3) % 256, np.full_like(rows, 7)], axis=-1).astype(np.uint8)
    crops = crops_of(photograph, catalog.CROPS["sample"], "test")
    assert crops.shape == (125, 3, 32, 32)
    assert (crops[:, 2] == 7).all()
    heights = crops[:, 0].astype(int).max((1, 2)) - crops[:, 0].min((1, 2))
    assert len(set(np.round(heights / 15.5).tolist())) == 4  # windows of 32, 64, 96 and 128 pixels


def test_sample_pictures_differ(sample: Dataset) -> None:
    flat = torch.cat([split.pixels.flatten(1) for split in splits(sample)])
    assert len(flat.unique(dim=0)) > 0.97 * len(flat)
