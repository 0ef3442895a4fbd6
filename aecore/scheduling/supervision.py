"""One supervisor per store: an exclusive lock shows that it is alive, and is released however its process ends."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from math import inf
from pathlib import Path

import psutil

from aecore import AecoreError
from aecore.files import background, folders

STOPPED = 130  # the exit status of a process that stopped on request
BACK_OFF = 5.0  # seconds before a supervisor that ended badly is started again
# Locks on these may be local to each machine, and SQLite's write-ahead log needs memory that all its readers share.
NETWORK = frozenset(
    {
        "9p",
        "afpfs",
        "afs",
        "beegfs",
        "ceph",
        "cephfs",
        "cifs",
        "davfs",
        "davfs2",
        "gcsfuse",
        "glusterfs",
        "gpfs",
        "juicefs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs3",
        "nfs4",
        "rclone",
        "s3fs",
        "smb2",
        "smb3",
        "smbfs",
        "sshfs",
        "vboxsf",
        "webdav",
    }
)
PATIENCE = 1.0  # seconds to try for the lock, because `held` in another process takes a shared one for a moment
# A process's own memory of the supervisors that it started. What counts for others is the lock alone.
_started: list[tuple[Path, subprocess.Popen[bytes]]] = []  # until it is seen that they have ended
_failed: dict[Path, float] = {}  # when it was seen that one of this store ended badly, by the monotonic clock
_memory = threading.Lock()  # of both: every page looks after its store in a thread of its own


class SupervisionError(AecoreError):
    """The store cannot be supervised; the text says why."""


@contextmanager
def hold(root: Path) -> Iterator[bool]:
    """Be the supervisor of the store at `root` within the block; yields False if there is another one."""
    refuse_network(root)
    file = _open(root, os.O_RDWR | os.O_CREAT)
    try:
        yield _lock(file)
    finally:
        os.close(file)


@lru_cache(maxsize=64)
def refuse_network(root: Path) -> None:
    """Raise `SupervisionError` where `root` lies on a network file system."""
    resolved = root.resolve()
    mounted = {Path(partition.mountpoint): partition.fstype for partition in psutil.disk_partitions(all=True)}
    kind = next((mounted[folder] for folder in (resolved, *resolved.parents) if folder in mounted), "")
    if kind.removeprefix("fuse.") in NETWORK:
        raise SupervisionError(
            f"Runs cannot be queued under {root}: on its file system ({kind}) locks and SQLite's log are "
            "unreliable. Set AECORE_CHECKPOINTS to a folder on a local disk."
        )


def held(root: Path) -> bool:
    """Whether the store at `root` has a live supervisor."""
    if not _path(root).exists():
        return False
    file = _open(root, os.O_RDONLY)
    try:
        return background.is_locked(file)
    finally:
        os.close(file)


def start(root: Path, *, patient: bool = False) -> None:
    """Start a supervisor that outlives this process and its terminal. It ends at once if there is one already.

    If `patient`, do nothing within `BACK_OFF` seconds after a supervisor that this process had started ended badly.
    """
    folder = log_folder(root)
    with _memory:
        for supervised, process in [started for started in _started if started[1].poll() is not None]:
            _started.remove((supervised, process))
            if process.returncode > 0 and process.returncode != STOPPED:  # killed ones have a negative status
                _failed[supervised] = time.monotonic()
    if patient and time.monotonic() - _failed.get(root, -inf) < BACK_OFF:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "supervisor.log").open("ab") as log:
            process = background.start(background.command("work"), variables(root), log)
        with _memory:
            _started.append((root, process))
    except OSError as error:
        raise SupervisionError(
            f"No run can be started under {root} ({error.strerror}): set AECORE_CHECKPOINTS to a writable folder."
        ) from None


def variables(root: Path) -> dict[str, str]:
    """The environment of a process in another folder that works on the store at `root`: absolute paths."""
    return os.environ | {"AECORE_CHECKPOINTS": str(root.resolve()), "AECORE_DATA": str(folders.data().resolve())}


def log_folder(root: Path) -> Path:
    """The folder of the logs of this store's processes."""
    return root / ".logs"


def _path(root: Path) -> Path:
    return root / ".locks" / "supervisor.lock"


def _open(root: Path, flags: int) -> int:
    path = _path(root)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags)
    except OSError as error:
        raise SupervisionError(
            f"{path} cannot be opened ({error.strerror}): set AECORE_CHECKPOINTS to a writable folder."
        ) from None


def _lock(file: int) -> bool:
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
