"""Download a data set in a process of its own, which outlives whoever began it; its state is read from its files."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aecore.data.catalog import DatasetError, data_root, find_source, lock_path, staging_folder
from aecore.files import background

_started: list[tuple[str, subprocess.Popen[bytes]]] = []  # by data set, so that those that have ended are reaped


@dataclass(frozen=True)
class Progress:
    """A download as others see it: whether it `is_running`, its `share` from 0 to 1, and why the last one failed."""

    is_running: bool
    share: float
    failure: str


def start(name: str, root: Path | None = None) -> None:
    """Begin to download `name` into `root`; raises `DatasetError` for an unknown name or a folder that is not writable.

    A second download of the same data set waits for the first one.
    """
    find_source(name)
    root = data_root(root).resolve()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _log(name, root).open("wb") as log:
            variables = os.environ | {"AECORE_DATA": str(root)}
            process = background.start(background.command("data", "fetch", name), variables, log)
    except OSError as error:
        raise DatasetError(
            f"{root} cannot be written ({error.strerror}): set AECORE_DATA to a folder that you may write to."
        ) from None
    _started.append((name, process))


def progress(name: str, root: Path | None = None) -> Progress:
    """How far the download of `name` into `root` is, whichever process began it; raises `DatasetError` for no name."""
    source, root = find_source(name), data_root(root)
    _started[:] = [begun for begun in _started if begun[1].poll() is None]
    # A process that has begun but not locked yet counts too.
    is_running = _is_locked(lock_path(name, root)) or any(begun == name for begun, _ in _started)
    fetched = 0
    for file in staging_folder(name, root).rglob("*"):
        with suppress(OSError):  # it may be moved into place at this moment
            fetched += file.stat().st_size * file.is_file()
    return Progress(
        is_running, min(1.0, fetched / (source.megabytes * 1e6)), "" if is_running else _failure(_log(name, root))
    )


def _log(name: str, root: Path) -> Path:
    return root / f".fetch-{name}.log"


def _failure(log: Path) -> str:
    """The last line of a log."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _is_locked(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return background.is_locked(file)
    finally:
        os.close(file)
