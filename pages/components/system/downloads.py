"""What a person takes home from a page."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from aecore.files import background
from aecore.runs.bundles import BundleError
from aecore.runs.store import Run


def archive(run: Run) -> bytes:
    """The bundle of a run. `BundleError` where one of its files is damaged.

    It is made in a process of its own: torch's exporter changes settings of its whole process for seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.zip"
        done = subprocess.run(
            background.command("export", run.key, "--output", path),
            cwd=background.ROOT,
            env=os.environ | {"AECORE_CHECKPOINTS": str(run.path.parent.absolute()), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise BundleError(done.stderr.strip() or f"{run.path.name} could not be exported.")
        return path.read_bytes()
