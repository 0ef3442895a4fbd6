"""How a viewer's answers depend on the strength of a difference: the psychometric curve and its threshold.

In a round with two alternatives a viewer who sees nothing is right half of the time. So

    P(right) = 1/2 + 1/2 (1 - LAPSE) logistic(steepness · log(strength / middle)),

which is 1/2 where there is no difference (Wichmann & Hill 2001, "The psychometric function: I"). Now and then a viewer
errs whatever is shown: without the lapses one slip at a strong difference would flatten the whole curve. The threshold
is the strength at which P is 75%. It is fitted by maximum likelihood.

Its 95% interval is the profile likelihood's: all thresholds whose best curve has a log-likelihood less than `_CUT`
below that of the best curve of all. For very many answers, half of the 95% quantile of χ² with one degree of freedom
would do. For 20 to 100 answers of simulated viewers that interval contains the true threshold in 89 to 95 of 100 cases
only; with the 97.5% quantile, which is used, in 94 to 99.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, expit, log_expit, logit

LAPSE = 0.04  # of the rounds, answered at random whatever is shown
AT_THRESHOLD = 0.75
FEWEST = 20  # answers to fit a curve to
STEEPNESS = (0.8, 5.0)  # a few answers allow any; viewers are neither flatter nor steeper
_BEYOND = 1.5  # how far thresholds are tried outside of the strengths shown, in units of the natural logarithm
_TRIED = 161, 17  # thresholds and steepnesses
_TOP = (1 - LAPSE) / 2
_SHIFT = float(logit((AT_THRESHOLD - 0.5) / _TOP))
_CUT = float(chdtri(1, 0.025)) / 2

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """The curve of some `answers`: its threshold, in the unit of the strengths, and its steepness.

    The 95% interval of the threshold is from `low` to `high`. It is from 0 where the answers do not exclude one below
    the weakest difference shown, and to infinity where they do not exclude one above the strongest.
    """

    threshold: float
    steepness: float
    low: float
    high: float
    answers: int

    def right(self, strength: Numbers) -> Numbers:
        """The probability of a right answer at each strength."""
        return probability(np.log(strength / self.threshold), self.steepness)


def probability(distance: Numbers, steepness: float | Numbers) -> Numbers:
    """The probability of a right answer, by the log of strength over threshold."""
    return np.asarray(0.5 + _TOP * expit(steepness * distance + _SHIFT))


def log_likelihood(strengths: Numbers, right: Numbers, threshold: Numbers, steepness: Numbers) -> Numbers:
    """Of right (1) and wrong (0) answers `[N]`, for thresholds and steepnesses of one shape, which is returned."""
    slope = np.asarray(steepness)[..., None]
    inside = slope * (np.log(strengths) - np.log(threshold)[..., None]) + _SHIFT
    hit = 0.5 + _TOP * expit(inside)
    # Of a miss, by what is left of the curve's top: not by 1 - hit, which loses digits.
    miss = LAPSE / 2 + _TOP * np.exp(log_expit(-inside))
    return np.asarray(np.where(right > 0, np.log(hit), np.log(miss)).sum(-1))


def fit(strengths: Sequence[float], right: Sequence[bool]) -> Curve | None:
    """The curve of answers to differences of these strengths, all above 0; None for fewer than `FEWEST`."""
    from scipy.optimize import minimize  # takes a third of a second

    shown, answers = np.asarray(strengths, float), np.asarray(right, float)
    if len(shown) < FEWEST:
        return None
    low, high = float(np.log(shown.min())), float(np.log(shown.max()))
    thresholds = np.linspace(low - _BEYOND, high + _BEYOND, _TRIED[0])
    steepnesses = np.geomspace(*STEEPNESS, _TRIED[1])
    grid = log_likelihood(shown, answers, *np.meshgrid(np.exp(thresholds), steepnesses, indexing="ij"))
    at, steep = np.unravel_index(grid.argmax(), grid.shape)

    def cost(place: Numbers) -> float:
        return -float(log_likelihood(shown, answers, np.exp(place[0]), np.exp(place[1])))

    bounds = [(thresholds[0], thresholds[-1]), tuple(np.log(STEEPNESS))]
    best = minimize(cost, [thresholds[at], np.log(steepnesses[steep])], method="L-BFGS-B", bounds=bounds)
    profile = grid.max(1) - max(float(-best.fun), float(grid.max()))
    inside = np.flatnonzero(profile >= -_CUT)
    first, last = _edge(thresholds, profile, inside[0], -1), _edge(thresholds, profile, inside[-1], 1)
    return Curve(
        exp(best.x[0]),
        exp(best.x[1]),
        0.0 if first < low else exp(first),
        inf if last > high else exp(last),
        len(shown),
    )


def _edge(thresholds: Numbers, profile: Numbers, place: int, step: int) -> float:
    """Where the profile falls to the cut beside a `place` that is above it; beyond the end where it does not."""
    beside = place + step
    if not 0 <= beside < len(profile):
        return step * inf
    share = (profile[place] + _CUT) / (profile[place] - profile[beside])
    return float(thresholds[place] + share * (thresholds[beside] - thresholds[place]))
