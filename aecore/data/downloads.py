"""Read the data sets that torchvision knows from disk, and download them whole or not at all."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from urllib.error import URLError

import torch
from filelock import FileLock, Timeout

from aecore.data.catalog import EXCERPTS, SAMPLE, DatasetError, Part, Source, available, data_root, find_source
from aecore.data.splits import Split, digest, hold_out


def read(source: Source, name: str, root: Path, part: Part) -> tuple[Split, ...]:
    """(train, validation) or (test,) from `root`; raises `DatasetError` if the files are absent or damaged."""
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
    # This import takes about a second; naming a data set or printing help must not wait for it.
    import torchvision.datasets

    loaded = getattr(torchvision.datasets, source.factory)(root, **source.parts[part], download=download)
    pixels = torch.as_tensor(loaded.data)
    if pixels.ndim == 3:
        pixels = pixels.unsqueeze(1)  # [N, H, W] → [N, 1, H, W]
    elif pixels.shape[1:] != source.shape:
        pixels = pixels.permute(0, 3, 1, 2)  # [N, H, W, C] → [N, C, H, W]
    whole = Split(pixels.contiguous(), torch.as_tensor(getattr(loaded, source.labels), dtype=torch.int64))
    splits = hold_out(whole) if part == "learning" else (whole,)
    # torchvision verifies MNIST's archives while it downloads them, but never the unpacked files.
    if source.digests and digest(*splits) != source.digests[part]:
        raise RuntimeError("The content is corrupted: it differs from the published data set.")
    return splits


READ_TIMEOUT = 60.0  # seconds without a byte before a server counts as unreachable; torchvision has no limit


def fetch(name: str, root: Path | None = None, progress: Callable[[str], None] = print) -> None:
    """Download `name` into `root` (see `load`) unless it is already there intact; report steps through `progress`.

    The files are downloaded and checked in the `staging_folder` and moved into place once they are complete, so a lost
    connection or a killed process leaves no half-written files. Damaged files are replaced. torchvision writes the
    percentage to stderr. Raises `DatasetError` if the server cannot be reached, if it sent something other than the
    published archive, if the folder cannot be written, or if `name` has nothing to download.
    """
    if name in (*EXCERPTS, SAMPLE) or name.startswith("folder:"):
        raise DatasetError(f"{name!r} needs no fetching: its pictures are already on this machine.")
    source, root = find_source(name), data_root(root)
    with _as_dataset_errors(source, name, root):
        # Checked before locking too: an intact data set may be in a folder where no lock can be written.
        if not _intact(source, name, root):
            root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(lock_path(name, root))
            try:
                acquired = lock.acquire(timeout=0)
            except Timeout:
                progress(f"Another process is fetching {source.title}: waiting for it.")
                acquired = lock.acquire()
            with acquired:
                if not _intact(source, name, root):
                    progress(f"Fetching {source.title} ({source.megabytes:,} MB) into {root}.")
                    _download(source, root, staging_folder(name, root))
                    progress(f"{source.title} is in {root}: {source.pictures:,} pictures.")
                    return
    progress(f"{source.title} is already in {root}, intact.")


def staging_folder(name: str, root: Path) -> Path:
    """Where `name` is downloaded and checked before it is moved into `root`."""
    return root / f".fetch-{name}"


def lock_path(name: str, root: Path) -> Path:
    """The file that a process locks while it fetches `name` into `root`."""
    return root / f".fetch-{name}.lock"


def _intact(source: Source, name: str, root: Path) -> bool:
    if not available(name, root):
        return False
    try:
        for part in source.parts:
            read(source, name, root, part)
    except DatasetError:
        return False
    return True


def _download(source: Source, root: Path, staging: Path) -> None:
    # A killed fetch may have left truncated files, and torchvision does not verify MNIST's unpacked files.
    shutil.rmtree(staging, ignore_errors=True)
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(READ_TIMEOUT)
    try:
        for part in source.parts:
            _torchvision_splits(source, staging, part, download=True)
        (root / source.folder).mkdir(parents=True, exist_ok=True)
        for file in source.files:
            (staging / source.folder / file).replace(root / source.folder / file)
    finally:
        socket.setdefaulttimeout(timeout)
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _as_dataset_errors(source: Source, name: str, root: Path) -> Iterator[None]:
    """Turn any error of a download into a `DatasetError` that says what to do."""
    again = f"check the network and run `python -m aecore data fetch {name}` again"
    try:
        yield
    except (RuntimeError, URLError, ConnectionError, TimeoutError, HTTPException) as error:
        # torchvision raises the same type for a wrong checksum and, with MNIST, for a failed connection.
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
    """The reason without the address, parsed from the text: torchvision's MNIST keeps only the text."""
    match = re.search(r"<urlopen error (?:\[[^]]*] )?(.+?)>|(HTTP Error \d+)", str(error))
    if match:
        return match[1] or match[2]
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
