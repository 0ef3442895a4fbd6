"""The torch side of the layer `entropy`: whole numbers in place of a code, and how probable they are.

A code becomes bytes in two steps. It is scaled and rounded to whole numbers, and these are entropy-coded by their
probabilities, which a network predicts. Both are learned together, so that training knows what every number costs.

- *Rounding* has no gradient. During training the bits are those of the scaled numbers with uniform noise from -1/2 to
  1/2 added, which is as wide as a rounding error (Ballé, Laparra & Simoncelli 2017, "End-to-end optimized image
  compression"). The decoder gets rounded numbers, with the gradient of the scaled ones (Minnen & Singh 2020,
  "Channel-wise autoregressive entropy models").
- *Several rates in one model*: every rate has a factor per channel before rounding, and another one after it; between
  two rates their logarithms are interpolated (Cui et al. 2021, "Asymmetric gained deep image compression").
- *Probabilities*: the numbers are divided into sets that come one after another (`aecore.models.code_sets`). From the
  sets before, a network predicts a logistic distribution for every number of the next. The first set is predicted from
  the rate alone.
"""

from __future__ import annotations

from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aecore.models.bases import Penalised, Stochastic
from aecore.models.code_sets import CodeSet, Grids, sets_of

LEAST_SCALE = 0.03  # of a logistic distribution, in steps: the middle symbol then has all but 1e-7 of the probability
LARGEST_SCALE = 64.0
FINEST_STEP = 1 / 8  # at first, for a code in the scale of pictures; one half as wide takes long to become coarse
HALVED_AFTER = 2  # rates: so many rates further, a bit weighs half as much


class Prior(nn.Module):
    """Predicts the distribution of every number from the sets before its own, and from the rate."""

    def __init__(self, channels: int, rates: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.sets = sets_of(channels)
        self._groups = sorted({one.first for one in self.sets})
        self.context = nn.Conv2d(channels, hidden, kernel, padding=kernel // 2, bias=False)
        self.neighbours = nn.Conv2d(len(self._groups), hidden, kernel, padding=kernel // 2)
        self.rates = nn.Parameter(torch.zeros(rates, hidden))
        self.mixing = nn.Linear(hidden, hidden)
        self.distribution = nn.Linear(hidden, 2 * channels)

    def forward(self, numbers: Tensor, index: int, rate: Tensor) -> tuple[Tensor, Tensor]:
        """The means and scales of the numbers of the set `index`, both `[N, positions, channels]` as of `numbers_of`.

        Of `numbers` `[N, C, H, W]` it uses those of the sets before. `rate` is `[N]`.
        """
        first, last, grids = self.sets[index]
        known = numbers.new_zeros(1, *numbers.shape[1:])
        for earlier in self.sets[:index]:
            for row, column, spacing in earlier.grids:
                known[:, earlier.first : earlier.last, row::spacing, column::spacing] = 1
        seen = self.neighbours(known[:, self._groups])
        if index:
            seen = seen + self.context(numbers * known)
        hidden = positions_of(seen, grids) + interpolated(self.rates, rate)[:, None]
        hidden = F.gelu(self.mixing(F.gelu(hidden)))
        channels = len(self.distribution.weight) // 2
        weight, bias = (
            torch.cat([parameter[first:last], parameter[channels + first : channels + last]])
            for parameter in (self.distribution.weight, self.distribution.bias)
        )
        means, raw = F.linear(hidden, weight, bias).chunk(2, 2)
        # In float32 also under autocast: bfloat16 would round a mean of 40 to whole numbers.
        raw = raw.to(torch.promote_types(raw.dtype, torch.float32))
        return means.to(raw.dtype), (LEAST_SCALE + F.softplus(raw)).clamp(max=LARGEST_SCALE)


class EntropyModel(Penalised, Stochastic):
    """Rounds a code of `channels` maps to whole numbers at one of several rates, and predicts their probabilities.

    A call gives the numbers that a decoder receives, in the scale of the code. During training every picture gets a
    rate of its own, and `penalty` is the mean number of bits per picture, those of higher rates weighted less. Later
    the highest rate is used. `rate` is a number from 0 to `rates` - 1, which need not be whole.
    """

    def __init__(self, penalty: str, channels: int, rates: int, hidden: int, kernel: int) -> None:
        super().__init__(penalty)
        self.highest = rates - 1
        # At first every rate has steps of its own: fine ones at high rates.
        gains = (torch.arange(rates)[:, None] - self.highest) * log(2) / (2 * HALVED_AFTER) - log(FINEST_STEP)
        self.gains = nn.Parameter(gains.repeat(1, channels))
        self.returns = nn.Parameter(-gains.repeat(1, channels))
        self.prior = Prior(channels, rates, hidden, kernel)

    def forward(self, code: Tensor) -> Tensor:
        """`[N, C, H, W]` to the same shape."""
        if not self.training:
            rate = torch.full((len(code),), float(self.highest), device=code.device)
            return self.restored(self.rounded(code, rate), rate)
        rate = self.highest * torch.rand(len(code), generator=self.generator, device=code.device)
        scaled = self._scaled(code.float(), rate)
        noise = torch.rand(scaled.shape, generator=self.generator, device=code.device) - 0.5
        weight = 0.5 ** (rate / HALVED_AFTER)
        self.penalty = (weight * self.bits(scaled + noise, rate)).mean()
        return self.restored(scaled + (scaled.round() - scaled).detach(), rate)

    def rounded(self, code: Tensor, rate: Tensor) -> Tensor:
        """The whole numbers of a `code` `[N, C, H, W]` at a `rate` `[N]`, as floats."""
        return self._scaled(code, rate).round()

    def restored(self, numbers: Tensor, rate: Tensor) -> Tensor:
        """The code that whole `numbers` `[N, C, H, W]` stand for."""
        return numbers * interpolated(self.returns, rate).exp()[:, :, None, None]

    def bits(self, numbers: Tensor, rate: Tensor) -> Tensor:
        """How many bits each picture's `numbers` `[N, C, H, W]` take, `[N]`. They need not be whole."""
        bits = torch.zeros(len(numbers), device=numbers.device, dtype=numbers.dtype)
        for index, one in enumerate(self.prior.sets):
            if one.positions(*numbers.shape[2:]):
                bits = bits + missing_bits(numbers_of(numbers, one), *self.prior(numbers, index, rate)).sum((1, 2))
        return bits

    def _scaled(self, code: Tensor, rate: Tensor) -> Tensor:
        return code * interpolated(self.gains, rate).exp()[:, :, None, None]


def numbers_of(maps: Tensor, one: CodeSet) -> Tensor:
    """The numbers of a set in `maps` `[N, C, H, W]`, `[N, positions, channels]`."""
    return positions_of(maps[:, one.first : one.last], one.grids)


def positions_of(maps: Tensor, grids: Grids) -> Tensor:
    """The values of `maps` `[N, C, H, W]` at the positions of `grids`, `[N, positions, C]`."""
    values = (maps[:, :, row::spacing, column::spacing] for row, column, spacing in grids)
    return torch.cat([grid.permute(0, 2, 3, 1).flatten(1, 2) for grid in values], 1)


def missing_bits(numbers: Tensor, means: Tensor, scales: Tensor) -> Tensor:
    """-log2 of the probability that a logistic distribution gives the interval of width 1 around each number.

    For the logistic function s, the probability s(a) - s(b) is s(a) s(-b) (1 - exp(b - a)). Taken so, its logarithm is
    exact however improbable a number is.
    """
    above, below = (numbers - means + 0.5) / scales, (numbers - means - 0.5) / scales
    return (F.softplus(-above) + F.softplus(below) - torch.log1p(-(-1 / scales).exp())) / log(2)


def interpolated(table: Tensor, rate: Tensor) -> Tensor:
    """The rows of `table` `[rates, …]` at the rates `[N]`, linearly interpolated, `[N, …]`."""
    first = rate.floor().clamp(0, max(len(table) - 2, 0)).long()
    share = (rate - first).to(table.dtype)[:, None]
    return table[first] * (1 - share) + table[(first + 1).clamp(max=len(table) - 1)] * share
