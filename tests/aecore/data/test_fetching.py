"""A download that a page begins runs in a process of its own, and its state is seen from anywhere."""

import time
from pathlib import Path

import pytest
from filelock import FileLock

from aecore.data import fetching
from aecore.data.catalog import SOURCES, DatasetError, lock_path, staging_folder


def test_without_a_network_it_ends_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")  # where nothing listens
    fetching.start("mnist", tmp_path / "new")
    assert fetching.progress("mnist", tmp_path / "new").is_running
    while fetching.progress("mnist", tmp_path / "new").is_running:
        time.sleep(0.1)
    said = fetching.progress("mnist", tmp_path / "new")
    assert said.failure.startswith("Could not reach the server of MNIST")
    assert not staging_folder("mnist", tmp_path / "new").exists()


def test_the_share_is_of_the_bytes_that_are_here(tmp_path: Path) -> None:
    assert fetching.progress("mnist", tmp_path) == fetching.Progress(False, 0.0, "")
    folder = staging_folder("mnist", tmp_path) / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / "half").write_bytes(bytes(SOURCES["mnist"].megabytes * 500_000))
    assert fetching.progress("mnist", tmp_path).share == 0.5


def test_a_download_of_another_process_is_seen(tmp_path: Path) -> None:
    with FileLock(lock_path("mnist", tmp_path)):
        assert fetching.progress("mnist", tmp_path).is_running
        assert not fetching.progress("cifar10", tmp_path).is_running
    assert not fetching.progress("mnist", tmp_path).is_running


def test_what_cannot_be_begun_says_why(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No data set is called 'nist'"):
        fetching.start("nist", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"cannot be written .*: set AECORE_DATA"):
        fetching.start("mnist", tmp_path / "file" / "below")
