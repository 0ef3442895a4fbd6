"""The torch side of the layer `entropy`: whole numbers in place of a code, and how probable they are.

A code becomes bytes in two steps. It is scaled and rounded to whole numbers, and these are entropy-coded by their
probabilities, which a network predicts. Both are learned together, so that training knows what every number costs.

- *Rounding* has no gradient. During training the bits are those of the scaled numbers with uniform noise from -1/2 to
  1/2 added, which is as wide as a rounding error (Ballé, Laparra & Simoncelli 2017, "End-to-end optimized image
  compression"). The decoder gets rounded numbers, with the gradient of the scaled ones (Minnen & Singh 2020,
  "Channel-wise autoregressive entropy models").
- *Several rates in one model*: every rate has a factor per channel before rounding, and another one after it; between
  two rates their logarithms are interpolated (Cui et al. 2021, "Asymmetric gained deep image compression").
- *Probabilities*: the positions are divided into four sets, as the pixels of every 2×2 square. Sets come one after
  another. From the sets before, a network predicts a logistic distribution for every number of the next. The first set
  is predicted from the rate alone. (A checkerboard has two such sets: He et al. 2021, "Checkerboard context model".)
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aecore.models.bases import Penalised, Stochastic
from aecore.models.layers import Entropy

SETS = ((0, 0), (1, 1), (0, 1), (1, 0))  # row and column within a square of 2×2 positions, in the order of coding
LEAST_SCALE = 0.03  # of a logistic distribution, in steps: the middle symbol then has all but 1e-7 of the probability
LARGEST_SCALE = 64.0
HALVED_AFTER = 2  # rates: so many rates further, a bit weighs half as much


class Prior(nn.Module):
    """Predicts the distribution of every number from the sets of positions before its own, and from the rate."""

    def __init__(self, channels: int, rates: int, hidden: int) -> None:
        super().__init__()
        self.context = nn.Conv2d(channels + 1, hidden, Entropy.kernel, padding=Entropy.kernel // 2)
        self.rates = nn.Parameter(torch.zeros(rates, hidden))
        self.mixing = nn.Conv2d(hidden, hidden, 1)
        self.distribution = nn.Conv2d(hidden, 2 * channels, 1)

    def forward(self, known: Tensor, mask: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """The means and scales of all numbers, both `[N, C, H, W]`.

        `known` `[N, C, H, W]` holds the numbers of the sets before, and zeros elsewhere; `mask` `[1, H, W]` is one
        there. `rate` is `[N]`.
        """
        mask = mask.to(known.dtype).expand(len(known), -1, -1, -1)
        hidden = self.context(torch.cat([known, mask], 1)) + interpolated(self.rates, rate)[:, :, None, None]
        means, raw = self.distribution(F.gelu(self.mixing(F.gelu(hidden)))).chunk(2, 1)
        # In float32 also under autocast: bfloat16 would round a mean of 40 to whole numbers.
        raw = raw.to(torch.promote_types(raw.dtype, torch.float32))
        return means.to(raw.dtype), (LEAST_SCALE + F.softplus(raw)).clamp(max=LARGEST_SCALE)


class EntropyModel(Penalised, Stochastic):
    """Rounds a code of `channels` maps to whole numbers at one of several rates, and predicts their probabilities.

    A call gives the numbers that a decoder receives, in the scale of the code. During training every picture gets a
    rate of its own, and `penalty` is the mean number of bits per picture, those of higher rates weighted less. Later
    the highest rate is used. `rate` is a number from 0 to `rates` - 1, which need not be whole.
    """

    def __init__(self, penalty: str, channels: int, rates: int, hidden: int) -> None:
        super().__init__(penalty)
        self.highest = rates - 1
        # At first every rate has steps of its own: fine ones at high rates.
        gains = (torch.arange(rates)[:, None] - self.highest) * log(2) / (2 * HALVED_AFTER)
        self.gains = nn.Parameter(gains.repeat(1, channels))
        self.returns = nn.Parameter(-gains.repeat(1, channels))
        self.prior = Prior(channels, rates, hidden)

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
        for mask, before in masks(numbers):
            means, scales = self.prior(numbers * before, before, rate)
            bits = bits + (mask * missing_bits(numbers, means, scales)).sum((1, 2, 3))
        return bits

    def _scaled(self, code: Tensor, rate: Tensor) -> Tensor:
        return code * interpolated(self.gains, rate).exp()[:, :, None, None]


def masks(numbers: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """For each set of positions its mask and that of the sets before it, both `[1, H, W]` and of zeros and ones."""
    before = torch.zeros(1, *numbers.shape[2:], device=numbers.device, dtype=numbers.dtype)
    for row, column in SETS:
        mask = torch.zeros_like(before)
        mask[:, row::2, column::2] = 1
        yield mask, before
        before = before + mask


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
