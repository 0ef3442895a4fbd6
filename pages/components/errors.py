"""What a model got wrong, as a picture: the absolute error, or the signed one centred on zero."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pages.components.cached import Pixels
from pages.components.colour_scales import ENDS, ColourScale, Kind, gradient

VIEWS: dict[str, Kind | None] = {
    "Pictures": None,
    "Error": "absolute",
    "Signed error": "signed",
    "Difference": None,
    "Wipe": None,
    "Blink": None,
}
_SHORTEST = 1e-3  # the lowest end of a scale; the mean error of three channels moves in steps of 1/765


def scale_of(kind: Kind, outputs: Sequence[Pixels], clean: Pixels) -> ColourScale:
    """One scale for all of `outputs`. It leaves out the largest hundredth, so that one pixel does not dim the rest."""
    errors = np.stack([np.abs(_error(kind, output, clean)) for output in outputs])
    return ColourScale.up_to(kind, max(float(np.quantile(errors, 0.99)), _SHORTEST))


def colored(scale: ColourScale, output: Pixels, clean: Pixels) -> Pixels:
    """The errors of `output` `[N, C, H, W]` as colours `[N, 3, H, W]`."""
    shares = scale.shares(_error(scale.kind, output, clean))
    return np.asarray(table(scale.kind)[(shares.clip(0, 1) * 255).round().astype(np.uint8)].transpose(0, 3, 1, 2))


def described(kind: Kind) -> dict[str, Any]:
    """What the browser needs to colour errors in the same way, and to explain the colours."""
    meaning = "absolute error" if kind == "absolute" else "error; red is too bright, blue too dark"
    return {
        "kind": kind,
        "table": table(kind).ravel().tolist(),
        "ends": ENDS,
        "gradient": gradient(kind),
        "meaning": f"{meaning}, mean of the channels; pixel values lie between 0 and 1",
    }


def _error(kind: Kind, output: Pixels, clean: Pixels) -> NDArray[np.float64]:
    """The error of each pixel `[N, H, W]`, its channels averaged."""
    difference = (output.astype(np.int16) - clean) / 255
    return np.asarray((np.abs(difference) if kind == "absolute" else difference).mean(axis=1))


@cache
def table(kind: Kind) -> Pixels:
    """256 colours `[256, 3]`: looking them up is faster than interpolating for each pixel of a sheet."""
    return ColourScale(kind, 1.0).colored(np.linspace(0 if kind == "absolute" else -1, 1, 256))
