"""What a model got wrong, as a picture: the absolute error, or the signed one centred on zero."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import plotly.colors
import streamlit as st
from numpy.typing import NDArray

from pages.components.cached import Pixels

Kind = Literal["absolute", "signed"]
# Cividis and the red–blue scale keep their order for colour-blind people too. Red is what came out too bright.
_SCALES: dict[Kind, list[str]] = {
    "absolute": plotly.colors.sequential.Cividis,
    "signed": plotly.colors.diverging.RdBu[::-1],
}
VIEWS: dict[str, Kind | None] = {"Pictures": None, "Error": "absolute", "Signed error": "signed", "Wipe": None}
_ROUND = [mantissa * 10**exponent for exponent in range(-3, 1) for mantissa in (1, 1.5, 2, 3, 5, 7)]


@dataclass(frozen=True)
class ErrorScale:
    """How errors become colours: from 0 (or -`highest`) to `highest`, where white is 1."""

    kind: Kind
    highest: float

    @classmethod
    def of(cls, kind: Kind, outputs: Sequence[Pixels], clean: Pixels) -> ErrorScale:
        """A scale for all of `outputs` that leaves out the largest hundredth, so that one pixel does not dim the rest.

        It ends at a round number: moving a slider a little must not change every colour.
        """
        errors = np.stack([np.abs(_error(kind, each, clean)) for each in outputs])
        highest = float(np.quantile(errors, 0.99))
        return cls(kind, next((each for each in _ROUND if each >= highest), 1.0))

    def colored(self, output: Pixels, clean: Pixels) -> Pixels:
        """The errors of `output` `[N, C, H, W]` as colours `[N, 3, H, W]`."""
        error = _error(self.kind, output, clean) / self.highest
        share = error if self.kind == "absolute" else (error + 1) / 2
        return np.asarray(_table(self.kind)[(share.clip(0, 1) * 255).round().astype(np.uint8)].transpose(0, 3, 1, 2))

    def legend(self) -> None:
        """The scale, under the sheet."""
        low = "0" if self.kind == "absolute" else f"−{self.highest:g}"
        meaning = "absolute error" if self.kind == "absolute" else "error; red is too bright, blue too dark"
        bar = f"linear-gradient(90deg, {', '.join(_SCALES[self.kind])})"
        st.html(
            f'<div class="numbers" style="display:flex;gap:.5rem;align-items:center;font-size:.8rem;flex-wrap:wrap">'
            f'{low}<div style="width:160px;height:10px;background:{html.escape(bar)}"></div>{self.highest:g}'
            f'<span style="opacity:.7">{meaning}, mean of the channels, white is 1</span></div>'
        )


def _error(kind: Kind, output: Pixels, clean: Pixels) -> NDArray[np.float64]:
    """The error of each pixel `[N, H, W]`, its channels averaged."""
    difference = (output.astype(np.int16) - clean) / 255
    return np.asarray((np.abs(difference) if kind == "absolute" else difference).mean(axis=1))


@cache
def _table(kind: Kind) -> Pixels:
    """256 colours `[256, 3]`, from Plotly's."""
    colors = plotly.colors.sample_colorscale(_SCALES[kind], np.linspace(0, 1, 256), colortype="tuple")
    return np.asarray((np.asarray(colors) * 255).round().astype(np.uint8))
