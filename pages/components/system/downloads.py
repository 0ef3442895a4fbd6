"""What a person takes home from a page."""

from __future__ import annotations

import io
import zipfile

from aecore.runs.store import PREVIEW, RUN, Run


def archive(run: Run) -> bytes:
    """A run's manifest, weights, loss curves and scores in one zip. `StoreError` where one of them is damaged."""
    file = io.BytesIO()
    # Stored and not deflated: weights hardly compress.
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(f"{run.path.name}/{RUN}", (run.path / RUN).read_bytes())
        for name in [name for name in run.files if name != PREVIEW]:
            packed.writestr(f"{run.path.name}/{name}", run.read(name))
    return file.getvalue()
