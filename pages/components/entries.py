"""What the gallery shows and the system page opens: a system of the zoo, trained or not, or a run of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.models.zoo import System
from aecore.runs.store import Run
from pages.components import look


@dataclass(frozen=True)
class Entry:
    """A system and its run; `run` is None where it is not trained, `system` where the run's name is no system's."""

    label: str
    title: str
    story: str
    architecture: Architecture
    recipe: Recipe
    dataset: str
    seed: int
    system: System | None
    run: Run | None

    @property
    def is_own_run(self) -> bool:
        """Whether a person made it here, by a recipe, data or seed that is not the system's."""
        return self.run is not None and not zoo.is_own(self.run.spec)

    @property
    def has_batch_norm(self) -> bool:
        """Whether any of its layers is batch norm."""
        return self.architecture.normalises_batch


def entries(runs: Sequence[Run]) -> list[Entry]:
    """Every system of the zoo in its order, then the runs that are not a system's own."""
    own = {run.name: run for run in runs if zoo.is_own(run.spec)}
    variants = [run for run in runs if not zoo.is_own(run.spec)]
    labels = look.labels(variants)
    return [
        *(_of_system(system, own.get(name)) for name, system in zoo.SYSTEMS.items()),
        *(_of_variant(run, labels[run.key]) for run in variants),
    ]


def settings(entry: Entry) -> dict[str, str]:
    """How it is trained: a name and a value each. What a recipe leaves open is told only where that means something."""
    found = {"Data set": look.dataset(entry.dataset), "Seed": str(entry.seed)}
    for name, value in entry.recipe.to_json().items():
        if value is None and name not in ("images", "noise"):
            continue
        told = (
            {"images": "all", "noise": "none"}[name] if value is None else f"{value:,}" if _whole(value) else str(value)
        )
        found[name.replace("_", " ").capitalize()] = told
    return found


def in_short(spec: RunSpec) -> str:
    """How a run is trained, in a few words."""
    recipe = spec.recipe
    told = [
        f"{recipe.epochs} epoch{'s' * (recipe.epochs > 1)}",
        f"seed {spec.seed}",
        f"on {look.dataset(spec.dataset)}",
    ]
    told += [f"{recipe.images:,} pictures"] if recipe.images else []
    told += [f"{recipe.noise} noise"] if recipe.noise else []
    return ", ".join(told)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _of_system(system: System, run: Run | None) -> Entry:
    return Entry(
        system.name, system.title, system.story, system.architecture, system.recipe, system.dataset, 0, system, run
    )


def _of_variant(run: Run, label: str) -> Entry:
    spec, system = run.spec, zoo.SYSTEMS.get(run.name)
    title = f"{system.title}, own run" if system else run.name.capitalize()
    story = f"{in_short(spec)}."
    return Entry(label, title, story, spec.architecture, spec.recipe, spec.dataset, spec.seed, system, run)
