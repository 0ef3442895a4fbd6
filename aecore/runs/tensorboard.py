"""The curves of a run as a file of TensorBoard events."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from aecore.runs.store import Run


def events(run: Run) -> bytes:
    """One scalar per column and epoch of the run's loss curve, dated by the run's own clock; equal for equal runs."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import RecordWriter
    from tensorboardX.summary import scalar

    history = run.history()
    start = datetime.fromisoformat(run.finished).timestamp() - run.seconds
    records: list[Any] = [Event(wall_time=start, file_version="brain.Event:2")]
    for row in history.to_dict("records"):
        for name, value in row.items():
            if name not in ("epoch", "seconds"):
                records.append(
                    Event(wall_time=start + row["seconds"], step=int(row["epoch"]), summary=scalar(str(name), value))
                )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events"
        writer = RecordWriter(str(path))
        for record in records:
            writer.write(record.SerializeToString(deterministic=True))
        writer.close()
        return path.read_bytes()
