"""The order in which the numbers of a code come, when each is predicted from those before.

They come in sets. The first channels come first, from a coarse grid of positions to the gaps of a fine one (Reed et al.
2017, "Parallel multiscale autoregressive density estimation"; the last of these sets is half of a checkerboard, as in
He et al. 2021, "Checkerboard context model"). The other channels follow in groups, each at all positions at once
(Minnen & Singh 2020, "Channel-wise autoregressive entropy models").
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil
from typing import NamedTuple

# Positions as grids: first row, first column, and the spacing of both.
Grids = tuple[tuple[int, int, int], ...]
# Squares of 4×4 positions:
#   0 3 1 3
#   3 2 3 2
#   1 3 1 3
#   3 2 3 2
COARSE_TO_FINE: tuple[Grids, ...] = (
    ((0, 0, 4),),
    ((0, 2, 4), (2, 0, 4), (2, 2, 4)),
    ((1, 1, 2),),
    ((0, 1, 2), (1, 0, 2)),
)
EVERYWHERE: Grids = ((0, 0, 1),)
SHARES = (48, 12, 3, 1)  # the groups of channels end at a 48th of all, at a twelfth, at a third, and at the last


class CodeSet(NamedTuple):
    """Numbers that come together: the channels from `first` to before `last`, at the positions of `grids`."""

    first: int
    last: int
    grids: Grids

    def positions(self, height: int, width: int) -> int:
        """How many positions it has in maps of this size."""
        return sum(ceil((height - row) / step) * ceil((width - column) / step) for row, column, step in self.grids)


def sets_of(channels: int) -> tuple[CodeSet, ...]:
    """The sets of a code of so many channels, in their order. A small map may have no position of some."""
    ends = sorted({ceil(channels / share) for share in SHARES})
    first = (CodeSet(0, ends[0], grids) for grids in COARSE_TO_FINE)
    return (*first, *(CodeSet(*group, EVERYWHERE) for group in pairwise(ends)))
