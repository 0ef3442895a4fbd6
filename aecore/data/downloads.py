"""Data sets that torchvision reads: from the disk, and fetched whole or not at all."""

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

from aecore.data.catalog import SAMPLE, DatasetError, Part, Source, available, data_root, find_source
from aecore.data.splits import Split, digest, hold_out


def read(source: Source, name: str, root: Path, part: Part) -> tuple[Split, ...]:
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
    splits = hold_out(whole) if part == "learning" else (whole,)
    # torchvision looks at MNIST's archives only while it downloads them, never at the unpacked files.
    if source.digests and digest(*splits) != source.digests[part]:
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
    source, root = find_source(name), data_root(root)
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
            read(source, name, root, part)
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
