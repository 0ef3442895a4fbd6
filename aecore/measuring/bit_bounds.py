"""Upper bounds on the entropy of 8-bit pictures, in bits per value, from the errors of denoisers.

Take pictures of values k/255 under Gaussian noise of standard deviation σ. Let e(σ) be the mean squared error per value
of the best estimator, and γ = 1/σ². Then the entropy per value is ½ ∫ e dγ / ln 2 bits, over all γ from 0 (Guo, Shamai
& Verdú 2005, "Mutual information and minimum mean-square error in Gaussian channels"; Kong, Brekelmans & Ver Steeg
2023, "Information-theoretic diffusion"). The error of any estimator is at least e, so its integral is an upper bound. A
different estimator may be taken at every level.

The integral is split at rising levels of noise. The parts are known without a draw for the Wiener filter and for the
posterior mean of a single value; those of any other estimator are sums over its measured errors.
"""

from __future__ import annotations

from math import ceil, floor, log, pi, sqrt

import torch
from torch import Tensor

STEP = 1 / 255  # between two neighbouring values of a picture
# In standard deviations of the noise. At σ of a tenth of `STEP` the posterior mean is a steep logistic curve. Its poles
# are π/10 from the real axis, so the trapezoidal rule in steps of 0.1 is exact to 1e-8 there; it is better elsewhere.
_SPACING = 0.1
_REACH = 9.0  # the noise beyond it has a probability of 2e-19
_BLOCK = 256  # noisy values at a time
_PARTS = 4  # of an interval between two levels, for the rule of Simpson


def wiener_bits(coefficients: Tensor, variances: Tensor, levels: Tensor) -> Tensor:
    """The part of the integral above each of `levels` `[L]`, for each picture: bits per value `[N, L]`.

    The pictures are given by their `coefficients` `[N, D]` along the principal components that the filter shrinks, and
    the filter by the `variances` `[D]` that it was fitted with. It is not clamped. The mean over the noise is exact:
    component c of variance λ has the error c² / (1 + λγ)² + λ²γ / (1 + λγ)², whose integral is elementary.
    """
    gamma = levels.double() ** -2
    product = variances.double()[:, None] * gamma  # [D, L]
    misfit = coefficients.double().square() @ (gamma / (1 + product))  # [N, L]
    noise = (product.log1p() - product / (1 + product)).sum(0)  # [L]
    return (misfit + noise) / (2 * log(2) * len(variances))


def grid_errors(prior: Tensor, level: float) -> Tensor:
    """The mean squared error of the posterior mean of a single value, given that value with noise of `level`.

    `prior` `[V]` are the probabilities of the values 0, `STEP`, 2 `STEP` and so on; the result `[V]` has the error at
    each of them, averaged over the noise by the trapezoidal rule.
    """
    values = STEP * torch.arange(len(prior), dtype=torch.float64)
    spacing, reach, last = level * _SPACING, _REACH * level, len(prior) - 1
    steps = int((float(values[-1]) + 2 * reach) / spacing) + 2
    errors = torch.zeros_like(values)
    for part in torch.split(torch.arange(steps, dtype=torch.float64), _BLOCK):
        noisy = part * spacing - reach
        # Values that no noise leads to here are left out.
        start, end = min(floor((float(noisy[0]) - reach) / STEP), last), ceil((float(noisy[-1]) + reach) / STEP)
        near = slice(max(start, 0), end + 1)
        exponents = -(((noisy[:, None] - values[near]) / level) ** 2) / 2  # [Y, near values]
        posterior = torch.softmax(exponents + prior[near].double().log(), 1)
        wrong = (posterior @ values[near])[:, None] - values[near]
        errors[near] += (exponents.exp() * wrong.square()).sum(0)
    return errors * _SPACING / sqrt(2 * pi)


def grid_bits(prior: Tensor, levels: Tensor) -> Tensor:
    """The part of the integral between neighbouring `levels` `[L]`, for the posterior mean of a single value.

    The result `[V, L − 1]` has the bits for each value of the picture. Between two levels the errors of `grid_errors`
    are summed by the rule of Simpson over the logarithm of the level. Below a level of a tenth of `STEP` less than
    1e-5 bit is left.
    """
    weights = torch.tensor([1.0, *[4.0, 2.0] * (_PARTS // 2 - 1), 4.0, 1.0], dtype=torch.float64) / (3 * _PARTS)
    parts = []
    for low, high in zip(levels[:-1].tolist(), levels[1:].tolist(), strict=True):
        inner = [low * (high / low) ** (step / _PARTS) for step in range(_PARTS + 1)]
        rates = torch.stack([grid_errors(prior, level) / level**2 for level in inner], 1)  # [V, P + 1]
        parts.append(rates @ weights * log(high / low) / log(2))
    return torch.stack(parts, 1)


def measured_bits(errors: Tensor, levels: Tensor) -> Tensor:
    """The part of the integral between neighbouring `levels` `[L]`, from `errors` `[N, L]` at them: `[N, L − 1]` bits.

    By the trapezoidal rule over the logarithm of the level: ½ e dγ is −e / σ² d(ln σ).
    """
    rates = errors.double() / levels.double().square()
    return (rates[:, 1:] + rates[:, :-1]) / 2 * (levels[1:] / levels[:-1]).double().log2()
