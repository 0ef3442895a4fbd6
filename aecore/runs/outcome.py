"""What training and scoring leave behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aecore.measuring.totals import Totals

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor


@dataclass(frozen=True)
class Trained:
    """All of a finished run but its curve."""

    weights: Mapping[str, Tensor] = field(repr=False)
    scores: pd.DataFrame = field(repr=False)
    totals: Totals
    preview: bytes = field(repr=False)
    environment: dict[str, Any] = field(repr=False)
