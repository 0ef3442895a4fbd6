"""The folders that hold data sets and runs."""

from __future__ import annotations

import os
from pathlib import Path

_PARENT = Path(__file__).parents[2]  # the folder that holds the package


def data() -> Path:
    """The folder of the data sets: `AECORE_DATA`, or `data/` in `home()`."""
    return Path(os.environ.get("AECORE_DATA") or home() / "data").expanduser()


def checkpoints() -> Path:
    """The folder of the runs: `AECORE_CHECKPOINTS`, or `checkpoints/` in `home()`."""
    return Path(os.environ.get("AECORE_CHECKPOINTS") or home() / "checkpoints").expanduser()


def home() -> Path:
    """The checkout that contains the package, or the current folder if the package is installed elsewhere."""
    is_checkout = (_PARENT / "pyproject.toml").is_file() and (_PARENT / "checkpoints").is_dir()
    return _PARENT if is_checkout else Path.cwd()
