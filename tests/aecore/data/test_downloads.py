"""Downloads: what is read is what was published, and nothing half-written ever has a data set's name."""

import gzip
import hashlib
import pickle
import re
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch

from aecore.data import catalog, datasets, downloads, published_files
from aecore.data.catalog import DatasetError
from aecore.data.splits import Dataset
from tests.aecore.data import small_stl10
from tests.aecore.data.reading import real, recomputed, splits

Damage = Callable[[bytearray], bytearray]


@pytest.mark.parametrize("name", catalog.SOURCES)
def test_an_absent_data_set_says_how_to_get_it(name: str, tmp_path: Path) -> None:
    dataset = datasets.load(name, tmp_path)
    assert not catalog.available(name, tmp_path)
    said = f"{dataset.title} is not in .*: run `python -m aecore data fetch {name}`, or set AECORE_DATA to"
    for split in ("train", "validation", "test"):
        with pytest.raises(DatasetError, match=said):
            getattr(dataset, split)


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


def random_pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data sets that count as whole with 20 pictures to learn from and 20 to test on."""
    for name, source in catalog.SOURCES.items():
        monkeypatch.setitem(catalog.SOURCES, name, replace(source, pictures=40, test_pictures=20))


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


LABELS = np.array([*range(10)] * 2)  # of twenty pictures


def write_small(name: str, root: Path) -> np.ndarray:
    """Twenty pictures to learn from and twenty to test on, in the format of `name`."""
    source, labels = catalog.SOURCES[name], LABELS.tolist()
    folder = root / source.folder
    folder.mkdir(parents=True, exist_ok=True)
    pixels = random_pixels(20, *source.shape)
    if name == "svhn":
        from scipy.io import savemat

        for part in ("train", "test"):
            stored = {"X": pixels.transpose(2, 3, 1, 0), "y": np.array([[digit or 10] for digit in labels])}
            savemat(folder / f"{part}_32x32.mat", stored)
    elif name == "stl10":
        small_stl10.write(root, pixels, labels)
    else:
        for part in ("train", "test"):
            content = {"data": pixels.reshape(20, -1), "fine_labels": labels}
            (folder / part).write_bytes(pickle.dumps(content))
        (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": list(map(str, range(100)))}))
    return pixels


@pytest.mark.usefixtures("small")
def test_svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import SVHN

    unchecked = {part: ["", f"{part}_32x32.mat", None] for part in ("train", "test")}
    monkeypatch.setattr(SVHN, "split_list", unchecked)
    assert_reads("svhn", tmp_path, write_small("svhn", tmp_path), LABELS.tolist())


def test_stl10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_stl10.accept(monkeypatch, 20)
    assert_reads("stl10", tmp_path, write_small("stl10", tmp_path), LABELS.tolist())


def idx(values: np.ndarray) -> bytes:
    """The bytes of an IDX file: 0x08 stands for unsigned bytes, then come the number of dimensions and their sizes."""
    head = bytes((0, 0, 8, values.ndim)) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    return head + values.astype(np.uint8).tobytes()


def write_idx(
    root: Path, pixels: np.ndarray, labels: np.ndarray, folder: str = "FashionMNIST/raw", kind: str = ""
) -> Path:
    """The same pictures [N, H, W] and labels to learn from and to test on, or as one `kind` of them alone."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    for part in [kind] if kind else ["train", "t10k"]:
        (root / folder / f"{part}-images-idx3-ubyte").write_bytes(idx(pixels))
        (root / folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return root


@pytest.mark.usefixtures("small")
def test_fashion_mnist(tmp_path: Path) -> None:
    pixels, labels = random_pixels(20, 1, 28, 28), [*range(10)] * 2
    assert_reads("fashion-mnist", write_idx(tmp_path, pixels[:, 0], np.array(labels)), pixels, labels)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
@pytest.mark.parametrize(
    "head",
    [
        {2: 10},  # no type has this number
        {2: 9},  # signed bytes
        {2: 13},  # float32: four bytes a value
        {2: 255},
        {3: 0},
        {3: 2},
        {3: 4},
        {3: 255},
        {0: 1},  # the first two bytes are zero in every file
        {4: 255},  # more pictures than memory holds
        {5: 0, 6: 0, 7: 0},  # none
        {7: 19},
        {7: 21},
    ],
    ids=str,
)
@pytest.mark.usefixtures("small")
def test_a_header_that_lies_is_damage(name: str, file: str, head: dict[int, int], tmp_path: Path) -> None:
    folder = "MNIST/raw" if name == "mnist" else "FashionMNIST/raw"
    write_idx(tmp_path, random_pixels(20, 28, 28), np.array([*range(10)] * 2), folder)
    content = bytearray((tmp_path / folder / file).read_bytes())
    for place, value in head.items():
        content[place] = value
    (tmp_path / folder / file).write_bytes(content)
    with pytest.raises(DatasetError, match=r"is damaged: run|is not (Fashion-)?MNIST: "):
        _ = datasets.load(name, tmp_path).train


@pytest.mark.parametrize("content", [b"", b"\x00", b"half", b"\x1f\x8b\x08 what gzip begins with", bytes(4000)])
@pytest.mark.parametrize("name", catalog.SOURCES)
def test_anything_in_place_of_a_file_is_damage(name: str, content: bytes, tmp_path: Path) -> None:
    source = catalog.SOURCES[name]
    (tmp_path / source.folder).mkdir(parents=True, exist_ok=True)
    for file in source.files:
        (tmp_path / source.folder / file).write_bytes(content)
    dataset = datasets.load(name, tmp_path)
    for part in ("train", "validation", "test"):
        with pytest.raises(DatasetError, match=f"{source.title} in .* is damaged: run `python -m aecore data fetch"):
            getattr(dataset, part)


class ShapelessError(Exception):
    """An error of a reader that nobody has foreseen."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError(10), "is damaged"),
        (ShapelessError("?"), "is damaged"),
        (UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"), "is damaged"),
        (OSError("could not read bytes"), "is damaged"),  # scipy's, at the end of a .mat file
        (PermissionError(13, "Permission denied"), r"cannot be read \(Permission denied\)"),
        (MemoryError(), r"cannot be read \(MemoryError\)"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", catalog.SOURCES)
def test_whatever_a_reader_raises_is_a_sentence(
    name: str, error: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision.datasets

    def reader(*_: object, **__: object) -> None:
        raise error

    source = catalog.SOURCES[name]
    (tmp_path / source.folder).mkdir(parents=True, exist_ok=True)
    for file in source.files:
        (tmp_path / source.folder / file).touch()
    monkeypatch.setattr(getattr(torchvision.datasets, source.factory), "__init__", reader)
    for factory in published_files.READERS:
        monkeypatch.setitem(published_files.READERS, factory, reader)
    with pytest.raises(DatasetError, match=f"^{source.title} in .* {said}: run `python -m aecore data fetch {name}`"):
        _ = datasets.load(name, tmp_path).test


def test_another_data_set_under_a_name_is_refused_with_its_own(tmp_path: Path) -> None:
    real("mnist")
    (tmp_path / "FashionMNIST").mkdir()
    (tmp_path / "FashionMNIST" / "raw").symlink_to(catalog.data_root(None) / "MNIST" / "raw")
    dataset = datasets.load("fashion-mnist", tmp_path)
    for part in ("train", "validation", "test"):
        with pytest.raises(DatasetError) as caught:
            getattr(dataset, part)
        assert str(caught.value) == (
            f"What is in {tmp_path}/FashionMNIST/raw is not Fashion-MNIST: it is MNIST; "
            f"run `python -m aecore data fetch fashion-mnist` to replace it."
        )


def test_mnists_labels_beside_other_pictures_are_not_fashion_mnist(mnist: Dataset, tmp_path: Path) -> None:
    learning = torch.cat([mnist.train.labels, mnist.validation.labels]).numpy()
    write_idx(tmp_path, np.zeros((60_000, 28, 28)), learning, kind="train")
    write_idx(tmp_path, np.zeros((10_000, 28, 28)), mnist.test.labels.numpy(), kind="t10k")
    for part in ("train", "test"):
        with pytest.raises(DatasetError, match="is not Fashion-MNIST: its classes differ in size"):
            getattr(datasets.load("fashion-mnist", tmp_path), part)


@pytest.mark.parametrize(
    ("pixels", "labels", "said"),
    [
        ((19, 28, 28), LABELS[:19], "it has 19 pictures to learn from, and 20 were published"),
        ((20, 28, 28), LABELS[:10], "it has 10 labels to learn from, and 20 were published"),
        ((20, 14, 56), LABELS, "its pictures have 1×14×56 values, and 1×28×28 were published"),
        ((20, 28, 28), LABELS + 1, "it has labels besides those of its 10 classes"),
        ((20, 28, 28), np.zeros(20), "its classes differ in size"),
    ],
)
@pytest.mark.usefixtures("small")
def test_what_differs_from_the_published_facts_is_refused(
    pixels: tuple[int, ...], labels: np.ndarray, said: str, tmp_path: Path
) -> None:
    write_idx(tmp_path, random_pixels(*pixels), labels)
    with pytest.raises(DatasetError, match=f"is not Fashion-MNIST: {said}"):
        _ = datasets.load("fashion-mnist", tmp_path).train


@pytest.mark.parametrize("name", ["cifar100", "svhn", "stl10"])
def test_torchvision_knows_the_files_that_we_have_no_digest_of(name: str) -> None:
    """Whatever else lies in their place is damage to the reader: no file is read before its MD5 was compared."""
    import torchvision.datasets

    source, factory = catalog.SOURCES[name], getattr(torchvision.datasets, catalog.SOURCES[name].factory)
    known = (
        {file: md5 for _, file, md5 in factory.split_list.values()}
        if name == "svhn"
        else dict(factory.train_list + factory.test_list)
    )
    if name == "cifar100":
        known[factory.meta["filename"]] = factory.meta["md5"]
    assert set(source.files) - {"class_names.txt"} <= set(known)
    assert all(re.fullmatch("[0-9a-f]{32}", md5) for md5 in known.values())


@pytest.mark.parametrize("name", ["cifar100", "svhn", "stl10"])
@pytest.mark.usefixtures("small")
def test_other_pictures_in_the_right_format_are_refused(name: str, tmp_path: Path) -> None:
    write_small(name, tmp_path)
    for part in ("train", "test"):
        with pytest.raises(DatasetError, match=f"{datasets.load(name).title} in .* is damaged"):
            getattr(datasets.load(name, tmp_path), part)


def test_a_former_copy_of_torchvisions_is_not_read(tmp_path: Path) -> None:
    """Its `processed` folder would come first, and fetching replaces only what is in `raw`."""
    real("mnist")
    (tmp_path / "MNIST" / "processed").mkdir(parents=True)
    (tmp_path / "MNIST" / "raw").symlink_to(catalog.data_root(None) / "MNIST" / "raw")
    for file in ("training.pt", "test.pt"):
        torch.save((torch.zeros(10, 28, 28, dtype=torch.uint8), torch.arange(10)), tmp_path / "MNIST/processed" / file)
    assert len(datasets.load("mnist", tmp_path).test) == 10_000


class Server(ThreadingHTTPServer):
    """Serves `archive` at any address but those of `files`, in the way `manner` says, and counts the answers."""

    daemon_threads = True

    def __init__(self, archive: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.archive, self.manner, self.answers = archive, "whole", 0
        self.files: dict[str, bytes] = {}
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
        content = bytearray(server.files.get(self.path.strip("/"), server.archive))
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


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of the small archive, which torchvision and aecore take for CIFAR-10's while the test lasts."""
    from torchvision.datasets import CIFAR10

    archive, content = small_cifar10()
    with Server(archive) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz")
        monkeypatch.setattr(CIFAR10, "tgz_md5", md5(archive))
        lists = [[file, md5(data)] for file, data in content.items() if file != "batches.meta"]
        monkeypatch.setattr(CIFAR10, "train_list", lists[:5])
        monkeypatch.setattr(CIFAR10, "test_list", lists[5:])
        monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5(content["batches.meta"])})
        unpinned = replace(catalog.SOURCES["cifar10"], digests=None, pictures=60, test_pictures=10)
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
    monkeypatch.setattr(downloads, "READ_TIMEOUT", 0.2)
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


def offer_fashion_mnist(server: Server, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `server` offer the files in `raw` as Fashion-MNIST's, with the MD5s of their archives."""
    from torchvision.datasets import FashionMNIST

    server.files = {f"{file.name}.gz": gzip.compress(file.read_bytes()) for file in raw.iterdir()}
    monkeypatch.setattr(FashionMNIST, "resources", [(file, md5(content)) for file, content in server.files.items()])
    monkeypatch.setattr(FashionMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])


@pytest.mark.parametrize("fault", [{2: 10}, {3: 2}, {4: 255}, {9: 1}])
@pytest.mark.usefixtures("small")
def test_fetch_mends_what_a_header_says(
    fault: dict[int, int], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = random_pixels(20, 28, 28)
    raw = write_idx(tmp_path, pixels, LABELS) / "FashionMNIST" / "raw"
    offer_fashion_mnist(server, raw, monkeypatch)
    content = bytearray((raw / "train-images-idx3-ubyte").read_bytes())
    for place, value in fault.items():
        content[place] = value
    (raw / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DatasetError):
        _ = datasets.load("fashion-mnist", tmp_path).train
    downloads.fetch("fashion-mnist", tmp_path, lambda _: None)
    assert_reads("fashion-mnist", tmp_path, pixels[:, None], LABELS.tolist())
    assert server.answers > 0


@pytest.mark.parametrize("link", ["FashionMNIST", "FashionMNIST/raw"])
@pytest.mark.usefixtures("small")
def test_fetch_replaces_a_link_and_not_what_it_leads_to(
    link: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a link to MNIST's files, which are then said to be another data set that fetching replaces."""
    pixels = random_pixels(20, 28, 28)
    offer_fashion_mnist(server, write_idx(tmp_path / "server", pixels, LABELS) / "FashionMNIST" / "raw", monkeypatch)
    other = write_idx(tmp_path / "other", pixels, np.zeros(20)) / "FashionMNIST" / "raw"
    before = {file: file.read_bytes() for file in other.iterdir()}
    root = tmp_path / "root"
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(tmp_path / "other" / link)
    downloads.fetch("fashion-mnist", root, lambda _: None)
    assert_reads("fashion-mnist", root, pixels[:, None], LABELS.tolist())
    assert {file: file.read_bytes() for file in other.iterdir()} == before


@pytest.mark.usefixtures("small")
def test_fetch_keeps_nothing_that_the_server_sent_under_another_name(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The MD5s agree, but what was packed has another shape."""
    other = write_idx(tmp_path / "other", random_pixels(20, 14, 56), LABELS)
    offer_fashion_mnist(server, other / "FashionMNIST" / "raw", monkeypatch)
    with pytest.raises(DatasetError, match="server of Fashion-MNIST sent was cut short or altered, and is not kept"):
        downloads.fetch("fashion-mnist", tmp_path / "own", lambda _: None)
    assert left_in(tmp_path / "own") == []


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
