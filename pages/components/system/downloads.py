"""What a person takes home from a page."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from threading import Lock

from aecore.files import background
from aecore.runs.bundles import BundleError
from aecore.runs.store import Run

LONGEST = 120.0  # seconds of an export; the largest published run takes 6 on one core
PATIENCE = 60.0  # seconds to wait for another export
LONGEST_TEXT = 300  # characters
_exporting = Lock()  # one process with torch at a time, whoever clicks


def archive(run: Run) -> bytes:
    """The bundle of a run. `BundleError` where one of its files is damaged, or where it takes too long.

    It is made in a process of its own: torch's exporter changes settings of its whole process for seconds.
    """
    if not _exporting.acquire(timeout=PATIENCE):
        raise BundleError("Other runs are being exported: try again in a minute.")
    try:
        return _made(run)
    finally:
        _exporting.release()


def _made(run: Run) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.zip"
        try:
            done = subprocess.run(
                background.command("export", run.key, "--output", path),
                cwd=background.ROOT,
                env=os.environ | {"AECORE_CHECKPOINTS": str(run.path.parent.absolute()), "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LONGEST,
            )
        except subprocess.TimeoutExpired:
            raise BundleError(f"{run.path.name} was not exported within {LONGEST:g} seconds.") from None
        if done.returncode:
            # What nobody expected comes with a traceback, whose last line says what it was.
            lines = done.stderr.strip().splitlines() or [f"{run.path.name} could not be exported."]
            raise BundleError(lines[-1][:LONGEST_TEXT])
        return path.read_bytes()
