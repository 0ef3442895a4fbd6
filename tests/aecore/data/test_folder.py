"""A folder of pictures: every format is read, and the splits follow the content."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aecore.data import catalog, datasets
from aecore.data.catalog import DatasetError
from aecore.data.folder import read_picture
from tests.aecore.data.reading import recomputed, splits


def noise_picture(number: int, size: tuple[int, int] = (40, 36)) -> Image.Image:
    values = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


def fill(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        noise_picture(number).save(folder / f"{number:02}.png")
    return folder


def halves(mode: str = "RGB") -> Image.Image:
    """64 × 64, red on the left and blue on the right."""
    picture = Image.new("RGB", (64, 64), "red")
    picture.paste((0, 0, 255), (32, 0, 64, 64))
    return picture.convert(mode)


@pytest.mark.parametrize(
    ("file", "mode"),
    [
        ("a.png", "RGB"),
        ("a.jpg", "RGB"),
        ("A.JPEG", "RGB"),
        ("a.webp", "RGB"),
        ("a.bmp", "RGB"),
        ("a.gif", "P"),
        ("a.tiff", "RGB"),
        ("a.png", "P"),
        ("a.png", "RGBA"),
        ("a.jpg", "CMYK"),
        ("a.tiff", "CMYK"),
        ("without-suffix", "RGB"),
    ],
)
def test_folder_reads_every_format(file: str, mode: str, tmp_path: Path) -> None:
    halves(mode).save(tmp_path / file, format=None if "." in file else "PNG")
    pixels = read_picture(tmp_path / file)
    assert pixels.shape == (3, 32, 32)
    assert pixels.dtype == np.uint8
    assert pixels[:, :, :12].mean((1, 2)) == pytest.approx([255, 0, 0], abs=6)
    assert pixels[:, :, 20:].mean((1, 2)) == pytest.approx([0, 0, 255], abs=6)


def test_folder_turns_a_picture_as_its_camera_was_held(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right: what was left comes on top
    halves().save(tmp_path / "turned.jpg", exif=exif)
    pixels = read_picture(tmp_path / "turned.jpg")
    assert pixels[:, :12].mean((1, 2)) == pytest.approx([255, 0, 0], abs=6)
    assert pixels[:, 20:].mean((1, 2)) == pytest.approx([0, 0, 255], abs=6)


def test_folder_keeps_the_range_of_16_bits(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65_535, 32 * 32).reshape(32, 32).astype(np.uint16)
    for file in ("deep.png", "deep.tiff"):
        Image.fromarray(ramp).save(tmp_path / file)
        assert np.array_equal(read_picture(tmp_path / file), np.stack([ramp >> 8] * 3))


def test_folder_refuses_pictures_without_a_white(tmp_path: Path) -> None:
    Image.fromarray(np.linspace(-3, 3, 1024, dtype=np.float32).reshape(32, 32)).save(tmp_path / "f.tiff")
    with pytest.raises(ValueError, match="32-bit"):
        read_picture(tmp_path / "f.tiff")


def test_folder_shows_transparent_parts_white(tmp_path: Path) -> None:
    Image.new("RGBA", (32, 32), (200, 0, 0, 0)).save(tmp_path / "clear.png")
    palette = Image.new("P", (32, 32), 0)
    palette.putpalette([200, 0, 0, 0, 200, 0])
    palette.save(tmp_path / "clear.gif", transparency=0)
    assert (read_picture(tmp_path / "clear.png") == 255).all()
    assert (read_picture(tmp_path / "clear.gif") == 255).all()


@pytest.mark.parametrize("size", [(1920, 640), (640, 1920), (96, 32), (31, 7), (1, 1)])
@pytest.mark.parametrize("file", ["wide.png", "wide.jpg"])
def test_folder_crops_the_centre_square(size: tuple[int, int], file: str, tmp_path: Path) -> None:
    width, height = size
    side = min(size)
    picture = Image.new("RGB", size, "red")
    left, top = (width - side) // 2, (height - side) // 2
    picture.paste((0, 255, 0), (left, top, left + side, top + side))
    picture.save(tmp_path / file, **({"quality": 95, "subsampling": 0} if file.endswith("jpg") else {}))
    assert read_picture(tmp_path / file)[:, 3:29, 3:29].mean((1, 2)) == pytest.approx([0, 255, 0], abs=6)


def test_folder_antialiases(tmp_path: Path) -> None:
    board = (np.indices((320, 320)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "board.png")
    assert np.abs(read_picture(tmp_path / "board.png").astype(int) - 127.5).max() < 2


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


def test_folder_follows_links_once_and_never_in_a_circle(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "all", tmp_path / "elsewhere"
    fill(root / "dogs", 12)
    fill(elsewhere, 12)
    (root / "cats").symlink_to(elsewhere)
    (root / "dogs" / "up").symlink_to(root)
    (elsewhere / "itself").symlink_to(elsewhere)
    (root / "nowhere").symlink_to(tmp_path / "gone")
    loaded = datasets.load(f"folder:{root}")
    assert loaded.classes == ("cats", "dogs")
    assert len(loaded.train) + len(loaded.validation) + len(loaded.test) == 24


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


def test_folder_names_the_files_it_cannot_read(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    (tmp_path / "letter.jpg").write_text("Dear photograph,")
    (tmp_path / "cut.png").write_bytes((tmp_path / "00.png").read_bytes()[:500])
    with pytest.warns(UserWarning, match=r"Not pictures that Pillow reads: cut.png, letter.jpg\.$"):
        dataset = datasets.load(f"folder:{tmp_path}")
    assert sum(map(len, splits(dataset))) == 10


def test_folder_needs_ten_pictures(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds 9 pictures: a data set needs at least 10"):
        datasets.load(f"folder:{fill(tmp_path / 'few', 9)}")
    for path in (str(tmp_path / "absent"), ""):
        with pytest.raises(DatasetError, match="There is no folder"):
            datasets.load(f"folder:{path}")
        assert not catalog.available(f"folder:{path}")
