"""The test pictures that a run reconstructs best, middling and worst. Pixels are exact."""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from aecore.data import catalog
from aecore.runs.execution import SCORING_SEED
from aecore.runs.store import Run
from aecore.studies.contestants import of_run
from pages.components import cached, png
from pages.components.cached import Pixels

EACH = 3  # pictures of a kind: three times their size they fit a phone
_SIDE = 96  # drawn, at most, and by a whole factor
_GAP = 2  # in pixels of the pictures

_STYLE = """
<style>
  .examples { display: flex; flex-wrap: wrap; gap: 12px 32px; }
  .examples figure { margin: 0; }
  .examples figcaption { font-size: 0.85rem; font-weight: 600; padding-bottom: 4px; }
  .examples div { display: grid; padding-top: 4px; }
  .examples p { margin: 0; font-size: 0.75rem; line-height: 1.35; }
  .examples span { opacity: 0.75; }
</style>
"""


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
    """One group per kind: the picture, what a denoiser was given, the reconstruction below, and the MSE."""
    st.html(f'{_STYLE}<div class="examples">{"".join(_group(run, choice, kind) for kind in choice.kinds)}</div>')


def _group(run: Run, choice: Choice, kind: str) -> str:
    rows = choice.kinds[kind]
    pictures, noise = tuple(int(number) for number in rows["picture"]), run.spec.recipe.noise
    shown = [cached.originals(choice.dataset, pictures)]
    given, outputs = cached.reconstructions([of_run(run)], choice.dataset, pictures, noise, SCORING_SEED)
    if noise:
        shown.append(given[0])
    shown.append(outputs[run.key][0])
    classes = cached.classes(choice.dataset, pictures)
    side = shown[0].shape[3]
    scale = max(1, _SIDE // side)
    wide, high = (count * (side + _GAP) - _GAP for count in (len(pictures), len(shown)))
    notes = "".join(
        f"<p>{html.escape(name)}<br><span>{error:.3g}</span></p>"
        for name, error in zip(classes, rows["mse"], strict=True)
    )
    alt = f"{kind} reconstructions: {', '.join(classes)}; pictures above, reconstructions below"
    source = png.address(_sheet(shown))
    return (
        f'<figure><figcaption>{kind}</figcaption><img class="pixels" width="{wide * scale}" height="{high * scale}" '
        f'alt="{html.escape(alt)}" src="{source}">'
        f'<div class="numbers" style="grid-template-columns:repeat({len(pictures)},{side * scale}px);'
        f'column-gap:{_GAP * scale}px">{notes}</div></figure>'
    )


def _sheet(rows: list[Pixels]) -> Image.Image:
    """Rows of pictures `[N, C, H, W]` below each other at their own size, transparent between them."""
    count, _, height, width = rows[0].shape
    sheet = np.zeros((len(rows) * (height + _GAP) - _GAP, count * (width + _GAP) - _GAP, 4), np.uint8)
    for down, pictures in enumerate(rows):
        for across, picture in enumerate(pictures):
            top, left = down * (height + _GAP), across * (width + _GAP)
            # A grey picture has one channel, which stands for all three.
            sheet[top : top + height, left : left + width, :3] = picture.transpose(1, 2, 0)
            sheet[top : top + height, left : left + width, 3] = 255
    return Image.fromarray(sheet)
