"""Descriptions of reconstructors of every kind, before they are built. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aecore.data.noise import Noise
from aecore.models import zoo
from aecore.models.layers import Shape
from aecore.runs.groups import Group
from aecore.runs.store import Run

OWN = "your own"  # the family of runs that are not the zoo's
CONTROLS, LINEAR, CODECS, CLASSICAL = "controls", "PCA", "image codecs", "classical denoisers"
FOREIGN = "models of others"


@dataclass(frozen=True)
class Contestant:
    """A reconstructor of any kind, as pages list it, draw it and compute with it.

    `key` identifies it in caches and for `by_name.find`: a run's key or a baseline's name. `label` is its short name,
    `title` its name in a sentence. It is listed under the heading `family`, at `place`. `knowledge` says what it was
    trained with or is given. `run` is the trained run, None for a baseline; it stands for all seeds of its `group`.

    A contestant that `fits` needs the training pictures once (a minute for CIFAR-10). One that `tunes` chooses a
    setting the first time under each noise. A slow one takes much longer than the others. The weights of a linear one
    are the same for every picture. `missing` says why it cannot run here. `order` is its place, from 0, among those
    that were chosen together. `shape` is that of the pictures that a trained run or a model of others was made for.
    """

    key: str
    label: str
    title: str
    family: str
    place: int
    story: str
    knowledge: str
    run: Run | None = None
    group: Group | None = None
    fits: bool = False
    tunes: bool = False
    is_slow: bool = False
    is_linear: bool = False
    is_given_the_noise: bool = False
    missing: str = ""
    order: int | None = None
    shape: Shape | None = None

    @property
    def is_instant(self) -> bool:
        """Whether a dozen pictures take milliseconds, without a fit before."""
        return not (self.fits or self.tunes or self.is_slow or self.family in (CLASSICAL, FOREIGN))

    @property
    def effort(self) -> int:
        """A rank for the order of jobs: those that need less preparation go first."""
        return self.fits + 2 * self.tunes

    @property
    def trained_under(self) -> Noise | None:
        """The noise that it was trained with, if any."""
        return self.run.spec.recipe.noise if self.run else None

    @property
    def published(self) -> str | None:
        """Its name in the published curves, which contain systems and baselines but no variants."""
        if self.run is None:
            return self.key
        return self.run.name if zoo.is_own(self.run.spec) else None


def of_group(group: Group) -> Contestant:
    """One contestant for runs that differ only in the seed: `group.first`, or where that is light another with weights.

    Its `group` is None where there is only one run.
    """
    contestant = of_run(Group(group.with_weights or group.runs).first)
    if len(group.runs) == 1:
        return contestant
    spread = f"{contestant.knowledge}; {len(group.runs)} seeds, test PSNR {group.psnr_text}"
    return replace(contestant, group=group, knowledge=spread)


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
        knowledge=(f"trained under {noise} noise" if noise else "trained on clean pictures")
        + (f", seed {run.spec.seed}" if not own else ""),
        run=run,
        missing="stored without weights: only its scores and curve" if run.is_light else "",
        shape=run.spec.architecture.input_shape,
    )
