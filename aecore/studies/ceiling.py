"""How near a denoiser comes to the least possible error on CIFAR-10 under Gaussian noise.

    share(curves, curves.at("denoise-unet", 0.1))       0.43: that part of the way from the Wiener filter to the ceiling

The least error of any denoiser, given in `LEAST` as a pooled PSNR, is known to about 0.1 dB: two diffusion models that
were trained independently agree on it (Kong, Brekelmans & Ver Steeg, "Information-theoretic diffusion", ICLR 2023). It
is the ceiling of every denoiser's pooled PSNR. Their curve of the best linear filter equals our measured Wiener filter
to 0.02 dB. No torch here.
"""

from __future__ import annotations

from bisect import bisect_right
from math import log

from aecore.studies.denoising import Curves, Point

DATASET = "cifar10"
LINEAR = "wiener"  # the best linear filter: where the way to the ceiling begins
# The ceiling in dB by the standard deviation of the noise, rising.
LEAST = {15 / 255: 32.39, 25 / 255: 29.47, 0.1: 29.36, 50 / 255: 25.77, 0.3: 23.63, 0.5: 21.24, 1.0: 18.33}
# Upper bounds on the same entropy as `denoising.Bits`, in bits per value: the ends of what was published of each. Ho,
# Jain & Abbeel 2020 and Kong et al. 2023; Nichol & Dhariwal 2021 and Kong et al. 2023.
DIFFUSION = {"DDPM": (3.37, 3.51), "IDDPM": (2.94, 3.17)}
_SAME = 1e-6  # levels that differ by less are one


def known(curves: Curves) -> bool:
    """Whether these are curves of the data set whose least error is known."""
    return curves.dataset == DATASET


def least(level: float) -> float | None:
    """The ceiling at one of the levels at which it is known, in dB; None at another."""
    return next((value for other, value in LEAST.items() if abs(other - level) < _SAME), None)


def share(curves: Curves, point: Point) -> float | None:
    """The part of the possible gain that a denoiser has: 0 is the Wiener filter's pooled PSNR, and 1 the ceiling.

    It is negative for a denoiser that is worse than the filter. None where the ceiling is not known, or where the
    filter was not measured on the same pictures.
    """
    top, linear = least(point.level) if known(curves) else None, curves.at(LINEAR, point.level)
    if top is None or linear is None or linear.pictures != point.pictures:
        return None
    if linear.psnr_pooled is None or point.psnr_pooled is None:
        return None
    return (point.psnr_pooled - linear.psnr_pooled) / (top - linear.psnr_pooled)


def shares(curves: Curves, name: str) -> dict[float, float]:
    """`share` of one denoiser by rising level, where it is known."""
    every = {point.level: share(curves, point) for point in curves.of(name)}
    return {level: value for level, value in every.items() if value is not None}


def share_text(share: float | None) -> str:
    """A share in words: `43%`; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.0f}%".replace("-", "−")


def line(curves: Curves) -> dict[float, float]:
    """The ceiling in dB at the measured levels between the lowest and the highest one at which it is known.

    At a level between two known ones the gain over the measured Wiener filter is interpolated, linearly in the
    logarithm of the level.
    """
    linear = {point.level: point.psnr_pooled for point in curves.of(LINEAR)} if known(curves) else {}
    gains = {level: _gain(linear, level) for level in linear}
    drawn = dict[float, float]()
    for level, measured in linear.items():
        exact, gain = least(level), _between(gains, level)
        if exact is not None:
            drawn[level] = exact
        elif gain is not None and measured is not None:
            drawn[level] = measured + gain
    return drawn


def _gain(linear: dict[float, float | None], level: float) -> float | None:
    top, measured = least(level), linear[level]
    return None if top is None or measured is None else top - measured


def _between(gains: dict[float, float | None], level: float) -> float | None:
    """The gain at `level`, between those that are not None; None outside of them."""
    there = [(at, gain) for at, gain in gains.items() if gain is not None]
    place = bisect_right([at for at, _ in there], level)
    if not 0 < place < len(there):
        return None
    (low, before), (high, after) = there[place - 1 : place + 1]
    return before + (after - before) * log(level / low) / log(high / low)
