"""How far rounding may take a number, so that a tolerance holds on every processor.

Processors differ in the order of their additions, and in whether a product is rounded before it is added to something.
All of them round the result of one operation by half of `EPS` at most; what is here follows from that alone.
"""

from dataclasses import replace
from math import log, sqrt

import torch

from aecore.reconstructors.denoisers import Denoiser

EPS = torch.finfo(torch.float32).eps  # 2⁻²³, relative
EXACT = 1e-9  # for what is computed in float64: its own rounding may be magnified a million times and is still below
SHOWN = 5e-4  # half of the third decimal, the last one that is shown of a score between 0 and 1


def in_float64(denoiser: Denoiser) -> Denoiser:
    """The same with its settings in float64, for pictures in float64."""
    settings = {
        name: value.double() if isinstance(value, torch.Tensor) else value for name, value in denoiser.settings.items()
    }
    return replace(denoiser, settings=settings)


def of_sum(terms: int) -> float:
    """The most that a float32 sum or mean of so many products of one sign is off, relative to it, in whatever order
    they are added (Higham 2002, "Accuracy and stability of numerical algorithms", section 4.2)."""
    return (terms + 1) * EPS / 2


def of_mse(picture: torch.Tensor) -> float:
    """The most that the mean squared error of a float32 picture is off, relative to it."""
    return of_sum(picture.numel() + 2)  # a difference is rounded too, and counts twice in its square


def in_decibels(relative: float) -> float:
    """What a mean squared error that is so much off is off in dB."""
    return 10 / log(10) * relative


def of_projection(pictures: torch.Tensor, mean: torch.Tensor, components: int) -> float:
    """The most that a number of a picture is off, that went in float64 through a projection whose axes and mean were
    rounded to float32.

    As the axes are of length 1, a component is off by `EPS / 2` of the picture's length, and all of them together by
    the root of their number times that (Cauchy & Schwarz). What is rounded once adds that length once: the axes on the
    way back, a gain of each component, and the mean.
    """
    length = float(pictures.flatten(1).norm(dim=1).max() + mean.norm())
    return EPS / 2 * (sqrt(components) + 3) * length
