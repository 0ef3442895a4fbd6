"""Shares with their intervals, as figures draw them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aecore.studies.agreement import Share
from pages.components import look

HEIGHT = 300  # of a figure
CHANCE = {"color": look.GREY, "dash": "dot", "width": 1}  # the line that marks it
MARKER = {"color": look.PALETTE[0], "size": 9}


def error_bars(shares: Sequence[Share]) -> dict[str, Any]:
    """The 95% intervals of some shares, in %, as Plotly wants them."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [100 * (share.interval[1] - share.value) for share in shares],
        "arrayminus": [100 * (share.value - share.interval[0]) for share in shares],
        "thickness": 1,
        "width": 3,
    }
