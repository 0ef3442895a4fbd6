"""Views to save as a page, of published models and baselines on the embedded excerpt of CIFAR-10."""

from collections.abc import Sequence
from dataclasses import replace

from aecore.runs.store import Store
from aecore.studies import by_name
from aecore.studies.contestants import of_run
from pages.components import cached, lineup
from pages.components.lens.recording import Scene
from pages.components.lens.saved_page import Saved
from pages.components.lens.sheets import Sheet
from pages.components.lineup import Lineup
from pages.components.pickers import GivenNoise

TITLE = "Autoencoders on the same noisy pictures"
DATASET = "cifar10-excerpt"
PICTURES = (3, 511)
SEED = 5


def view(names: Sequence[str], level: float = 0.1, title: str = TITLE, kind: str = "gaussian") -> Saved:
    """What Compare shows of these contestants."""
    runs = {run.name: run for run in Store().listing().runs}
    chosen = [of_run(runs[name]) if name in runs else by_name.baseline(name) for name in names]
    chosen = [replace(contestant, order=order) for order, contestant in enumerate(chosen)]
    noisy, *outputs = Scene(DATASET, PICTURES, kind, SEED).at(level, chosen)
    by_key = {contestant.key: output for contestant, output in zip(chosen, outputs, strict=True)}
    shown = Lineup(DATASET, PICTURES, cached.originals(DATASET, PICTURES), noisy, chosen, by_key, {})
    sheet = Sheet(lineup.columns_of(shown), shown.rows)
    return Saved(title, shown, sheet, GivenNoise(kind, level, SEED, "level"))
