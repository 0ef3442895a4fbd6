"""One supervisor a store: an exclusive lock proves that it is alive, and ends with its process however that ends."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aecore import AecoreError

PATIENCE = 1.0  # seconds: whoever only asks whether the lock is held has it, shared, for a moment
PACKAGE = Path(__file__).parents[1]

_started: list[subprocess.Popen[bytes]] = []  # kept until they have ended: no zombies, and no warning about them


class SupervisionError(AecoreError):
    """The store cannot be supervised; the text says why."""


@contextmanager
def hold(root: Path) -> Iterator[bool]:
    """Be the supervisor of the store at `root` meanwhile; False where another is."""
    file = _open(root, os.O_RDWR | os.O_CREAT)
    try:
        yield _lock(file)
    finally:
        os.close(file)


def held(root: Path) -> bool:
    """Whether the store at `root` has a supervisor that is alive."""
    if not _path(root).exists():
        return False
    file = _open(root, os.O_RDONLY)
    try:
        # Shared, so that those who ask at once do not take each other for a supervisor.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def start(root: Path) -> None:
    """Start a supervisor that outlives this process and its terminal; where there is one already, it ends at once."""
    _started[:] = [each for each in _started if each.poll() is None]
    folder = log_folder(root)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "supervisor.log").open("ab") as log:
            _started.append(
                subprocess.Popen(
                    command("work"), cwd=PACKAGE, env=variables(root), start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                )
            )  # fmt: skip
    except OSError as error:
        raise SupervisionError(
            f"No run can be started under {root} ({error.strerror}): set AECORE_CHECKPOINTS."
        ) from None


def command(*arguments: object) -> list[str]:
    """`python -m aecore …` by this interpreter, to be run in `PACKAGE`."""
    return [sys.executable, "-m", "aecore", *map(str, arguments)]


def variables(root: Path) -> dict[str, str]:
    """This process's environment, for one that works on the store at `root` in another folder."""
    found = os.environ | {"AECORE_CHECKPOINTS": str(root.resolve())}
    if data := os.environ.get("AECORE_DATA"):
        found["AECORE_DATA"] = str(Path(data).expanduser().resolve())
    return found


def log_folder(root: Path) -> Path:
    """Where the processes of this store write what they have to say."""
    return root / ".logs"


def _path(root: Path) -> Path:
    return root / ".locks" / "supervisor.lock"


def _open(root: Path, flags: int) -> int:
    path = _path(root)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags)
    except OSError as error:
        raise SupervisionError(f"{path} cannot be opened ({error.strerror}): set AECORE_CHECKPOINTS.") from None


def _lock(file: int) -> bool:
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
