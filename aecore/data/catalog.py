"""The data sets by name, and where their files are; nothing is read and torch is not imported.

To add a data set that torchvision knows, add one entry to `SOURCES`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from aecore import AecoreError
from aecore.files import folders

Shape = tuple[int, ...]  # (C, H, W)
Part = Literal["learning", "test"]  # a source reads train and validation together, and test on its own


class DatasetError(AecoreError):
    """A data set is unknown, absent or damaged, or cannot be fetched."""


@dataclass(frozen=True)
class Status:
    """A data set's facts that are known without reading it; `size` is text with units."""

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
    """A data set that torchvision reads: `factory` names its class, `parts` holds the arguments that select a part."""

    title: str
    factory: str
    parts: Mapping[Part, dict[str, Any]]
    labels: str  # the attribute of the torchvision object that holds the labels
    folder: str
    files: tuple[str, ...]
    classes: str  # class names in label order, separated by commas
    shape: Shape
    pictures: int
    test_pictures: int  # how many of them are for testing
    megabytes: int  # size of the download
    digests: Mapping[Part, str] | None = None  # SHA-256 of each part's splits, if known
    balanced: bool = False  # whether each class has equally many pictures, in both parts

    @property
    def learning_pictures(self) -> tuple[int, int]:
        """How many pictures there are to train on, and how many to validate on."""
        learning = self.pictures - self.test_pictures
        return learning - held_out(learning), held_out(learning)


def held_out(learning: int) -> int:
    """How many of so many pictures are held out to validate on: a tenth, and at least one."""
    return max(1, learning // 10)


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
SOURCES: dict[str, Source] = {
    "cifar10": Source(
        title="CIFAR-10",
        factory="CIFAR10",
        parts=_BY_FLAG,
        labels="targets",
        folder="cifar-10-batches-py",
        files=(*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"),
        classes=_CIFAR10_CLASSES,
        shape=(3, 32, 32),
        pictures=60_000,
        test_pictures=10_000,
        megabytes=170,
        balanced=True,
        digests={
            "learning": "631aaeb2b3573ecf6ab0b61830f45da65ee210a9869fad5d341ea884adaf8f15",
            "test": "085d34a7a858637b0e8dd0a92666a83d571e4636f54d029eee763b422fa073f9",
        },
    ),
    "cifar100": Source(
        title="CIFAR-100",
        factory="CIFAR100",
        parts=_BY_FLAG,
        labels="targets",
        folder="cifar-100-python",
        files=("train", "test", "meta"),
        classes=_CIFAR100_CLASSES,
        shape=(3, 32, 32),
        pictures=60_000,
        test_pictures=10_000,
        megabytes=169,
        balanced=True,
    ),
    "mnist": Source(
        title="MNIST",
        factory="MNIST",
        parts=_BY_FLAG,
        labels="targets",
        folder="MNIST/raw",
        files=_IDX,
        classes=_DIGITS,
        shape=(1, 28, 28),
        pictures=70_000,
        test_pictures=10_000,
        megabytes=12,
        digests={
            "learning": "d58722224ca9f598aa794b04fba4a140c255d24d32af5b644a19ef932c8555ed",
            "test": "4a6205b9d8bf021f976e00bfae9e80b45cfb269c0d87133d536cccd1f115e65a",
        },
    ),
    "fashion-mnist": Source(
        title="Fashion-MNIST",
        factory="FashionMNIST",
        parts=_BY_FLAG,
        labels="targets",
        folder="FashionMNIST/raw",
        files=_IDX,
        classes=_FASHION_CLASSES,
        shape=(1, 28, 28),
        pictures=70_000,
        test_pictures=10_000,
        megabytes=31,
        balanced=True,
    ),
    "svhn": Source(
        title="SVHN",
        factory="SVHN",
        parts=_BY_SPLIT,
        labels="labels",
        folder=".",
        files=("train_32x32.mat", "test_32x32.mat"),
        classes=_DIGITS,
        shape=(3, 32, 32),
        pictures=99_289,
        test_pictures=26_032,
        megabytes=246,
    ),
    "stl10": Source(
        title="STL-10",
        factory="STL10",
        parts=_BY_SPLIT,
        labels="labels",
        folder="stl10_binary",
        # torchvision requires the unlabelled pictures too; we do not use them.
        files=("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin", "unlabeled_X.bin", "class_names.txt"),
        classes=_STL10_CLASSES,
        shape=(3, 96, 96),
        pictures=13_000,
        test_pictures=8_000,
        megabytes=2_640,
        balanced=True,
    ),
}


@dataclass(frozen=True)
class Excerpt:
    """The first pictures of the data set `whole`, which come with the package: how many, and each split's SHA-256."""

    whole: str
    counts: Mapping[str, int]
    digests: Mapping[str, str]

    @property
    def title(self) -> str:
        """What it is, in a sentence."""
        return f"the first {self.counts['test']:,} test pictures of {SOURCES[self.whole].title}"


# The validation pictures are as many as the tuning of classical denoisers takes.
EXCERPTS = {
    "cifar10-excerpt": Excerpt(
        "cifar10",
        {"test": 1000, "validation": 300},
        {
            "test": "019ab89ea29739bd77fcc2f6c8c15fa2da2be50143b62d9ed363ff78103dc89f",
            "validation": "17150dee00f2f43ff3cd54fc638dc39a27217960b1e162218f667881215d6d70",
        },
    ),
    "mnist-excerpt": Excerpt(
        "mnist",
        {"test": 200, "validation": 300},
        {
            "test": "fb31e0e5dfe961e92eac14ab0713d5275ba03be52f5db57dbd0b6fb3e9fec39d",
            "validation": "601410e20f6d86cb7134effa3d89021e3826f34cab44bc2b9204f3a6dede56a8",
        },
    ),
}


@dataclass(frozen=True)
class Strips:
    """The fifths of a photograph's width, from the left, that belong to a split, and the number of its crops."""

    fifths: tuple[int, ...]
    crops: int


@dataclass(frozen=True)
class Crops:
    """Pictures of `side` pixels, cut from photographs that come with scikit-image.

    A window of a photograph is `window` pixels wide, or one of `scales` times as many, and is averaged to `side`
    pixels. `photographs` maps the name of a class to its file.
    """

    title: str
    side: int
    window: int
    scales: tuple[int, ...]
    strips: Mapping[str, Strips]
    photographs: Mapping[str, str]

    @property
    def shape(self) -> Shape:
        """The shape of every picture."""
        return 3, self.side, self.side


SAMPLE_TITLE = "Embedded sample (not CIFAR-10)"
STRIPS = {
    "train": Strips((0, 1, 4), 564),
    "validation": Strips((3,), 63),
    "test": Strips((2,), 125),  # in the middle, where the subject is
}
PHOTOGRAPHS = {  # the colour photographs in scikit-image's wheel, except a second view of the motorcycle
    "astronaut": "astronaut.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "galaxies": "hubble_deep_field.jpg",
    "motorcycle": "motorcycle_left.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
    "tissue": "ihc.png",
}
SAMPLE = "sample"
# The same scenes at three resolutions. A window of 96 pixels has detail for all three, which those of the sample, from
# 32 pixels on, do not have. A fifth of the cat is narrower than 96 pixels.
SCENE_SIDES = (32, 64, 96)
_SCENE_STRIPS = {"train": Strips((0, 1, 4), 300), "validation": Strips((3,), 30), "test": Strips((2,), 60)}
_WIDE = {name: file for name, file in PHOTOGRAPHS.items() if name != "cat"}
CROPS: dict[str, Crops] = {
    SAMPLE: Crops(SAMPLE_TITLE, 32, 32, (1, 2, 3, 4), STRIPS, PHOTOGRAPHS),
    **{
        f"scenes-{side}": Crops(f"Embedded scenes, {side}×{side}", side, 96, (1, 2), _SCENE_STRIPS, _WIDE)
        for side in SCENE_SIDES
    },
}
NAMES: tuple[str, ...] = (*SOURCES, *EXCERPTS, *CROPS)  # the names that `load` accepts, besides "folder:PATH"
FOLDER_SIDE = 32  # pixels of a picture of a folder, unless another number is given
FOLDER_SIDES = (32, 256)  # the least and the most


def is_folder(name: str) -> bool:
    """Whether `name` is meant as that of a folder of pictures."""
    return re.match(r"folder(@[^:]*)?:", name) is not None


def folder_parts(name: str) -> tuple[int, str]:
    """The side in pixels and the path in the name of a folder: `folder:PATH` or `folder@64:PATH`.

    Raises `DatasetError` for a side that is not a whole number from 32 to 256.
    """
    kind, _, path = name.partition(":")
    side = kind.removeprefix("folder").removeprefix("@") or str(FOLDER_SIDE)
    low, high = FOLDER_SIDES
    if not (re.fullmatch(r"[0-9]{1,4}", side) and low <= int(side) <= high):
        raise DatasetError(
            f"Pictures of a folder may have {low} to {high} pixels a side, not {side!r}: write folder@64:PATH."
        )
    return int(side), path


def without_path(name: str) -> str:
    """`name`, but of a folder only what its pictures are like: `folder@64:`, which `folder_path` never finds."""
    return f"{name.partition(':')[0]}:" if is_folder(name) else name


def title(name: str) -> str:
    """The title of a data set that is no folder. Raises `DatasetError` for an unknown name."""
    known = EXCERPTS.get(name) or CROPS.get(name)
    return known.title if known else find_source(name).title


def shape_of(name: str) -> Shape:
    """The shape of every picture of a data set, of which nothing is read. Raises `DatasetError` for an unknown name."""
    if is_folder(name):
        side, _ = folder_parts(name)
        return 3, side, side
    if name in CROPS:
        return CROPS[name].shape
    return find_source(EXCERPTS[name].whole if name in EXCERPTS else name).shape


def embedded(shape: Shape) -> str | None:
    """The embedded pictures of this shape, which stand in where a data set is not here; None where there are none."""
    return next((name for name, crops in CROPS.items() if crops.shape == shape), None)


def with_shape(shape: Shape) -> list[str]:
    """The data sets whose pictures have this shape, those to download first."""
    facts = {name: source.shape for name, source in SOURCES.items()} | {
        name: crops.shape for name, crops in CROPS.items()
    }
    return [name for name, its in facts.items() if its == shape]


def available(name: str, root: Path | None = None) -> bool:
    """Whether the files of `name` exist; they are not read. Raises `DatasetError` for an unknown name."""
    if name in EXCERPTS:
        return True
    if name in CROPS:
        return all((files("skimage") / "data" / file).is_file() for file in CROPS[name].photographs.values())
    if is_folder(name):
        return folder_path(folder_parts(name)[1]) is not None
    source = find_source(name)
    folder = data_root(root) / source.folder
    try:
        return all((folder / file).is_file() for file in source.files)
    except OSError:  # the folder may not be entered
        return False


def folder_path(path: str) -> Path | None:
    """The folder at `path`, which may begin with ~; None where there is none that may be entered."""
    try:
        folder = Path(path).expanduser()
        return folder if path and folder.is_dir() else None
    except (OSError, RuntimeError):  # the home of a user that there is not
        return None


def here(name: str, root: Path | None = None) -> str | None:
    """`name` where its files exist, else the name of the excerpt of it that comes with the package, else None."""
    if available(name, root):
        return name
    return next((excerpt for excerpt, facts in EXCERPTS.items() if facts.whole == name), None)


def status(root: Path | None = None) -> list[Status]:
    """One `Status` per data set, in the order of `NAMES`."""
    root = data_root(root)
    statuses = []
    for name, source in SOURCES.items():
        is_here, folder = available(name, root), root / source.folder
        if is_here:
            size = f"{sum((folder / file).stat().st_size for file in source.files) / 1e6:,.0f} MB on disk"
        else:
            size = f"{source.megabytes:,} MB to download"
        statuses.append(Status(name, source.title, is_here, folder, source.pictures, size))
    for name, excerpt in EXCERPTS.items():
        title = excerpt.title[0].upper() + excerpt.title[1:]
        statuses.append(Status(name, title, True, SHIPPED, sum(excerpt.counts.values()), "comes with the package"))
    photographs = Path(str(files("skimage") / "data"))
    for name, crops in CROPS.items():
        count = sum(strips.crops for strips in crops.strips.values()) * len(crops.photographs)
        statuses.append(Status(name, crops.title, available(name), photographs, count, "built in memory"))
    return statuses


SHIPPED = Path(__file__).parent / "shipped"  # the folder of the excerpts' files


def data_root(root: Path | None) -> Path:
    """The folder of the data sets: `root`, or `folders.data()` by default."""
    return root if root is not None else folders.data()


def staging_folder(name: str, root: Path) -> Path:
    """Where `name` is downloaded and checked before it is moved into `root`."""
    return root / f".fetch-{name}"


def lock_path(name: str, root: Path) -> Path:
    """The file that a process locks while it fetches `name` into `root`."""
    return root / f".fetch-{name}.lock"


def find_source(name: str) -> Source:
    if name in SOURCES:
        return SOURCES[name]
    close = difflib.get_close_matches(name.lower(), NAMES, n=1)
    hint = f"did you mean {close[0]!r}, or another" if close else "choose one"
    raise DatasetError(f"No data set is called {name!r}: {hint} of {', '.join(NAMES)} and folder:PATH.")
