"""How numbers become colours, wherever pictures of numbers are drawn: errors, biases, deviations, weights."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import plotly.colors
from numpy.typing import NDArray

from pages.components.cached import Pixels

Kind = Literal["absolute", "signed"]
# Cividis and the red–blue scale keep their order for colour-blind people too. Red is above zero, blue below.
_COLOURS: dict[Kind, list[str]] = {
    "absolute": plotly.colors.sequential.Cividis,
    "signed": plotly.colors.diverging.RdBu[::-1],
}
ENDS = [mantissa * 10**exponent for exponent in range(-4, 1) for mantissa in (1, 1.5, 2, 3, 5, 7)]


@dataclass(frozen=True)
class ColourScale:
    """The colours from 0 (`absolute`) or −`highest` (`signed`) to `highest`."""

    kind: Kind
    highest: float

    @classmethod
    def up_to(cls, kind: Kind, largest: float) -> ColourScale:
        """The scale that ends at `largest`, rounded up to a round number.

        Rounding keeps the colours in place while a slider moves a little.
        """
        return cls(kind, next((end for end in ENDS if end >= largest), largest))

    def shares(self, values: NDArray[Any]) -> NDArray[Any]:
        """Where `values` lie on the scale: 0 at its beginning, 1 at its end."""
        return values / self.highest if self.kind == "absolute" else (values / self.highest + 1) / 2

    def colored(self, values: NDArray[Any]) -> Pixels:
        """Numbers `[…]` as colours `[…, 3]`; values beyond an end get its colour."""
        anchors = _anchors(self.kind)
        places = np.linspace(0, 1, len(anchors))
        channels = [np.interp(self.shares(values), places, anchors[:, channel]) for channel in range(3)]
        return np.asarray(np.stack(channels, axis=-1).round().astype(np.uint8))

    def legend(self, meaning: str) -> str:
        """The scale as a bar with its ends and its `meaning`, in HTML."""
        low = "0" if self.kind == "absolute" else f"−{self.highest:.3g}"
        bar = gradient(self.kind)
        return (
            '<div class="numbers" style="display:flex;gap:.5rem;align-items:center;font-size:.8rem;flex-wrap:wrap">'
            f'{low}<div style="width:160px;height:10px;background:{html.escape(bar)}"></div>{self.highest:.3g}'
            f'<span style="opacity:.7">{html.escape(meaning)}</span></div>'
        )


def gradient(kind: Kind) -> str:
    """The colours of a scale from its lower end to its upper one, in CSS."""
    return f"linear-gradient(90deg, {', '.join(_COLOURS[kind])})"


@cache
def _anchors(kind: Kind) -> NDArray[np.float64]:
    """The colours that Plotly lists for the scale, from 0 to 255: `[colours, 3]`."""
    colours = _COLOURS[kind]
    sampled = plotly.colors.sample_colorscale(colours, np.linspace(0, 1, len(colours)), colortype="tuple")
    return np.asarray((np.asarray(sampled) * 255).round())
