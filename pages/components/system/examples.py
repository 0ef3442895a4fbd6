"""The test pictures that a run reconstructs best, middling and worst. Pixels are exact."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from aecore.data import catalog
from aecore.runs.execution import SCORING_SEED
from aecore.runs.store import Run
from aecore.studies.contestants import of_run
from pages.components import cached, lineup
from pages.components.lens import sheets
from pages.components.lens.sheets import Column, Sheet

EACH = 3  # pictures of a kind


@dataclass(frozen=True)
class Choice:
    """Pictures of a data set by how well they are reconstructed: indices and MSEs of each kind."""

    dataset: str
    note: str  # what was left out of the data set, and assumed
    is_as_trained: bool  # whether these are the pictures that the run was trained and scored on
    kinds: dict[str, pd.DataFrame]


def choose(run: Run) -> Choice | None:
    """On the run's data set, or its excerpt; else on embedded pictures of its shape, or None where there are none.

    Raises `StoreError` for damaged scores or weights, `DatasetError` for a damaged data set.
    """
    shape = run.spec.architecture.input_shape
    name = catalog.here(run.spec.dataset) or catalog.embedded(shape)
    if name is None or (data := cached.dataset(name)).shape != shape:
        return None
    ranked = cached.stored_scores(run, name).sort_values("mse", ignore_index=True)
    middle = max(0, (len(ranked) - EACH) // 2)
    kinds = {
        "Best": ranked.head(EACH),
        "Median": ranked.iloc[middle : middle + EACH],
        "Worst": ranked.tail(EACH).iloc[::-1],
    }
    return Choice(name, data.note, data.fingerprint == run.spec.fingerprint, kinds)


def show(run: Run, choice: Choice) -> None:
    """A sheet that lies across: the pictures of each kind, what a denoiser was given, and the reconstruction below."""
    ranked = pd.concat([rows.assign(kind=kind) for kind, rows in choice.kinds.items()])
    pictures, noise = tuple(int(number) for number in ranked["picture"]), run.spec.recipe.noise
    contestant = of_run(run)
    given, outputs = cached.reconstructions([contestant], choice.dataset, pictures, noise, SCORING_SEED)
    columns = [Column("original", "", cached.originals(choice.dataset, pictures), [[]] * len(pictures), "clean")]
    if noise:
        columns.append(lineup.column("noisy", given, role="noisy"))
    columns.append(lineup.column("output", outputs[run.key]))
    rows = [
        (kind, f"{name}\nMSE {error:.3g}")
        for kind, name, error in zip(
            ranked["kind"], cached.classes(choice.dataset, pictures), ranked["mse"], strict=True
        )
    ]
    sheets.show(Sheet(columns, rows, across=True), f"examples of {run.key}")
