"""Read the data sets that torchvision knows from disk, and download them whole or not at all."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from filelock import FileLock, Timeout

from aecore.data import published_files
from aecore.data.catalog import (
    CROPS,
    EXCERPTS,
    SOURCES,
    DatasetError,
    Part,
    Source,
    available,
    data_root,
    find_source,
    is_folder,
    lock_path,
    staging_folder,
)
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
        return _splits(source, _loaded(source, root, part), part)
    except _OtherContentError as error:
        raise DatasetError(f"What is in {folder} is not {source.title}: {error}; {mend}.") from error
    except Exception as error:  # the readers raise errors of many types, such as KeyError for a type that IDX lacks
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None):
            raise DatasetError(f"{source.title} in {folder} cannot be read ({_cause(error)}): {mend}.") from error
        raise DatasetError(f"{source.title} in {folder} is damaged: {mend}.") from error


class _OtherContentError(Exception):
    """Files that can be read, but hold something else than their names say; the text says what."""


def _loaded(source: Source, root: Path, part: Part) -> Any:
    """An object with the pictures as `data`, and the labels as what `source.labels` names."""
    if published_files.is_readable(source):
        return published_files.read(source, root, part)
    return _reader(source)(root, **source.parts[part])


def _reader(source: Source) -> Callable[..., Any]:
    """torchvision's class for `source`. It compares the files of the CIFARs, SVHN and STL-10 with their MD5."""
    # This import takes seconds and 200 MB; naming a data set or printing help must not wait for it.
    import torchvision.datasets

    factory = getattr(torchvision.datasets, source.factory)
    # Without its former copies in MNIST/processed: it would prefer them, and no download replaces them.
    return type(factory.__name__, (factory,), {"processed_folder": ""})


def _splits(source: Source, loaded: Any, part: Part) -> tuple[Split, ...]:
    """What a reader returned, as splits; raises `_OtherContentError` or another exception if it is not `source`."""
    pixels = torch.as_tensor(loaded.data)
    if pixels.ndim == 3:
        pixels = pixels.unsqueeze(1)  # [N, H, W] → [N, 1, H, W]
    elif pixels.shape[1:] != source.shape:
        pixels = pixels.permute(0, 3, 1, 2)  # [N, H, W, C] → [N, C, H, W]
    whole = Split(pixels.contiguous(), torch.as_tensor(getattr(loaded, source.labels), dtype=torch.int64))
    splits = hold_out(whole) if part == "learning" else (whole,)
    content = digest(*splits)
    for other in SOURCES.values():
        if other != source and other.digests and other.digests[part] == content:
            raise _OtherContentError(f"it is {other.title}")
    _check(source, whole, part)
    # MNIST's archives are verified while they are downloaded, but the unpacked files are not.
    if source.digests and content != source.digests[part]:
        raise ValueError("The content differs from the published one.")
    return splits


def _check(source: Source, whole: Split, part: Part) -> None:
    """Raise `_OtherContentError` unless the numbers of pictures and labels and the shape are as published."""
    count = source.test_pictures if part == "test" else source.pictures - source.test_pictures
    classes, purpose = source.classes.split(", "), "test on" if part == "test" else "learn from"
    for name, values in (("pictures", whole.pixels), ("labels", whole.labels)):
        if len(values) != count:
            raise _OtherContentError(f"it has {len(values):,} {name} to {purpose}, and {count:,} were published")
    if whole.pixels.shape[1:] != source.shape:
        shape, published = ("×".join(map(str, shape)) for shape in (whole.pixels.shape[1:], source.shape))
        raise _OtherContentError(f"its pictures have {shape} values, and {published} were published")
    if not ((whole.labels >= 0) & (whole.labels < len(classes))).all():
        raise _OtherContentError(f"it has labels besides those of its {len(classes)} classes")
    if source.balanced and (whole.labels.bincount(minlength=len(classes)) != count // len(classes)).any():
        raise _OtherContentError("its classes differ in size, and those that were published do not")


READ_TIMEOUT = 60.0  # seconds without a byte before a server counts as unreachable; torchvision has no limit


def fetch(name: str, root: Path | None = None, progress: Callable[[str], None] = print) -> None:
    """Download `name` into `root` (see `load`) unless it is already there intact; report steps through `progress`.

    The files are downloaded and checked in the `staging_folder` and moved into place once they are complete, so a lost
    connection or a killed process leaves no half-written files. Damaged files are replaced, and so is a link to their
    folder. torchvision writes the percentage to stderr. Raises `DatasetError` if the server cannot be reached, if it
    sent something other than the published archive, if the folder cannot be written, or if `name` has nothing to
    download.
    """
    if name in (*EXCERPTS, *CROPS) or is_folder(name):
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
        reader = _reader(source)
        for part, arguments in source.parts.items():
            _splits(source, reader(staging, **arguments, download=True), part)
        folder = root
        for name in Path(source.folder).parts:
            folder /= name
            if folder.is_symlink():
                folder.unlink()  # what it leads to may be another data set, or lie on another disk
        folder.mkdir(parents=True, exist_ok=True)
        for file in source.files:
            (staging / source.folder / file).replace(folder / file)
    finally:
        socket.setdefaulttimeout(timeout)
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _as_dataset_errors(source: Source, name: str, root: Path) -> Iterator[None]:
    """Turn any error of a download into a `DatasetError` that says what to do."""
    again = f"check the network and run `python -m aecore data fetch {name}` again"
    altered = f"What the server of {source.title} sent was cut short or altered, and is not kept: {again}."
    try:
        yield
    except (RuntimeError, URLError, ConnectionError, TimeoutError, HTTPException) as error:
        # torchvision raises the same type for a wrong checksum and, with MNIST, for a failed connection.
        if isinstance(error, IncompleteRead) or "corrupted" in str(error):
            raise DatasetError(altered) from error
        raise DatasetError(f"Could not reach the server of {source.title} ({_cause(error)}): {again}.") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise DatasetError(
                f"Could not write {source.title} to {root} ({_cause(error)}): "
                f"make room there, or set AECORE_DATA to a folder that you may write to."
            ) from error
        raise DatasetError(altered) from error


def _cause(error: Exception) -> str:
    """The reason without the address, parsed from the text: torchvision's MNIST keeps only the text."""
    match = re.search(r"<urlopen error (?:\[[^]]*] )?(.+?)>|(HTTP Error \d+)", str(error))
    if match:
        return match[1] or match[2]
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
