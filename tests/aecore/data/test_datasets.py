"""Data sets: what is read is what was published, and nothing half-written ever has a data set's name."""

import hashlib
import pickle
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aecore import AecoreError
from aecore.data import catalog, datasets, downloads
from aecore.data.catalog import DatasetError
from aecore.data.folder import read_picture
from aecore.data.sample import crops_of
from aecore.data.splits import Dataset, Split, digest, to_float

CIFAR10_FINGERPRINT = "0f9c4f98423f07742b439d146aed0cd0daea0dec7a1867e7505387c6aeacd68d"
MNIST_FINGERPRINT = "39766e05b760802f0111d44206071018e1502de0d6ceae889d4d07148bbdbaab"
SAMPLE_FINGERPRINT = "506e16793e6974894dc25796cd540dc35797fa2f31cb127467529874c5e400db"


Damage = Callable[[bytearray], bytearray]


def real(name: str) -> Dataset:
    if not catalog.available(name):
        pytest.skip(f"{name} is not in {catalog.data_root(None)}: set AECORE_DATA to the folder that holds it")
    return datasets.load(name)


@pytest.fixture(scope="module")
def cifar10() -> Dataset:
    return real("cifar10")


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return real("mnist")


@pytest.fixture(scope="module")
def sample() -> Dataset:
    return datasets.load("sample")


def splits(dataset: Dataset) -> tuple[Split, Split, Split]:
    return dataset.train, dataset.validation, dataset.test


def recomputed(dataset: Dataset) -> str:
    parts = [digest(dataset.train, dataset.validation), digest(dataset.test)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


# ---- every data set


@pytest.mark.parametrize("name", ["cifar10", "mnist", "sample"])
def test_contract(name: str, request: pytest.FixtureRequest) -> None:
    dataset: Dataset = request.getfixturevalue(name)
    assert dataset.name == name
    for split in splits(dataset):
        assert split.pixels.shape == (len(split), *dataset.shape)
        assert split.pixels.dtype == torch.uint8
        assert split.pixels.is_contiguous()
        assert split.labels.shape == (len(split),)
        assert split.labels.dtype == torch.int64
        assert split.labels.unique().tolist() == list(range(len(dataset.classes)))
    entry = next(entry for entry in catalog.status() if entry.name == name)
    assert entry.pictures == sum(map(len, splits(dataset)))
    assert (entry.title, entry.available) == (dataset.title, True)


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


def test_to_float_spans_zero_to_one() -> None:
    pixels = to_float(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert pixels.dtype == torch.float32
    assert pixels.tolist() == pytest.approx([0, 0.2, 1])


def test_naming_a_run_imports_no_torchvision_and_reads_no_picture(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from aecore.data import catalog, datasets\n"
        f"print(datasets.load('cifar10', Path({str(tmp_path)!r})).fingerprint, len(catalog.status()))\n"
        "assert 'torchvision' not in sys.modules"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.split() == [CIFAR10_FINGERPRINT, str(len(catalog.NAMES))]


@pytest.mark.parametrize("name", catalog.SOURCES)
def test_an_absent_data_set_says_how_to_get_it(name: str, tmp_path: Path) -> None:
    dataset = datasets.load(name, tmp_path)
    assert not catalog.available(name, tmp_path)
    said = f"{dataset.title} is not in .*: run `python -m aecore data fetch {name}`, or set AECORE_DATA to"
    for split in ("train", "validation", "test"):
        with pytest.raises(DatasetError, match=said):
            getattr(dataset, split)


@pytest.mark.parametrize("name", catalog.SOURCES)
def test_sources_name_what_torchvision_knows(name: str) -> None:
    import torchvision.datasets

    source, factory = catalog.SOURCES[name], getattr(torchvision.datasets, catalog.SOURCES[name].factory)
    if hasattr(factory, "classes") and name != "mnist":
        assert source.classes.split(", ") == factory.classes
    if hasattr(factory, "base_folder"):
        assert source.folder == factory.base_folder
        assert {file for file, _ in factory.train_list + factory.test_list} <= set(source.files)
    if hasattr(factory, "resources"):
        assert {file.removesuffix(".gz") for file, _ in factory.resources} == set(source.files)
    assert len(datasets.load(name).classes) == (100 if name == "cifar100" else 10)


def test_the_root_is_given_or_in_the_environment_or_beside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "elsewhere"))
    assert catalog.status()[0].path == tmp_path / "elsewhere" / "cifar-10-batches-py"
    assert catalog.status(tmp_path)[0].path == tmp_path / "cifar-10-batches-py"
    assert catalog.status(tmp_path)[0].size == "170 MB to download"
    monkeypatch.delenv("AECORE_DATA")
    assert catalog.status()[0].path == Path(datasets.__file__).parents[2] / "data" / "cifar-10-batches-py"


@pytest.mark.parametrize("call", [datasets.load, catalog.available, downloads.fetch])
def test_an_unknown_name_gets_the_nearest_and_all(call: Callable[[str], object]) -> None:
    with pytest.raises(AecoreError, match=r"'CIFAR-10': did you mean 'cifar10', .* stl10, sample and folder:PATH"):
        call("CIFAR-10")
    with pytest.raises(DatasetError, match=r"'qqq': choose one of cifar10, "):
        call("qqq")


# ---- the real CIFAR-10 and MNIST


def test_cifar10_splits(cifar10: Dataset) -> None:
    assert list(map(len, splits(cifar10))) == [45_000, 5_000, 10_000]
    assert cifar10.shape == (3, 32, 32)
    assert cifar10.test.labels.bincount().tolist() == [1_000] * 10


def test_mnist_splits(mnist: Dataset) -> None:
    assert list(map(len, splits(mnist))) == [54_000, 6_000, 10_000]
    assert mnist.shape == (1, 28, 28)
    assert mnist.test.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.parametrize(("name", "fingerprint"), [("cifar10", CIFAR10_FINGERPRINT), ("mnist", MNIST_FINGERPRINT)])
def test_pinned_fingerprints(name: str, fingerprint: str, request: pytest.FixtureRequest) -> None:
    dataset: Dataset = request.getfixturevalue(name)
    assert dataset.fingerprint == recomputed(dataset) == fingerprint


@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_pictures_are_torchvisions(name: str, request: pytest.FixtureRequest) -> None:
    import torchvision.datasets
    from torchvision.transforms.functional import pil_to_tensor

    dataset: Dataset = request.getfixturevalue(name)
    root, factory = catalog.data_root(None), getattr(torchvision.datasets, catalog.SOURCES[name].factory)
    learning, test = factory(root, train=True), factory(root, train=False)
    cut = len(dataset.train)
    for theirs, ours, start, index in [
        (learning, dataset.train, 0, 0),
        (learning, dataset.train, 0, 12_345),
        (learning, dataset.train, 0, cut - 1),
        (learning, dataset.validation, cut, 0),
        (learning, dataset.validation, cut, len(learning) - cut - 1),
        (test, dataset.test, 0, 0),
        (test, dataset.test, 0, 9_999),
    ]:
        picture, label = theirs[start + index]
        assert torch.equal(ours.pixels[index], pil_to_tensor(picture))
        assert ours.labels[index] == label
    if name == "cifar10":
        assert list(dataset.classes) == learning.classes


def copy_but(name: str, damaged: str, damage: Damage, target: Path) -> Path:
    """A copy of a real data set in `target` by links, but for one file that went through `damage`."""
    source, root = catalog.SOURCES[name], catalog.data_root(None)
    (target / source.folder).mkdir(parents=True)
    for file in source.files:
        (target / source.folder / file).symlink_to(root / source.folder / file)
    changed = target / source.folder / damaged
    content = damage(bytearray(changed.read_bytes()))
    changed.unlink()
    changed.write_bytes(content)
    return target


def flip(content: bytearray) -> bytearray:
    content[len(content) // 2] ^= 1
    return content


def halve(content: bytearray) -> bytearray:
    return content[: len(content) // 2]


@pytest.mark.parametrize("damage", [flip, halve])
@pytest.mark.parametrize(
    ("name", "file", "part"),
    [
        ("cifar10", "data_batch_3", "train"),
        ("cifar10", "test_batch", "test"),
        ("mnist", "train-images-idx3-ubyte", "validation"),
        ("mnist", "train-labels-idx1-ubyte", "train"),
        ("mnist", "t10k-images-idx3-ubyte", "test"),
    ],
)
def test_damaged_files_are_refused(name: str, file: str, part: str, damage: Damage, tmp_path: Path) -> None:
    real(name)
    dataset = datasets.load(name, copy_but(name, file, damage, tmp_path))
    with pytest.raises(DatasetError) as caught:
        getattr(dataset, part)
    folder = tmp_path / catalog.SOURCES[name].folder
    assert str(caught.value) == (
        f"{dataset.title} in {folder} is damaged: run `python -m aecore data fetch {name}` to replace it."
    )


# ---- the other layouts that torchvision reads, as small files of random pictures


def random_pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def assert_reads(name: str, root: Path, pixels: np.ndarray, labels: list[int]) -> None:
    """Pictures `pixels` [20, C, H, W] are both the training and the test pictures of `name`."""
    dataset = datasets.load(name, root)
    assert catalog.available(name, root)
    assert list(map(len, splits(dataset))) == [18, 2, 20]
    assert dataset.test.pixels.shape[1:] == dataset.shape
    for split, part in zip(splits(dataset), (slice(0, 18), slice(18, 20), slice(0, 20)), strict=True):
        assert np.array_equal(split.pixels.numpy(), pixels[part])
        assert split.labels.tolist() == labels[part]
    assert dataset.fingerprint == recomputed(dataset)


def test_svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat
    from torchvision.datasets import SVHN

    pixels, digits = random_pixels(20, 3, 32, 32), [*range(10)] * 2
    for part in ("train", "test"):
        stored = {"X": pixels.transpose(2, 3, 1, 0), "y": np.array([[digit or 10] for digit in digits])}
        savemat(tmp_path / f"{part}_32x32.mat", stored)
    unchecked = {part: ["", f"{part}_32x32.mat", None] for part in ("train", "test")}
    monkeypatch.setattr(SVHN, "split_list", unchecked)
    assert_reads("svhn", tmp_path, pixels, digits)


def test_stl10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import STL10

    pixels, labels = random_pixels(20, 3, 96, 96), [*range(10)] * 2
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    for part in ("train", "test"):
        (folder / f"{part}_X.bin").write_bytes(pixels.transpose(0, 1, 3, 2).tobytes())
        (folder / f"{part}_y.bin").write_bytes(bytes(label + 1 for label in labels))
    (folder / "unlabeled_X.bin").touch()
    (folder / "class_names.txt").write_text("\n".join(datasets.load("stl10").classes))
    for checks in ("train_list", "test_list"):
        monkeypatch.setattr(STL10, checks, [[file, None] for file, _ in getattr(STL10, checks)])
    assert_reads("stl10", tmp_path, pixels, labels)


def test_fashion_mnist(tmp_path: Path) -> None:
    pixels, labels = random_pixels(20, 1, 28, 28), [*range(10)] * 2
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        sizes = b"".join(size.to_bytes(4, "big") for size in (2051, 20, 28, 28))
        (folder / f"{part}-images-idx3-ubyte").write_bytes(sizes + pixels.tobytes())
        sizes = b"".join(size.to_bytes(4, "big") for size in (2049, 20))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(sizes + bytes(labels))
    assert_reads("fashion-mnist", tmp_path, pixels, labels)


# ---- the embedded sample


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


# ---- a folder of pictures


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


# ---- fetching, from a server on this machine


class Server(ThreadingHTTPServer):
    """Serves `archive` at any address, in the way `manner` says, and counts the answers."""

    daemon_threads = True

    def __init__(self, archive: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.archive, self.manner, self.answers = archive, "whole", 0
        self.released = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """torchvision hangs up on its first request once it knows where it was redirected to."""


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        server.answers += 1
        if server.manner == "missing":
            return self.send_error(404)
        if server.manner == "silent":
            server.released.wait(10)
            return None
        content = bytearray(server.archive)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        sent = {"whole": content, "altered": flip(bytearray(content)), "short": halve(content)}[server.manner]
        self.wfile.write(sent)
        return None

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def small_cifar10() -> tuple[bytes, dict[str, bytes]]:
    """An archive in CIFAR-10's layout with 60 random pictures, and its files."""
    generator = np.random.default_rng(0)
    content = {"batches.meta": pickle.dumps({"label_names": [str(number) for number in range(10)]})}
    for file in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        pixels = generator.integers(0, 256, (10, 3072), dtype=np.uint8)
        content[file] = pickle.dumps({"data": pixels, "labels": list(range(10))})
    stream = BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for file, data in content.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{file}")
            member.size = len(data)
            archive.addfile(member, BytesIO(data))
    return stream.getvalue(), content


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of the small archive, which torchvision and aecore take for CIFAR-10's while the test lasts."""
    from torchvision.datasets import CIFAR10

    archive, content = small_cifar10()

    def md5(data: bytes) -> str:
        return hashlib.md5(data, usedforsecurity=False).hexdigest()

    with Server(archive) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz")
        monkeypatch.setattr(CIFAR10, "tgz_md5", md5(archive))
        lists = [[file, md5(data)] for file, data in content.items() if file != "batches.meta"]
        monkeypatch.setattr(CIFAR10, "train_list", lists[:5])
        monkeypatch.setattr(CIFAR10, "test_list", lists[5:])
        monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5(content["batches.meta"])})
        unpinned = replace(catalog.SOURCES["cifar10"], digests=None, pictures=60)
        monkeypatch.setitem(catalog.SOURCES, "cifar10", unpinned)
        yield server
        server.released.set()
        server.shutdown()


def left_in(root: Path) -> list[str]:
    """The names in `root`, but for the lock, which holds nothing."""
    return sorted(path.name for path in root.iterdir() if path.suffix != ".lock") if root.exists() else []


def test_fetch_moves_a_whole_data_set_into_place_and_only_once(server: Server, tmp_path: Path) -> None:
    said: list[str] = []
    root = tmp_path / "new" / "data"
    downloads.fetch("cifar10", root, said.append)
    assert said == [
        f"Fetching CIFAR-10 (170 MB) into {root}.",
        f"CIFAR-10 is in {root}: 60 pictures.",
    ]
    assert left_in(root) == ["cifar-10-batches-py"]
    assert set(left_in(root / "cifar-10-batches-py")) == set(catalog.SOURCES["cifar10"].files)
    assert list(map(len, splits(datasets.load("cifar10", root)))) == [45, 5, 10]

    answers = server.answers
    downloads.fetch("cifar10", root, said.append)
    assert said[2:] == [f"CIFAR-10 is already in {root}, intact."]
    assert server.answers == answers


@pytest.mark.parametrize("manner", ["short", "altered"])
def test_fetch_refuses_what_is_not_the_archive_and_can_be_repeated(server: Server, manner: str, tmp_path: Path) -> None:
    server.manner = manner
    with pytest.raises(DatasetError, match="server of CIFAR-10 sent was cut short or altered, and is not kept"):
        downloads.fetch("cifar10", tmp_path, lambda _: None)
    assert left_in(tmp_path) == []
    assert not catalog.available("cifar10", tmp_path)
    server.manner = "whole"
    downloads.fetch("cifar10", tmp_path, lambda _: None)
    assert len(datasets.load("cifar10", tmp_path).test) == 10


def test_fetch_refuses_an_archive_that_is_not_the_pinned_one(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"learning": "0" * 64, "test": "0" * 64}
    monkeypatch.setitem(catalog.SOURCES, "cifar10", replace(catalog.SOURCES["cifar10"], digests=other))
    with pytest.raises(DatasetError, match="altered"):
        downloads.fetch("cifar10", tmp_path, lambda _: None)
    assert left_in(tmp_path) == []


def test_fetch_says_in_one_sentence_that_nobody_answers(server: Server, tmp_path: Path) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(DatasetError) as caught:
        downloads.fetch("cifar10", tmp_path, lambda _: None)
    assert str(caught.value) == (
        "Could not reach the server of CIFAR-10 (Connection refused): "
        "check the network and run `python -m aecore data fetch cifar10` again."
    )
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(("manner", "cause"), [("silent", "timed out"), ("missing", "HTTP Error 404")])
def test_fetch_gives_up_on_a_server_without_an_answer(
    server: Server, manner: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_READ_TIMEOUT", 0.2)
    server.manner = manner
    with pytest.raises(DatasetError, match=rf"Could not reach the server of CIFAR-10 \({cause}\): check"):
        downloads.fetch("cifar10", tmp_path, lambda _: None)
    assert left_in(tmp_path) == []


def test_fetch_understands_mnists_own_errors(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import MNIST

    mirror = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(MNIST, "mirrors", [mirror])
    with pytest.raises(DatasetError, match="server of MNIST sent was cut short or altered"):
        downloads.fetch("mnist", tmp_path, lambda _: None)
    server.shutdown()
    server.server_close()
    with pytest.raises(DatasetError, match=r"Could not reach the server of MNIST \(Connection refused\): check"):
        downloads.fetch("mnist", tmp_path, lambda _: None)
    assert left_in(tmp_path) == []


def test_fetch_starts_afresh_after_a_killed_one_and_replaces_damage(server: Server, tmp_path: Path) -> None:
    downloads.fetch("cifar10", tmp_path, lambda _: None)
    whole = datasets.load("cifar10", tmp_path).fingerprint
    for folder in (tmp_path, tmp_path / ".fetch-cifar10"):
        (folder / "cifar-10-batches-py").mkdir(parents=True, exist_ok=True)
        (folder / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"half")
    with pytest.raises(DatasetError, match="is damaged"):
        _ = datasets.load("cifar10", tmp_path).train
    downloads.fetch("cifar10", tmp_path, lambda _: None)
    assert datasets.load("cifar10", tmp_path).fingerprint == whole
    assert left_in(tmp_path) == ["cifar-10-batches-py"]


def test_two_fetches_at_once_download_once(server: Server, tmp_path: Path) -> None:
    said: list[str] = []
    started = threading.Event()

    def first(sentence: str) -> None:
        said.append(sentence)
        if sentence.startswith("Fetching"):
            started.set()
            waiting.wait(5)

    waiting = threading.Event()

    def second(sentence: str) -> None:
        said.append(sentence)
        waiting.set()

    one = threading.Thread(target=downloads.fetch, args=("cifar10", tmp_path, first))
    one.start()
    assert started.wait(5)
    downloads.fetch("cifar10", tmp_path, second)
    one.join()
    assert said == [
        f"Fetching CIFAR-10 (170 MB) into {tmp_path}.",
        "Another process is fetching CIFAR-10: waiting for it.",
        f"CIFAR-10 is in {tmp_path}: 60 pictures.",
        f"CIFAR-10 is already in {tmp_path}, intact.",
    ]


def test_fetch_says_that_the_folder_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DatasetError, match=r"Could not write CIFAR-10 to .*/file \(File exists\): make room there"):
        downloads.fetch("cifar10", tmp_path / "file", lambda _: None)
    assert server.answers == 0


@pytest.mark.parametrize("name", ["sample", "folder:/pictures"])
def test_what_is_here_needs_no_fetching(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"'{name}' needs no fetching"):
        downloads.fetch(name, tmp_path)
