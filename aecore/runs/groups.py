"""Runs that differ only in the seed are one thing with a spread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from statistics import fmean, stdev

from aecore.measuring.totals import psnr_text
from aecore.models import zoo
from aecore.runs.store import Run


@dataclass(frozen=True)
class Group:
    """Runs of one architecture, recipe and data set: one per seed, the lowest seed first."""

    runs: tuple[Run, ...]

    @property
    def key(self) -> str:
        """The SHA-256 of what its runs share."""
        return self.runs[0].spec.group

    @property
    def first(self) -> Run:
        """The run that stands for it: the system's own, or else that of the lowest seed, if possible with weights."""
        return min(self.runs, key=lambda run: (not zoo.is_own(run.spec), run.is_light, run.spec.seed))

    @property
    def name(self) -> str:
        """What people call it."""
        return self.first.name

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its runs, in order."""
        return tuple(run.spec.seed for run in self.runs)

    @property
    def psnr(self) -> float:
        """The mean over its seeds of the pooled PSNR on the test pictures, in dB."""
        return fmean(self._psnrs)

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation of that PSNR over its seeds, in dB; None for one seed or no error."""
        return stdev(self._psnrs) if len(self.runs) > 1 and isfinite(self.psnr) else None

    @property
    def psnr_text(self) -> str:
        """The PSNR, with its deviation if there are several seeds: `29.9 ± 0.5 dB`."""
        if self.deviation is None:
            return psnr_text(self.psnr)
        digits = 1 if self.deviation >= 0.05 else 2
        return f"{self.psnr:.{digits}f} ± {self.deviation:.{digits}f} dB"

    @property
    def with_weights(self) -> tuple[Run, ...]:
        """Those of its runs that are not light."""
        return tuple(run for run in self.runs if not run.is_light)

    @property
    def _psnrs(self) -> list[float]:
        return [run.totals.psnr_pooled for run in self.runs]


def groups(runs: Iterable[Run]) -> list[Group]:
    """The groups of these runs, in the order of each group's first run."""
    by_seed: dict[str, dict[int, Run]] = {}
    for run in runs:
        # A copied folder is the same run again: counted twice, the spread would look smaller than it is.
        by_seed.setdefault(run.spec.group, {}).setdefault(run.spec.seed, run)
    return [Group(tuple(run for _, run in sorted(members.items()))) for members in by_seed.values()]
