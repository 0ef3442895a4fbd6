"""Data sets: pictures as uint8 tensors in three splits, each set named by the SHA-256 of its content.

`load` gives a `Dataset` that reads lazily; `fetch` downloads one; `status` says what is there. To add a data
set that torchvision knows, add one entry to `SOURCES`.
"""

import difflib
import hashlib
import os
import re
import shutil
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property, partial, reduce
from http.client import HTTPException, IncompleteRead
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal
from urllib.error import URLError

import numpy as np
import torch
from filelock import FileLock, Timeout
from PIL import Image, ImageOps
from torch import Tensor

from aecore import AecoreError

Shape = tuple[int, ...]  # (C, H, W)
Part = Literal["learning", "test"]  # what a source reads at once: train and validation, or test


class DatasetError(AecoreError):
    """A data set is unknown, absent, damaged or cannot be fetched."""


@dataclass(frozen=True, eq=False)
class Split:
    """Pictures `pixels` [N, C, H, W] uint8 and their class numbers `labels` [N] int64."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


class Dataset:
    """Pictures of one shape in three splits; nothing is read before it is asked for, and nothing twice.

    `name` is what `load` takes, `title` what a person reads, `classes[label]` the name of a label, `shape`
    the (C, H, W) of each picture. Asking for a split raises `DatasetError` if its files are absent or
    damaged.
    """

    def __init__(
        self,
        name: str,
        title: str,
        classes: tuple[str, ...],
        shape: Shape,
        read_learning: Callable[[], tuple[Split, ...]],
        read_test: Callable[[], tuple[Split, ...]],
        digests: Mapping[Part, str] | None = None,
    ) -> None:
        self.name, self.title, self.classes, self.shape = name, title, classes, shape
        self._read_learning, self._read_test, self._digests = read_learning, read_test, digests

    def __repr__(self) -> str:
        return f"Dataset({self.name!r})"

    @cached_property
    def _learning(self) -> tuple[Split, ...]:
        return self._read_learning()

    @property
    def train(self) -> Split:
        """The pictures to learn from."""
        return self._learning[0]

    @property
    def validation(self) -> Split:
        """The pictures to choose on."""
        return self._learning[1]

    @cached_property
    def test(self) -> Split:
        """The pictures to report on; reading them does not read the others where the source allows it."""
        return self._read_test()[0]

    @cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 over shapes, pixels and labels of all splits; known unread for CIFAR-10 and MNIST."""
        digests = self._digests or {"learning": _digest(*self._learning), "test": _digest(self.test)}
        return hashlib.sha256(f"{digests['learning']} {digests['test']}".encode()).hexdigest()


@dataclass(frozen=True)
class Status:
    """What is known of a data set without reading it; `size` is text for people, units included."""

    name: str
    title: str
    available: bool
    path: Path
    pictures: int | None
    size: str


_BY_FLAG: Mapping[Part, dict[str, Any]] = {"learning": {"train": True}, "test": {"train": False}}
_BY_SPLIT: Mapping[Part, dict[str, Any]] = {"learning": {"split": "train"}, "test": {"split": "test"}}


@dataclass(frozen=True)
class Source:
    """A data set that torchvision reads: `factory` is its class, `parts` the arguments that pick a part."""

    title: str
    factory: str
    parts: Mapping[Part, dict[str, Any]]
    labels: str  # the attribute of the torchvision object that holds them
    folder: str
    files: tuple[str, ...]
    classes: str  # their names in the order of the labels, separated by commas
    shape: Shape
    pictures: int
    megabytes: int  # to download
    digests: Mapping[Part, str] | None = None  # SHA-256 of each part's splits, where we know them


_IDX = tuple(
    f"{part}-ubyte" for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
)
_DIGITS = "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
_CIFAR10_CLASSES = "airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck"
_CIFAR100_CLASSES = (
    "apple, aquarium_fish, baby, bear, beaver, bed, bee, beetle, bicycle, bottle, bowl, boy, bridge, bus, "
    "butterfly, camel, can, castle, caterpillar, cattle, chair, chimpanzee, clock, cloud, cockroach, "
    "couch, crab, crocodile, cup, dinosaur, dolphin, elephant, flatfish, forest, fox, girl, hamster, "
    "house, kangaroo, keyboard, lamp, lawn_mower, leopard, lion, lizard, lobster, man, maple_tree, "
    "motorcycle, mountain, mouse, mushroom, oak_tree, orange, orchid, otter, palm_tree, pear, "
    "pickup_truck, pine_tree, plain, plate, poppy, porcupine, possum, rabbit, raccoon, ray, road, rocket, "
    "rose, sea, seal, shark, shrew, skunk, skyscraper, snail, snake, spider, squirrel, streetcar, "
    "sunflower, sweet_pepper, table, tank, telephone, television, tiger, tractor, train, trout, tulip, "
    "turtle, wardrobe, whale, willow_tree, wolf, woman, worm"
)
_FASHION_CLASSES = "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot"
_STL10_CLASSES = "airplane, bird, car, cat, deer, dog, horse, monkey, ship, truck"

# fmt: off
SOURCES: dict[str, Source] = {
    "cifar10": Source(
        "CIFAR-10", "CIFAR10", _BY_FLAG, "targets", "cifar-10-batches-py",
        (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"),
        _CIFAR10_CLASSES, (3, 32, 32), 60_000, 170,
        {
            "learning": "631aaeb2b3573ecf6ab0b61830f45da65ee210a9869fad5d341ea884adaf8f15",
            "test": "085d34a7a858637b0e8dd0a92666a83d571e4636f54d029eee763b422fa073f9",
        },
    ),
    "cifar100": Source(
        "CIFAR-100", "CIFAR100", _BY_FLAG, "targets", "cifar-100-python", ("train", "test", "meta"),
        _CIFAR100_CLASSES, (3, 32, 32), 60_000, 169,
    ),
    "mnist": Source(
        "MNIST", "MNIST", _BY_FLAG, "targets", "MNIST/raw", _IDX, _DIGITS, (1, 28, 28), 70_000, 12,
        {
            "learning": "d58722224ca9f598aa794b04fba4a140c255d24d32af5b644a19ef932c8555ed",
            "test": "4a6205b9d8bf021f976e00bfae9e80b45cfb269c0d87133d536cccd1f115e65a",
        },
    ),
    "fashion-mnist": Source(
        "Fashion-MNIST", "FashionMNIST", _BY_FLAG, "targets", "FashionMNIST/raw", _IDX,
        _FASHION_CLASSES, (1, 28, 28), 70_000, 31,
    ),
    "svhn": Source(
        "SVHN", "SVHN", _BY_SPLIT, "labels", ".", ("train_32x32.mat", "test_32x32.mat"),
        _DIGITS, (3, 32, 32), 99_289, 246,
    ),
    "stl10": Source(
        "STL-10", "STL10", _BY_SPLIT, "labels", "stl10_binary",
        # torchvision refuses the set without its unlabelled pictures, which we do not use.
        ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin", "unlabeled_X.bin", "class_names.txt"),
        _STL10_CLASSES, (3, 96, 96), 13_000, 2_640,
    ),
}
# fmt: on

SAMPLE = "sample"
NAMES: tuple[str, ...] = (*SOURCES, SAMPLE)  # what `load` takes, beside "folder:PATH"


def load(name: str, root: Path | None = None) -> Dataset:
    """The data set `name`: one of `NAMES`, or "folder:PATH" for the pictures under a folder of one's own.

    `root` holds the data sets in torchvision's layout; by default it is the folder that AECORE_DATA names,
    else `data/` beside the package. Raises `DatasetError` if there is no such name, or the folder of pictures
    is absent or holds fewer than 10; files that the others lack show when a split is asked for.
    """
    if name == SAMPLE:
        return _sample()
    if name.startswith("folder:"):
        return _folder(name.removeprefix("folder:"))
    source, root = _source(name), _root(root)
    return Dataset(
        name,
        source.title,
        tuple(source.classes.split(", ")),
        source.shape,
        partial(_read, source, name, root, "learning"),
        partial(_read, source, name, root, "test"),
        source.digests,
    )


def available(name: str, root: Path | None = None) -> bool:
    """Whether the files of `name` are there; they are not read. Raises `DatasetError` for an unknown name."""
    if name == SAMPLE:
        return all((files("skimage") / "data" / file).is_file() for file in _PHOTOGRAPHS.values())
    if name.startswith("folder:"):
        path = name.removeprefix("folder:")
        return bool(path) and Path(path).expanduser().is_dir()
    source = _source(name)
    return all((_root(root) / source.folder / file).is_file() for file in source.files)


def status(root: Path | None = None) -> list[Status]:
    """One `Status` for each of `NAMES`, in their order."""
    root = _root(root)
    found = []
    for name, source in SOURCES.items():
        here, folder = available(name, root), root / source.folder
        if here:
            size = f"{sum((folder / file).stat().st_size for file in source.files) / 1e6:,.0f} MB on disk"
        else:
            size = f"{source.megabytes:,} MB to download"
        found.append(Status(name, source.title, here, folder, source.pictures, size))
    count = sum(strips.crops for strips in _STRIPS.values()) * len(_PHOTOGRAPHS)
    photographs = Path(str(files("skimage") / "data"))
    found.append(Status(SAMPLE, _SAMPLE_TITLE, available(SAMPLE), photographs, count, "built in memory"))
    return found


def to_float(pixels: Tensor) -> Tensor:
    """uint8 pixels of any shape to float32 in [0, 1]."""
    return pixels.to(torch.float32) / 255


def _root(root: Path | None) -> Path:
    default = Path(__file__).parent.parent / "data"
    return root if root is not None else Path(os.environ.get("AECORE_DATA") or default).expanduser()


def _source(name: str) -> Source:
    if name in SOURCES:
        return SOURCES[name]
    close = difflib.get_close_matches(name.lower(), NAMES, n=1)
    hint = f"did you mean {close[0]!r}, or another" if close else "choose one"
    raise DatasetError(f"No data set is called {name!r}: {hint} of {', '.join(NAMES)} and folder:PATH.")


def _digest(*splits: Split) -> str:
    digest = hashlib.sha256()
    for split in splits:
        for values in (split.pixels, split.labels):
            digest.update(str(tuple(values.shape)).encode())
            digest.update(values.numpy().data.cast("B"))
    return digest.hexdigest()


def _hold_out(split: Split) -> tuple[Split, Split]:
    """`split` without its last tenth, and that tenth (at least one picture)."""
    kept = len(split) - max(1, len(split) // 10)
    return Split(split.pixels[:kept], split.labels[:kept]), Split(split.pixels[kept:], split.labels[kept:])


# ---- torchvision's data sets


def _read(source: Source, name: str, root: Path, part: Part) -> tuple[Split, ...]:
    """(train, validation) or (test,) from `root`; `DatasetError` when the files are absent or damaged."""
    if not available(name, root):
        raise DatasetError(
            f"{source.title} is not in {root}: run `python -m aecore data fetch {name}`, "
            f"or set AECORE_DATA to the folder that holds it."
        )
    folder, mend = root / source.folder, f"run `python -m aecore data fetch {name}` to replace it"
    try:
        return _torchvision_splits(source, root, part)
    except OSError as error:
        raise DatasetError(f"{source.title} in {folder} cannot be read ({_cause(error)}): {mend}.") from error
    except (AssertionError, EOFError, RuntimeError, TypeError, ValueError) as error:
        raise DatasetError(f"{source.title} in {folder} is damaged: {mend}.") from error


def _torchvision_splits(source: Source, root: Path, part: Part, download: bool = False) -> tuple[Split, ...]:
    # Imported here because it takes about a second, which naming a set or asking for help must not cost.
    import torchvision.datasets

    loaded = getattr(torchvision.datasets, source.factory)(root, **source.parts[part], download=download)
    pixels = torch.as_tensor(loaded.data)
    if pixels.ndim == 3:
        pixels = pixels.unsqueeze(1)  # [N, H, W] → [N, 1, H, W]
    elif pixels.shape[1:] != source.shape:
        pixels = pixels.permute(0, 3, 1, 2)  # [N, H, W, C] → [N, C, H, W]
    whole = Split(pixels.contiguous(), torch.as_tensor(getattr(loaded, source.labels), dtype=torch.int64))
    splits = _hold_out(whole) if part == "learning" else (whole,)
    # torchvision looks at MNIST's archives only while it downloads them, never at the unpacked files.
    if source.digests and _digest(*splits) != source.digests[part]:
        raise RuntimeError("The content is corrupted: it differs from the published data set.")
    return splits


_SILENCE = 60.0  # seconds without a byte after which a server counts as out of reach; torchvision waits for ever


def fetch(name: str, root: Path | None = None, progress: Callable[[str], None] = print) -> None:
    """Download `name` into `root` (see `load`) unless it is there intact; tell `progress` each step.

    The files are fetched and checked in `root/.fetch-<name>` and moved to their names when whole, so a cut
    connection or a killed process leaves nothing half-written there. Damaged files are replaced. torchvision
    writes the percentage to stderr. Raises `DatasetError` when the server cannot be reached, what it sent is
    not the published archive, the folder cannot be written, or `name` is not fetched from anywhere.
    """
    if name == SAMPLE or name.startswith("folder:"):
        raise DatasetError(f"{name!r} needs no fetching: its pictures are already on this machine.")
    source, root = _source(name), _root(root)
    with _explained(source, name, root):
        # Asked before locking too: an intact set may lie in a folder that we cannot write a lock to.
        if not _intact(source, name, root):
            root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(root / f".fetch-{name}.lock")
            try:
                held = lock.acquire(timeout=0)
            except Timeout:
                progress(f"Another process is fetching {source.title}: waiting for it.")
                held = lock.acquire()
            with held:
                if not _intact(source, name, root):
                    progress(f"Fetching {source.title} ({source.megabytes:,} MB) into {root}.")
                    _download(source, root, root / f".fetch-{name}")
                    progress(f"{source.title} is in {root}: {source.pictures:,} pictures.")
                    return
    progress(f"{source.title} is already in {root}, intact.")


def _intact(source: Source, name: str, root: Path) -> bool:
    if not available(name, root):
        return False
    try:
        for part in source.parts:
            _read(source, name, root, part)
    except DatasetError:
        return False
    return True


def _download(source: Source, root: Path, staging: Path) -> None:
    # What a killed fetch left may be cut short, and torchvision believes MNIST's unpacked files unseen.
    shutil.rmtree(staging, ignore_errors=True)
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE)
    try:
        for part in source.parts:
            _torchvision_splits(source, staging, part, download=True)
        (root / source.folder).mkdir(parents=True, exist_ok=True)
        for file in source.files:
            (staging / source.folder / file).replace(root / source.folder / file)
    finally:
        socket.setdefaulttimeout(patience)
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _explained(source: Source, name: str, root: Path) -> Iterator[None]:
    """Whatever a fetch died of, as a `DatasetError`."""
    again = f"check the network and run `python -m aecore data fetch {name}` again"
    try:
        yield
    except (RuntimeError, URLError, ConnectionError, TimeoutError, HTTPException) as error:
        # torchvision raises one kind of error for a wrong checksum and, for MNIST, for no connection.
        if isinstance(error, IncompleteRead) or "corrupted" in str(error):
            raise DatasetError(
                f"What the server of {source.title} sent was cut short or altered, and is not kept: {again}."
            ) from error
        raise DatasetError(f"Could not reach the server of {source.title} ({_cause(error)}): {again}.") from error
    except OSError as error:
        raise DatasetError(
            f"Could not write {source.title} to {root} ({_cause(error)}): "
            f"make room there, or set AECORE_DATA to a folder that you may write to."
        ) from error


def _cause(error: Exception) -> str:
    """Why, without the address: from the text, because torchvision's MNIST passes on nothing else."""
    found = re.search(r"<urlopen error (?:\[[^]]*] )?(.+?)>|(HTTP Error \d+)", str(error))
    if found:
        return found[1] or found[2]
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


# ---- the embedded sample


@dataclass(frozen=True)
class _Strips:
    """Which fifths of a photograph's width a split owns, from the left, and how many crops it takes of them."""

    fifths: tuple[int, ...]
    crops: int


_SAMPLE_TITLE = "Embedded sample (not CIFAR-10)"
_STRIPS = {
    "train": _Strips((0, 1, 4), 564),
    "validation": _Strips((3,), 63),
    "test": _Strips((2,), 125),  # in the middle, where the subject is
}
_PHOTOGRAPHS = {  # the colour photographs in scikit-image's wheel, but for a second view of the motorcycle
    "astronaut": "astronaut.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "galaxies": "hubble_deep_field.jpg",
    "motorcycle": "motorcycle_left.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
    "tissue": "ihc.png",
}


@cache  # it is the same for ever, and a supervisor hands it to one run after another
def _sample() -> Dataset:
    return Dataset(
        SAMPLE,
        _SAMPLE_TITLE,
        tuple(_PHOTOGRAPHS),
        (3, 32, 32),
        lambda: (_sample_split(_STRIPS["train"]), _sample_split(_STRIPS["validation"])),
        lambda: (_sample_split(_STRIPS["test"]),),
    )


def _sample_split(strips: _Strips) -> Split:
    crops = np.stack([_crops(each, strips) for each in _photographs()], axis=1)  # [crops, photographs, …]
    labels = torch.arange(len(_PHOTOGRAPHS)).repeat(strips.crops)
    return Split(torch.from_numpy(crops.reshape(-1, *crops.shape[2:])), labels)


@cache
def _photographs() -> list[np.ndarray]:
    """Each [H, W, 3], 13 MB in all."""
    # Read as files: `skimage.data` would go to the network for a photograph that is missing.
    folder = Path(str(files("skimage") / "data"))
    try:
        return [np.asarray(Image.open(folder / file).convert("RGB")) for file in _PHOTOGRAPHS.values()]
    except OSError as error:
        raise DatasetError(
            f"The embedded sample needs the photographs of scikit-image, and {folder} lacks one of them "
            f"({error}): reinstall scikit-image."
        ) from error


def _crops(photograph: np.ndarray, strips: _Strips) -> np.ndarray:
    """`strips.crops` windows [N, 3, 32, 32] of a photograph [H, W, 3], spread evenly over strips and scales.

    The windows lie on the R2 sequence (M. Roberts, 2018, "The unreasonable effectiveness of quasirandom
    sequences") and are averaged in integers, so that every machine cuts the same pixels.
    """
    height, width, channels = photograph.shape
    # The same scales for each split of a photograph: windows of 32 × scale pixels that fit the narrowest fifth.
    kinds = [(fifth, scale) for fifth in strips.fifths for scale in (1, 2, 3, 4) if 32 * scale <= width // 5]
    plastic = 1.32471795724474602596  # the real root of x³ = x + 1
    crops = np.empty((strips.crops, channels, 32, 32), dtype=np.uint8)
    for index in range(strips.crops):
        fifth, scale = kinds[index % len(kinds)]
        side, left, right = 32 * scale, fifth * width // 5, (fifth + 1) * width // 5
        top = int((0.5 + index / plastic) % 1 * (height - side + 1))
        left += int((0.5 + index / plastic**2) % 1 * (right - left - side + 1))
        # Added slice by slice in 16 bits, which hold 4 × 4 × 255: ten times as fast as a sum over axes.
        sums = photograph[top : top + side, left : left + side].astype(np.uint16)
        sums = reduce(np.add, [sums[row::scale] for row in range(scale)])
        sums = reduce(np.add, [sums[:, column::scale] for column in range(scale)])  # [32, 32, C]
        crops[index] = ((sums + scale**2 // 2) // scale**2).transpose(2, 0, 1)
    return crops


# ---- a folder of pictures


def _folder(path: str) -> Dataset:
    folder = Path(path).expanduser().resolve()
    if not path or not folder.is_dir():
        raise DatasetError(f"There is no folder {path!r}: give one that holds pictures, as folder:PATH.")
    found: list[tuple[bytes, str, np.ndarray]] = []
    unreadable: list[str] = []
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        if any(part.startswith(".") for part in parts) or not file.is_file():
            continue
        try:
            pixels = _picture(file)
        except Exception:  # Pillow's decoders raise whatever the parser of the format met
            unreadable.append(str(file.relative_to(folder)))
            continue
        found.append((hashlib.sha256(pixels.tobytes()).digest(), parts[0] if len(parts) > 1 else "picture", pixels))
    if unreadable:
        more = f" and {len(unreadable) - 10} more" if len(unreadable) > 10 else ""
        warnings.warn(f"Not pictures that Pillow reads: {', '.join(unreadable[:10])}{more}.", stacklevel=3)
    if len(found) < 10:
        raise DatasetError(f"{folder} holds {len(found)} pictures: a data set needs at least 10.")
    # By content, so that the splits are as good as random, yet the same wherever the folder is copied to.
    found.sort(key=lambda entry: entry[:2])
    classes = tuple(sorted({entry[1] for entry in found}))
    everything = Split(
        torch.from_numpy(np.stack([entry[2] for entry in found])),
        torch.tensor([classes.index(entry[1]) for entry in found]),
    )
    learning, test = _hold_out(everything)
    return Dataset(
        f"folder:{folder}",
        f"Pictures in {folder.name}",
        classes,
        (3, 32, 32),
        lambda: _hold_out(learning),
        lambda: (test,),
    )


def _picture(file: Path) -> np.ndarray:
    """The centre square of a picture file as [3, 32, 32] uint8."""
    with Image.open(file) as opened:
        # Lets a 12-megapixel JPEG be decoded at an eighth of its size: 20 ms and not 150, and 0.07 of 255 apart.
        opened.draft(None, (128, 128))
        picture = ImageOps.exif_transpose(opened)
    if picture.mode.startswith("I;16"):
        # Pillow would clip the 16 bits to 8.
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    elif picture.mode in ("I", "F"):
        raise ValueError("What is white in a picture of 32-bit values is not known.")
    if picture.has_transparency_data:
        # What lies under transparent pixels was never meant to be seen; white is the page they are seen on.
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    square = ImageOps.fit(picture.convert("RGB"), (32, 32), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))
