"""The tables of a run as bytes."""

from __future__ import annotations

import gzip
import io

import pandas as pd

from aecore.training.events import State


def read(content: bytes) -> pd.DataFrame:
    """The table in a CSV file."""
    return pd.read_csv(io.BytesIO(content))


def pack_history(state: State) -> bytes:
    """The loss curve as CSV: one row per epoch."""
    return pd.DataFrame([row.columns() for row in state.history]).to_csv(index=False).encode()


def pack_scores(scores: pd.DataFrame) -> bytes:
    """A score table as CSV, compressed so that equal tables give equal bytes."""
    return gzip.compress(scores.to_csv(index=False, float_format="%.6g").encode(), mtime=0)
