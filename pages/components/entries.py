"""What the gallery shows and the system page opens: a system of the zoo, trained or not, or a person's own runs.

Runs that differ only in the seed are one entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.models.zoo import System
from aecore.runs import notes
from aecore.runs.groups import Group, groups
from aecore.runs.store import Run
from aecore.studies import claims
from aecore.studies.contestants import OWN
from pages.components import look

SHORTEST_KEY = 4  # digits of a key that name a run
_MOST_CHANGES = 4  # that a title names
LIGHT = "Stored without weights: only scores and loss curves."


@dataclass(frozen=True)
class Entry:
    """A system and its runs, by seed. `run` is the one in view, None where nothing is trained yet; `system` is None
    where the runs' name is no system's."""

    label: str
    title: str
    story: str
    system: System | None
    group: Group | None
    run: Run | None

    @property
    def architecture(self) -> Architecture:
        """Its layers."""
        return self._source.architecture

    @property
    def recipe(self) -> Recipe:
        """How it is trained."""
        return self._source.recipe

    @property
    def dataset(self) -> str:
        """The name of the data set it is trained on."""
        return self._source.dataset

    @property
    def family(self) -> str:
        """The family of its system, or that of a person's own runs."""
        return OWN if self.is_own_run or self.system is None else self.system.family

    @property
    def seed(self) -> int:
        """The seed of the run in view, or the one that a system is trained with first."""
        return self.run.spec.seed if self.run else 0

    @property
    def is_own_run(self) -> bool:
        """Whether a person made it here, by a recipe, data or seed that is not the system's."""
        return self.run is not None and not zoo.is_own(self.run.spec)

    @property
    def has_batch_norm(self) -> bool:
        """Whether any of its layers is batch norm."""
        return self.architecture.normalises_batch

    @property
    def runs(self) -> tuple[Run, ...]:
        """One run per seed, the lowest seed first."""
        return self.group.runs if self.group else ()

    @property
    def psnr(self) -> str:
        """The pooled test PSNR, of several seeds their mean and its sample standard deviation; a dash without a run."""
        return self.group.psnr_text if self.group else "–"

    def of_seed(self, seed: int) -> Entry:
        """The same with the run of this seed in view."""
        return replace(self, run=next(run for run in self.runs if run.spec.seed == seed))

    @property
    def _source(self) -> RunSpec | System:
        if self.run:
            return self.run.spec
        assert self.system is not None, "what is no system is here for its run"
        return self.system


def entries(runs: Sequence[Run], named: str = "") -> list[Entry]:
    """Every system of the zoo in its order, then the groups of runs that are not a system's own.

    The light runs of the claims are left out: hundreds without weights, which the Claims page shows. One that is
    `named`, by its label, folder or key, is here all the same.
    """
    every = groups(runs)
    own = {group.first.name: group for group in every if zoo.is_own(group.first.spec)}
    variants = [group for group in every if not zoo.is_own(group.first.spec)]
    variants = [group for group in variants if not is_for_claims(group) or _has(group, named)]
    return [*(_of_system(system, own.get(name)) for name, system in zoo.SYSTEMS.items()), *map(_of_variant, variants)]


def is_for_claims(group: Group) -> bool:
    """Whether all its runs are light ones of a way of training that a claim compares."""
    return not group.with_weights and claims.has_side(group.first.spec)


def _has(group: Group, named: str) -> bool:
    """Whether one of its runs has this label, folder or key."""
    return any(
        named in (look.label(run.spec), run.path.name) or (len(named) >= SHORTEST_KEY and run.key.startswith(named))
        for run in group.runs
    )


# Settings that say little by their names: what they are called, and how their values read.
_WORDS = {
    "redraw": ("Training pictures", "redrawn for each seed"),
    "average": ("Average of weights", "decay {}"),
    "flips": ("Mirroring", "at random"),
}


def settings(entry: Entry) -> dict[str, str]:
    """How it is trained, by the setting's name. What a recipe leaves open is named only where that means something."""
    shown = {"Data set": look.dataset(entry.dataset), "Seed": str(entry.seed)}
    open_ = {"images": "all", "noise": "none"}
    for name, value in entry.recipe.to_json().items():
        if value is not None or name in open_:
            title, text = _WORDS.get(name, (name.replace("_", " ").capitalize(), "{}"))
            shown[title] = open_[name] if value is None else text.format(_text(value))
    return shown


def in_short(spec: RunSpec, seeds: Sequence[int] = (), named: Callable[[str], str] = look.dataset_in_markdown) -> str:
    """How a run is trained, or its like with several `seeds`, in a few words; of Markdown, unless the data set is
    `named` otherwise."""
    recipe = spec.recipe
    seed = f"seeds {look.listed([str(seed) for seed in seeds])}" if len(seeds) > 1 else f"seed {spec.seed}"
    parts = [f"{recipe.epochs} epoch{'s' * (recipe.epochs > 1)}", seed, f"on {named(spec.dataset)}"]
    parts += [f"{recipe.images:,} pictures"] if recipe.images else []
    parts += ["redrawn for each seed"] if recipe.redraw else []
    parts += [f"noise {look.noise(recipe.noise)}"] if recipe.noise else []
    parts += [f"loss {recipe.loss.upper()}"] if recipe.loss != "mse" else []
    parts += [f"{name} weight {weight:g}" for name, weight in recipe.penalty_weights.items()]
    parts += [f"weights averaged ({recipe.average:g})"] if recipe.average else []
    parts += ["mirrored at random"] if recipe.flips else []
    return ", ".join(parts)


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}:{_text(part)}" for name, part in value.items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _of_system(system: System, group: Group | None) -> Entry:
    return Entry(system.name, system.title, system.story, system, group, group.first if group else None)


def _own_title(run: Run, system: System | None) -> str:
    """What a run of one's own is called until it has a title: what it changes of the system that it started from."""
    if system is None:
        return run.name.capitalize()
    recipe, base = run.spec.recipe, system.recipe
    changes = [f"{recipe.epochs} epoch{'s' * (recipe.epochs > 1)}"] if recipe.epochs != base.epochs else []
    changes += [f"{recipe.images:,} pictures"] if recipe.images and recipe.images != base.images else []
    changes += (
        [f"noise {look.noise(recipe.noise)}" if recipe.noise else "no noise"] if recipe.noise != base.noise else []
    )
    changes += [f"loss {recipe.loss.upper()}"] if recipe.loss != base.loss else []
    changes += ["training pictures redrawn"] if recipe.redraw else []
    if recipe.average != base.average:
        changes += [f"weights averaged ({recipe.average:g})" if recipe.average else "weights not averaged"]
    if recipe.flips != base.flips:
        changes += ["mirrored at random" if recipe.flips else "not mirrored"]
    changes += [f"on {look.dataset(run.spec.dataset)}"] if run.spec.dataset != system.dataset else []
    if len(changes) > _MOST_CHANGES:
        changes[_MOST_CHANGES - 1 :] = [f"{len(changes) - _MOST_CHANGES + 1} other changes"]
    return f"{system.title}, own run: {', '.join(changes)}" if changes else f"{system.title}, own run"


def _of_variant(group: Group) -> Entry:
    run = group.first
    system = zoo.SYSTEMS.get(run.name)
    title = look.in_markdown(notes.read(run).title or _own_title(run, system))
    story = f"{in_short(run.spec, [run.spec.seed for run in group.runs])}."
    return Entry(look.label(run.spec), title, story, system, group, run)
