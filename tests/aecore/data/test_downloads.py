"""Downloads: what is read is what was published, and nothing half-written ever has a data set's name."""

import hashlib
import pickle
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

from aecore.data import catalog, datasets, downloads
from aecore.data.catalog import DatasetError
from aecore.data.splits import Dataset
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
