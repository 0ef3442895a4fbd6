"""What there is to know of everything that gives pictures back, before it is built; no torch here."""

from __future__ import annotations

from dataclasses import dataclass

from aecore.data.noise import Noise
from aecore.models import zoo
from aecore.runs.store import Run

OWN = "your own"  # the family of runs that are none of the zoo's
CONTROLS, LINEAR, CODECS, CLASSICAL = "controls", "PCA", "image codecs", "classical denoisers"


@dataclass(frozen=True)
class Contestant:
    """Something that gives pictures back: what a page lists, draws and computes with, whatever kind it is.

    `key` identifies it in caches and to `find`: a run's key, or a baseline's name. `label` is what people call it,
    `title` its name in a sentence, `family` the heading under which it is listed and `place` its place there.
    `knowledge` says what it was trained with or is told. `run` is the trained run; None for a baseline.

    What it costs: a contestant that `fits` needs the training pictures once (a minute for CIFAR-10), one that `tunes`
    chooses a setting the first time under each noise, and a slow one takes about a second per picture. `is_linear`: its
    weights are the same for every picture. `missing` says why it cannot run here.
    """

    key: str
    label: str
    title: str
    family: str
    place: int
    story: str
    knowledge: str
    run: Run | None = None
    fits: bool = False
    tunes: bool = False
    is_slow: bool = False
    is_linear: bool = False
    is_told_the_noise: bool = False
    missing: str = ""

    @property
    def is_instant(self) -> bool:
        """Whether a dozen pictures take milliseconds, with nothing to wait for."""
        return not (self.fits or self.tunes or self.is_slow or self.family == CLASSICAL)

    @property
    def effort(self) -> int:
        """How much it needs before it can begin, in order: the quick should not wait for the others."""
        return self.fits + 2 * self.tunes

    @property
    def trained_under(self) -> Noise | None:
        """The noise that it was trained with, if it was."""
        return self.run.spec.recipe.noise if self.run else None

    @property
    def published(self) -> str | None:
        """Its name among published figures, which are of systems and methods and not of variants."""
        if self.run is None:
            return self.key
        return self.run.name if zoo.is_own(self.run.spec) else None


def of_run(run: Run) -> Contestant:
    """A trained run as a contestant."""
    noise, own = run.spec.recipe.noise, zoo.is_own(run.spec)
    label = zoo.label(run.spec)
    return Contestant(
        key=run.key,
        label=label,
        title=label,
        family=zoo.SYSTEMS[run.name].family if own else OWN,
        place=list(zoo.SYSTEMS).index(run.name) if own else int(run.key[:8], 16),
        story=zoo.SYSTEMS[run.name].story if own else "",
        knowledge=f"trained under {noise} noise" if noise else "trained on clean pictures",
        run=run,
        missing="" if not run.is_light else "it was kept light: scores and curve, no weights",
    )
