"""The chosen contestants on the same noisy pictures: computed, scored and drawn as a sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from aecore import AecoreError
from aecore.data.catalog import SAMPLE, DatasetError
from aecore.data.index_lists import NumbersError
from aecore.data.noise import Noise
from aecore.data.splits import Dataset
from aecore.runs.store import StoreError
from aecore.studies.contestants import Contestant
from pages.components import cached, jobs, look, pickers
from pages.components.cached import Scored
from pages.components.lens import live, sheets
from pages.components.lens.sheets import Column, Role, Sheet
from pages.components.links import Page
from pages.components.pickers import GivenNoise

HOW_TO_LOOK = """
While you drag the slider, your browser draws the noise and runs the trained models itself. What it cannot compute is
dimmed until you release the slider; then the server's pictures and scores replace all of them.

The two error views show where an output differs from the clean picture. **Difference** shows how far the pictures are
apart from those of any column, enlarged by the gain; differences within the tolerance are black. **Wipe** lays one
column over the others, and **Blink** lets them take turns; **O** does so while you hold it. Zoom with **+** and **−**,
or with the wheel over the large picture, drag to move, and press **0** to see all of it. Click a pixel to read it in
every column; **Escape** lets it go.
"""
_MISSING = 127  # the grey of pictures that are not computed yet
_NOTE = "Under each name: pooled PSNR of these pictures only; higher is better."


@dataclass(frozen=True)
class Lineup:
    """Test pictures by their `indices`, the `noisy` ones, and the `outputs` of the contestants that are `ready`.

    The `late` contestants are still computed, by the `waiting` jobs. Outputs and jobs are by the contestant's key;
    `chosen` holds all contestants in the order of choice.
    """

    dataset_name: str
    indices: tuple[int, ...]
    clean: cached.Pixels
    noisy: Scored | None
    chosen: Sequence[Contestant]
    outputs: dict[str, Scored]
    waiting: jobs.Jobs

    @property
    def ready(self) -> list[Contestant]:
        """The contestants that are done."""
        return [contestant for contestant in self.chosen if contestant.key in self.outputs]

    @property
    def late(self) -> list[Contestant]:
        """The contestants that are still at work."""
        return [contestant for contestant in self.chosen if contestant.key not in self.outputs]

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The name of each picture, in two parts."""
        classes = cached.classes(self.dataset_name, self.indices)
        return [(name, f"#{picture}") for name, picture in zip(classes, self.indices, strict=True)]


def dataset(name: str) -> Dataset:
    """The data set whose pictures are shown. Where it cannot be read, the page ends with an error."""
    try:
        return cached.dataset(name)
    except DatasetError as error:
        st.error(str(error), icon=":material/broken_image:")
        st.stop()


def picked(page: Page, data: Dataset, chosen: Sequence[Contestant], count: int = pickers.COUNT) -> tuple[int, ...]:
    """The controls that pick pictures, at first `count` of them; none, and an error, where the choice names none."""
    runs = [contestant.run for contestant in chosen if contestant.run]
    try:
        return pickers.pictures(page, data, runs, lambda run: cached.stored_scores(run, data.name), count)
    except (NumbersError, StoreError) as error:
        st.error(str(error), icon=":material/filter_alt_off:")
        return ()


def note_on_sample(shown: str, more: str = "") -> None:
    """Where the embedded sample is shown: what it is."""
    if shown == SAMPLE:
        st.info(
            f"The embedded sample: crops of a few photographs, for which the models were not trained.{more}",
            icon=":material/photo_library:",
        )


def note_on_training(chosen: Sequence[Contestant]) -> None:
    """Where the models learned from different pictures: that a difference may come from there."""
    by_data: dict[str, list[str]] = {}
    for contestant in chosen:
        if contestant.run:
            by_data.setdefault(contestant.run.spec.dataset, []).append(contestant.label)
    if len(by_data) > 1:
        parts = [f"{look.listed(labels)} on {look.dataset_in_markdown(name)}" for name, labels in by_data.items()]
        st.warning(
            f"Trained on different pictures: {'; '.join(parts)}. A difference may come from these alone.",
            icon=":material/compare_arrows:",
        )


def usable(chosen: Sequence[Contestant], dataset_name: str | None = None) -> list[Contestant]:
    """The contestants whose weights are intact, and with a `dataset_name` their loss curves and scores on it too.

    Shows an error for each of the others.
    """
    whole = []
    for contestant in chosen:
        try:
            cached.check_model(contestant)
            if dataset_name:
                cached.check_tables(contestant, dataset_name)
        except AecoreError as error:
            st.error(str(error), icon=":material/healing:")
        else:
            whole.append(contestant)
    return whole


def compute(
    chosen: Sequence[Contestant], dataset_name: str, indices: tuple[int, ...], noise: Noise | None, seed: int
) -> Lineup:
    """Have the contestants reconstruct the pictures `indices` under `noise`, in the background if they take seconds."""
    waiting = {
        contestant.key: [cached.denoised(contestant, dataset_name, picture, noise, seed) for picture in indices]
        for contestant in sorted(chosen, key=lambda contestant: contestant.effort)
        if not contestant.is_instant
    }
    done = jobs.ready("pictures", waiting, chosen)
    chosen = jobs.without_failed(chosen, waiting, done)
    there = [contestant for contestant in chosen if contestant.is_instant or contestant.key in done]
    given, outputs = cached.reconstructions(there, dataset_name, indices, noise, seed)
    late = {contestant.key for contestant in chosen} - set(outputs)
    return Lineup(
        dataset_name,
        indices,
        cached.originals(dataset_name, indices),
        given if noise else None,
        chosen,
        outputs,
        {key: own for key, own in waiting.items() if key in late},
    )


def note(lineup: Lineup) -> str:
    """What the numbers on the sheet are, and which columns stand for several seeds."""
    sentences = [
        f"{contestant.label}: seed {contestant.run.spec.seed} is shown. Its {len(contestant.group.runs)} seeds have a "
        f"test "
        f"PSNR of {contestant.group.psnr_text}."
        for contestant in lineup.chosen
        if contestant.group and contestant.run
    ]
    return " ".join([_NOTE, *sentences])


def sheet(lineup: Lineup, view: str, given: GivenNoise, picked: int | None = None) -> Sheet:
    """Draw the sheet in one of `errors.VIEWS`, with the row `picked` enlarged, and return it.

    While the slider of the noise moves, the browser computes what it can.
    """
    followed = live.described(given, lineup.chosen, lineup.indices)
    drawn = Sheet(columns_of(lineup), lineup.rows, view, picked, followed)
    sheets.show(drawn)
    return drawn


def columns_of(lineup: Lineup) -> list[Column]:
    """The columns of the sheet. Contestants that are late have grey pictures."""
    nothing: Sequence[Sequence[tuple[str, str]]] = [[]] * len(lineup.indices)
    columns = [Column("original", "", lineup.clean, nothing, "clean")]
    if lineup.noisy:
        columns.append(column("noisy", lineup.noisy, role="noisy"))
    for contestant in lineup.chosen:
        if contestant.key in lineup.outputs:
            one = column(contestant.label, lineup.outputs[contestant.key])
        else:
            grey = np.full_like(lineup.clean, _MISSING)
            one = Column(contestant.label, "computing", grey, nothing, computing=True)
        columns.append(replace(one, color=look.style(contestant).color, key=contestant.key))
    return columns


def watch(lineup: Lineup) -> None:
    """Say which contestants are still at work, and draw the page again once another one is done."""
    work = ", ".join(_work(contestant) for contestant in lineup.late)
    jobs.watch(lineup.waiting, f"Computing {work}; pictures done")


def _work(contestant: Contestant) -> str:
    if contestant.fits:
        return f"{contestant.title} (fitted at first use)"
    if contestant.tunes:
        return f"{contestant.title} (tuned at first use under this noise)"
    return contestant.title


def column(heading: str, scored: Scored, role: Role = "output") -> Column:
    """A column of a sheet with its pooled PSNR under the heading, and the scores of each picture."""
    pixels, scores = scored
    return Column(heading, sheets.psnr_of(scores), pixels, sheets.numbers_of(scores), role)
