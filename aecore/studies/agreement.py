"""Which metric agrees with a viewer: in how many rounds it prefers the reconstruction that the viewer chose.

Of the rounds in which the viewer says which of two reconstructions is closer to the original.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aecore.measuring.metrics import METRICS
from aecore.studies.answers import Answer


@dataclass(frozen=True)
class Share:
    """`count` of `total`, with the 95% interval of Clopper & Pearson (1934), which is exact: it covers at least 95%."""

    count: int
    total: int

    @property
    def value(self) -> float:
        """The share itself; a half where there is nothing to share."""
        return self.count / self.total if self.total else 0.5

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95% interval; everything where there is nothing to share."""
        if not self.total:
            return 0.0, 1.0
        from statsmodels.stats.proportion import proportion_confint  # takes a second

        low, high = proportion_confint(self.count, self.total, method="beta")
        return float(low), float(high)


@dataclass(frozen=True)
class Agreement:
    """How often a metric preferred what the viewer chose, of the rounds in which it preferred any.

    In `ties` further rounds it gave both reconstructions the same value, or one of them none.
    """

    metric: str
    share: Share
    ties: int


def preferred(answer: Answer, metric: str) -> str | None:
    """The side that a metric prefers, or None where it prefers none."""
    left, right = answer.left.scores.get(metric), answer.right.scores.get(metric)
    if left is None or right is None or left == right:
        return None
    return "left" if (left > right) == METRICS[metric].higher_is_better else "right"


def agreements(answers: Sequence[Answer]) -> list[Agreement]:
    """One for each metric that the answers hold, the one that agreed most often first."""
    names = dict.fromkeys(name for answer in answers for name in answer.left.scores if name in METRICS)
    shares = []
    for name in names:
        sides = [(preferred(answer, name), answer.choice) for answer in answers if name in answer.left.scores]
        decided = [side == choice for side, choice in sides if side]
        shares.append(Agreement(name, Share(sum(decided), len(decided)), len(sides) - len(decided)))
    return sorted(shares, key=lambda agreement: -agreement.share.value)


@dataclass(frozen=True)
class Dispute:
    """The rounds in which two metrics prefer different reconstructions: in how many the viewer sided with the `first`.

    `p` is that of the exact sign test (McNemar's): how often a viewer who sides with either equally often would side
    with one of them at least as often as this.
    """

    first: str
    second: str
    share: Share
    p: float


def dispute(answers: Iterable[Answer], first: str, second: str) -> Dispute:
    """Between two metrics."""
    from scipy.stats import binomtest  # takes a third of a second

    sides = []
    for answer in answers:
        one, other = preferred(answer, first), preferred(answer, second)
        if one and other and one != other:
            sides.append(one == answer.choice)
    p = float(binomtest(sum(sides), len(sides)).pvalue) if sides else 1.0
    return Dispute(first, second, Share(sum(sides), len(sides)), p)
