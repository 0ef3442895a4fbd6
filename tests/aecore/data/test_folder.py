"""A folder of pictures: the splits follow its subfolders or its content, and what is left out is said."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from aecore.data import catalog, datasets
from aecore.data.catalog import DatasetError
from aecore.data.splits import Dataset, Split
from tests.aecore.data.reading import as_nobody, recomputed, splits


def noise_picture(number: int, size: tuple[int, int] = (40, 36)) -> Image.Image:
    values = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


def fill(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        noise_picture(number).save(folder / f"{number:02}.png")
    return folder


def test_folder_classes_are_its_sub_folders(tmp_path: Path) -> None:
    fill(tmp_path / "cats", 12)
    for number in range(12, 20):
        (tmp_path / "dogs" / "small").mkdir(parents=True, exist_ok=True)
        noise_picture(number).save(tmp_path / "dogs" / "small" / f"{number}.png")
    noise_picture(99).save(tmp_path / "loose.png")
    (tmp_path / ".hidden").mkdir()
    noise_picture(98).save(tmp_path / ".hidden" / "hidden.png")
    dataset = datasets.load(f"folder:{tmp_path}")
    assert dataset.name == f"folder:{tmp_path}"
    assert dataset.classes == ("cats", "dogs", "picture")
    assert dataset.shape == (3, 32, 32)
    assert list(map(len, splits(dataset))) == [18, 1, 2]
    assert torch.cat([split.labels for split in splits(dataset)]).bincount().tolist() == [12, 8, 1]
    assert catalog.available(f"folder:{tmp_path}")


@pytest.mark.parametrize("side", [32, 64, 256])
def test_folder_at_a_chosen_size(tmp_path: Path, side: int) -> None:
    fill(tmp_path, 11)
    dataset = datasets.load(f"folder@{side}:{tmp_path}")
    assert dataset.shape == (3, side, side)
    assert all(split.pixels.shape[1:] == (3, side, side) for split in splits(dataset))
    # The same centre square, by Pillow's own filter.
    square = noise_picture(0).resize((side, side), Image.Resampling.LANCZOS, box=(2, 0, 38, 36))
    expected = torch.from_numpy(np.asarray(square).transpose(2, 0, 1).copy())
    assert any((picture == expected).all() for split in splits(dataset) for picture in split.pixels)
    assert dataset.name == (f"folder:{tmp_path}" if side == 32 else f"folder@{side}:{tmp_path}")
    assert datasets.load(dataset.name).fingerprint == dataset.fingerprint
    assert catalog.available(dataset.name)
    assert datasets.stamp(dataset.name) == datasets.stamp(f"folder:{tmp_path}")


@pytest.mark.parametrize("side", ["31", "257", "big", "64.5", "-64", "1e2", "٦٤"])
def test_folder_at_another_size_is_refused(tmp_path: Path, side: str) -> None:
    with pytest.raises(DatasetError, match=r"32 to 256 pixels a side, not '.*': write folder@64:PATH"):
        datasets.load(f"folder@{side}:{tmp_path}")


def test_folder_follows_links_once_and_never_in_a_circle(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "all", tmp_path / "elsewhere"
    fill(root / "dogs", 12)
    fill(elsewhere, 12)
    (root / "cats").symlink_to(elsewhere)
    (root / "dogs" / "up").symlink_to(root)
    (elsewhere / "itself").symlink_to(elsewhere)
    (root / "nowhere").symlink_to(tmp_path / "gone")
    (root / "itself").symlink_to(root / "itself")
    loaded = datasets.load(f"folder:{root}")
    assert loaded.classes == ("cats", "dogs")
    assert len(loaded.train) + len(loaded.validation) + len(loaded.test) == 24
    assert loaded.note == (
        "4 of 28 files were left out: cats/itself, dogs/up and itself are links in a circle; nowhere is a link to "
        "nothing."
    )


def test_the_stamp_of_a_folder_changes_with_its_files_alone(tmp_path: Path) -> None:
    name = f"folder:{fill(tmp_path / 'all', 12)}"
    stamp = datasets.stamp(name)
    assert datasets.stamp(name) == stamp
    (tmp_path / "all" / ".hidden").write_text("x")
    assert datasets.stamp(name) == stamp
    (tmp_path / "all" / "03.png").rename(tmp_path / "all" / "33.png")
    renamed = datasets.stamp(name)
    assert renamed != stamp
    noise_picture(250).save(tmp_path / "all" / "33.png")
    assert datasets.stamp(name) != renamed
    assert datasets.stamp("cifar10") == datasets.stamp("sample") == ""
    with pytest.raises(DatasetError, match="There is no folder"):
        datasets.stamp(f"folder:{tmp_path / 'gone'}")


def test_folder_splits_follow_content_and_not_file_names(tmp_path: Path) -> None:
    fill(tmp_path / "one" / "cats", 20)
    (tmp_path / "two" / "cats").mkdir(parents=True)
    for file in (tmp_path / "one" / "cats").iterdir():
        (tmp_path / "two" / "cats" / f"{99 - int(file.stem)}.png").write_bytes(file.read_bytes())
    one, two = (datasets.load(f"folder:{tmp_path / name}") for name in ("one", "two"))
    assert one.fingerprint == two.fingerprint == recomputed(one)
    digests = [hashlib.sha256(pixels.numpy().tobytes()).digest() for split in splits(one) for pixels in split.pixels]
    assert digests == sorted(digests)


@pytest.mark.filterwarnings("error")
def test_folder_names_the_files_that_it_leaves_out(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    (tmp_path / "letter.jpg").write_text("Dear photograph,")
    (tmp_path / "notes.txt").write_text("Dear diary,")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "list.csv").touch()
    (tmp_path / ".hidden.txt").touch()
    (tmp_path / "cut.png").write_bytes((tmp_path / "00.png").read_bytes()[:500])
    tifffile.imwrite(tmp_path / "scan.tif", np.zeros((32, 32), np.int32))
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for ever
    dataset = datasets.load(f"folder:{tmp_path}")
    assert sum(map(len, splits(dataset))) == 10
    assert dataset.note == (
        "6 of 16 files were left out: cut.png and letter.jpg cannot be decoded; more/list.csv, notes.txt and pipe are "
        "not pictures; scan.tif holds signed or 32-bit values, which do not say which value is white."
    )


def test_folder_has_nothing_to_say_of_whole_pictures(tmp_path: Path) -> None:
    assert datasets.load(f"folder:{fill(tmp_path, 12)}").note == ""


def test_folder_names_what_may_not_be_read(public: Path) -> None:
    fill(public, 11)
    fill(public / "closed", 3)
    fill(public / "listed", 2)
    (public / "link.png").symlink_to(public / "closed" / "00.png")
    assert datasets.load(f"folder:{public}").note == ""  # and Pillow has imported its decoders
    (public / "03.png").chmod(0)
    (public / "closed").chmod(0)
    (public / "listed").chmod(0o444)
    with as_nobody():
        dataset = datasets.load(f"folder:{public}")
        assert datasets.stamp(f"folder:{public}")
    assert sum(map(len, splits(dataset))) == 10
    assert dataset.note == ("5 of 15 files were left out: 03.png, closed, link.png and 2 more may not be read.")
    for name in ("closed", "listed"):
        (public / name).chmod(0o755)


def test_a_folder_that_may_not_be_entered_is_none(public: Path) -> None:
    fill(public / "closed" / "pictures", 12)
    (public / "closed").chmod(0)
    with as_nobody():
        assert not catalog.available(f"folder:{public}/closed/pictures")
        with pytest.raises(DatasetError, match="There is no folder"):
            datasets.load(f"folder:{public}/closed/pictures")
    (public / "closed").chmod(0o755)


def test_too_few_pictures_are_said_with_what_was_left_out(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    for number in range(9):
        (tmp_path / f"{number}.txt").touch()
    with pytest.raises(DatasetError) as caught:
        datasets.load(f"folder:{tmp_path}")
    assert str(caught.value) == (
        f"{tmp_path.resolve()} holds 3 pictures: a data set needs at least 10. 9 of 12 files were left out: 0.txt, "
        "1.txt, 2.txt and 6 more are not pictures."
    )


FINGERPRINT = "8358fd5ec9aec8a5164cada9ba9cb3279b698b8472141a11a78c647fb4711e9f"


def test_the_fingerprint_of_a_folder_stays(tmp_path: Path) -> None:
    """Runs are named by it. Its pictures are 32×32, so that no arithmetic of a processor is in it."""
    for number in range(24):
        folder = tmp_path / ("cats", "dogs/small")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(values if number % 3 else values[..., 0]).save(folder / f"{number:02}.png")
    noise_picture(99, (32, 32)).save(tmp_path / "loose.png")
    assert datasets.load(f"folder:{tmp_path}").fingerprint == FINGERPRINT


# ---- splits


def fill_splits(root: Path, **counts: int) -> None:
    """`counts` pictures per subfolder, half of them cats and half dogs."""
    first = 0
    for name, count in counts.items():
        for kind, numbers in (("cats", range(count // 2)), ("dogs", range(count // 2, count))):
            (root / name / kind).mkdir(parents=True, exist_ok=True)
            for number in numbers:
                noise_picture(first + number, (32, 32)).save(root / name / kind / f"{number}.png")
        first += count


def digests_of(folder: Path) -> list[tuple[bytes, str]]:
    """The content and the class of every picture under a split's folder, in the order of a data set."""
    files = sorted(folder.rglob("*.png"))
    values = [np.asarray(Image.open(file)).transpose(2, 0, 1) for file in files]
    return sorted(
        (hashlib.sha256(pixels.tobytes()).digest(), file.parent.name)
        for pixels, file in zip(values, files, strict=True)
    )


def digests_in(dataset: Dataset, split: Split) -> list[tuple[bytes, str]]:
    return [
        (hashlib.sha256(pixels.numpy().tobytes()).digest(), dataset.classes[label])
        for pixels, label in zip(split.pixels, split.labels, strict=True)
    ]


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Train", "VALID", "Test"), ("TRAIN", "Validation", "test")]
)
def test_subfolders_with_the_names_of_splits_are_the_splits(names: tuple[str, ...], tmp_path: Path) -> None:
    fill_splits(tmp_path, **dict(zip(names, (12, 4, 6), strict=True)))
    dataset = datasets.load(f"folder:{tmp_path}")
    assert dataset.classes == ("cats", "dogs")
    for split, name in zip(splits(dataset), names, strict=True):
        assert digests_in(dataset, split) == digests_of(tmp_path / name)
    assert dataset.note == f"The splits are the subfolders {', '.join(names)}."
    assert dataset.fingerprint == recomputed(dataset)


def test_without_a_folder_for_it_validation_is_held_out_of_train(tmp_path: Path) -> None:
    fill_splits(tmp_path, train=20, test=6)
    dataset = datasets.load(f"folder:{tmp_path}")
    assert list(map(len, splits(dataset))) == [18, 2, 6]
    learning = digests_in(dataset, dataset.train) + digests_in(dataset, dataset.validation)
    assert learning == digests_of(tmp_path / "train")
    assert digests_in(dataset, dataset.test) == digests_of(tmp_path / "test")


def test_what_lies_beside_the_splits_is_left_out_and_said(tmp_path: Path) -> None:
    fill_splits(tmp_path, train=10, test=4, extra=2)
    noise_picture(1).save(tmp_path / "loose.png")
    noise_picture(2).save(tmp_path / "train" / "unsorted.png")
    dataset = datasets.load(f"folder:{tmp_path}")
    assert dataset.classes == ("cats", "dogs", "picture")
    assert list(map(len, splits(dataset))) == [10, 1, 4]
    assert dataset.note == (
        "3 of 18 files were left out: extra/cats/0.png, extra/dogs/1.png and loose.png are in none of the splits. "
        "The splits are the subfolders train, test."
    )


@pytest.mark.parametrize("names", [["train"], ["test"], ["train", "val"], ["valid", "test"], ["validation"]])
def test_some_of_the_splits_alone_are_classes_which_is_said(names: list[str], tmp_path: Path) -> None:
    fill_splits(tmp_path, **dict.fromkeys(names, 8), birds=8)
    dataset = datasets.load(f"folder:{tmp_path}")
    assert dataset.classes == tuple(sorted([*names, "birds"]))
    assert dataset.note == (
        f"Read as classes: {', '.join(names)}. Subfolders are splits only where there are both train and test."
    )


def test_a_split_needs_two_pictures(tmp_path: Path) -> None:
    fill_splits(tmp_path, train=12, test=1)
    with pytest.raises(DatasetError, match="holds 1 pictures in test: a split needs at least 2"):
        datasets.load(f"folder:{tmp_path}")


# ---- more than 8 bits


def test_pictures_of_12_bits_have_one_scale(tmp_path: Path) -> None:
    """The white of 12 bits, and not that of each picture: the dark ones stay dark."""
    values = [np.full((32, 32), 90 * number, np.uint16) for number in range(1, 41)]
    for number, grey in enumerate(values):
        tifffile.imwrite(tmp_path / f"{number}.tif", grey)
    dataset = datasets.load(f"folder:{tmp_path}")
    shown = torch.cat([split.pixels for split in splits(dataset)])
    assert sorted(shown[:, 0, 0, 0].tolist()) == [90 * number // 16 for number in range(1, 41)]
    assert dataset.note == (
        "The pictures of 16-bit values have none above 3,600: 12 bits are assumed, so that 4,095 is white."
    )


def test_one_picture_of_16_bits_gives_all_of_them_their_scale(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    for number, greatest in enumerate((900, 4095, 65_535)):
        tifffile.imwrite(tmp_path / f"{number}.tif", np.full((32, 32), greatest, np.uint16))
    dataset = datasets.load(f"folder:{tmp_path}")
    flat = [
        int(picture[0, 0, 0]) for split in splits(dataset) for picture in split.pixels if len(picture.unique()) == 1
    ]
    assert sorted(flat) == [900 // 256, 4095 // 256, 255]
    assert dataset.note == ""


def test_folder_needs_ten_pictures(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds 9 pictures: a data set needs at least 10"):
        datasets.load(f"folder:{fill(tmp_path / 'few', 9)}")
    for path in (str(tmp_path / "absent"), "", "~nobody-of-this-name/pictures", "\0"):
        with pytest.raises(DatasetError, match="There is no folder"):
            datasets.load(f"folder:{path}")
        assert not catalog.available(f"folder:{path}")
