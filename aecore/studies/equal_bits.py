"""One way to store pictures compared with others at equal bits, in dB, with an interval over the pictures."""

from __future__ import annotations

from math import log

import numpy as np

from aecore.measuring.intervals import margin
from aecore.studies.rates import Lead

_DECIBELS = 10 / log(10)


def lead(one: np.ndarray, others: np.ndarray) -> Lead | None:
    """How many dB of pooled PSNR `one` lies above the curve through `others` at its own mean bits.

    `one` `[2, pictures]` holds the bits and the MSE of each picture, `others` `[settings, 2, pictures]` those of other
    settings for the same pictures. The curve is straight between two settings in dB over the logarithm of bits. None if
    `one` is outside the range of `others` or exact, and where there is only one other setting.

    The margin is half the 95% interval by Student's t over pictures, of the lead to first order (linearisation of
    ratios: Cochran 1977, section 6.4): what each picture adds to the logarithms of the mean errors and mean bits.
    """
    bits, error = one.mean(1)
    others = others[others[:, 0].mean(1).argsort(kind="stable")]
    rates, errors = others.mean(2).T
    if len(rates) < 2 or not rates[0] <= bits <= rates[-1] or not error:
        return None
    right = max(int(np.searchsorted(rates, bits)), 1)
    pair = slice(right - 1, right + 1)
    (left_rate, right_rate), (left_error, right_error) = np.log(rates[pair]), np.log(errors[pair])
    share = (log(bits) - left_rate) / (right_rate - left_rate)
    shares, slope = np.array([1 - share, share]), (right_error - left_error) / (right_rate - left_rate)
    relative = others[pair] / others[pair].mean(2, keepdims=True)  # [2 settings, bits and error, pictures]
    other_bits, other_errors = np.tensordot(shares, relative, 1)
    terms = other_errors - one[1] / error + slope * (one[0] / bits - other_bits)
    above = shares @ (left_error, right_error) - log(error)
    return Lead(_DECIBELS * float(above), margin(_DECIBELS * terms) or 0.0)
