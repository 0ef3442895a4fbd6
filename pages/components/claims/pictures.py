"""The test pictures on which both sides of a contrast differ most, and what the published models make of them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st
from PIL import Image

from aecore import AecoreError
from aecore.data import catalog
from aecore.data.catalog import EXCERPTS, SOURCES
from aecore.models import zoo
from aecore.runs.store import Run
from aecore.studies.claim_scores import Pictures
from aecore.studies.contestants import of_run
from aecore.studies.contrasts import Contrast, Side
from pages.components import cached, look, png
from pages.components.cached import Pixels

_SCALE = 2
_GAP = 2  # pixels between the pictures of a strip
_STYLE = """
<style>
  .extremes { display: flex; flex-wrap: wrap; gap: 14px 22px; margin-bottom: 4px; }
  .extremes figure { margin: 0; }
  .extremes figcaption { font-size: 0.8rem; font-variant-numeric: tabular-nums; padding-top: 3px; line-height: 1.3; }
  .extremes small { display: block; font-size: 0.75rem; opacity: 0.75; }
</style>
"""


def show(contrast: Contrast, pictures: Pictures, runs: Sequence[Run]) -> None:
    """Those that speak most for the first side, then those that speak most for the other."""
    if not pictures:
        st.caption("The pictures that differ most are named once the runs of this comparison are judged here.")
        return
    name = catalog.here(contrast.first.dataset)
    try:
        if name is None:
            raise catalog.DatasetError(f"{SOURCES[contrast.first.dataset].title} is not on this machine.")
        here = len(cached.dataset(name).test)
        models = [(side, run) for side in contrast.sides if (run := published_model(side, runs))]
        half = len(pictures) // 2
        for side, some in zip(contrast.sides, (pictures[:half], pictures[half:]), strict=True):
            st.markdown(f"Where {look.in_markdown(side.label)} does best against the other")
            shown = tuple(picture for picture in some if picture[0] < here)
            _tiles(name, shown, models)
            if left_out := [f"#{index} ({_decibels(apart)})" for index, apart in some if index >= here]:
                st.caption(f"Not among the pictures here: {look.listed(left_out)}.")
    except AecoreError as error:
        st.warning(str(error), icon=":material/healing:")
        return
    st.caption(_note(contrast, [side for side, _ in models]))
    if name in EXCERPTS:
        st.caption(f"Only {EXCERPTS[name].title} come with the dashboard: fetch all of them under “More evidence”.")


def published_model(side: Side, runs: Sequence[Run]) -> Run | None:
    """The published system with the layers of a side, and with its recipe but for the length of training."""
    for run in runs:
        spec = run.spec
        alike = replace(side.recipe, epochs=spec.recipe.epochs, images=None, redraw=None)
        same = spec.architecture == side.architecture and spec.dataset == side.dataset and spec.recipe == alike
        if same and zoo.is_own(spec) and not run.is_light:
            return run
    return None


def _tiles(name: str, pictures: Pictures, models: Sequence[tuple[Side, Run]]) -> None:
    if not pictures:
        return
    indices = tuple(index for index, _ in pictures)
    contestants = [of_run(run) for _, run in models]
    noise = models[0][1].spec.recipe.noise if models else None
    columns: list[Pixels] = [cached.originals(name, indices)]
    if contestants:
        given, outputs = cached.reconstructions(contestants, name, indices, noise, 0)
        columns += [given[0]] if noise else []
        columns += [outputs[contestant.key][0] for contestant in contestants]
    names = ["original", *(["noisy"] if noise else []), *(side.label for side, _ in models)]
    tiles = []
    for place, ((index, apart), shown) in enumerate(zip(pictures, cached.classes(name, indices), strict=True)):
        strip = _strip([column[place] for column in columns])
        alt = html.escape(f"Test picture {index}, {shown}: {', '.join(names)}")
        tiles.append(
            f'<figure><img class="pixels" width="{strip.width}" height="{strip.height}" alt="{alt}" '
            f'src="{png.address(strip)}"><figcaption>{html.escape(shown)} #{index}, {_decibels(apart)}</figcaption>'
            "</figure>"
        )
    st.html(f'{_STYLE}<div class="extremes">{"".join(tiles)}</div>')


def _strip(pictures: Sequence[Pixels]) -> Image.Image:
    """Pictures `[C, H, W]` side by side, enlarged, on a transparent ground."""
    tiles = [png.in_colour(picture).repeat(_SCALE, 0).repeat(_SCALE, 1) for picture in pictures]
    height, width = tiles[0].shape[:2]
    strip = Image.new("RGBA", (len(tiles) * (width + _GAP) - _GAP, height))
    for place, tile in enumerate(tiles):
        strip.paste(Image.fromarray(np.asarray(tile)), (place * (width + _GAP), 0))
    return strip


def _note(contrast: Contrast, sides: Sequence[Side]) -> str:
    shown = [look.in_markdown(side.label) for side in sides]
    first = "From left to right: original, "
    if not shown:
        return (
            "The decibels are those of the claim's runs, the first side minus the second, on average over their "
            "seeds. These runs are stored without weights, and no published model has the layers of either side: so "
            "the originals are shown alone."
        )
    noisy = "noisy, " if sides[0].recipe.noise else ""
    return (
        f"{first}{noisy}{look.listed(shown)}. These are the published models, trained with the systems' own recipes on "
        "all pictures; the decibels are those of the claim's runs, the first side minus the second, on average over "
        "their seeds."
    )


def _decibels(apart: float) -> str:
    return f"{apart:+.2f} dB".replace("-", "−")
