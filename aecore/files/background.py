"""Processes that outlive the one that starts them, and the locks that show that they are alive."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]  # where `python -m aecore` finds the package


def command(*arguments: object) -> list[str]:
    """`python -m aecore …` with this interpreter, to be run in `ROOT`."""
    return [sys.executable, "-m", "aecore", *map(str, arguments)]


def start(arguments: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one and its terminal, and writes to `log`; raises `OSError`."""
    return subprocess.Popen(
        arguments,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )


def is_locked(file: int) -> bool:
    """Whether somebody else holds an exclusive lock on an open file.

    The lock that is tried is shared, so that two processes that ask at once do not mistake each other for its holder.
    It is held until the caller closes the file.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
