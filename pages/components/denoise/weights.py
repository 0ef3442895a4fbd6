"""The weights with which a denoiser averages the pixels around one, beside the Wiener filter's."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from torch import Tensor

from aecore.data.catalog import EXCERPTS
from aecore.data.noise import Noise
from aecore.files.figures import PublishedError
from aecore.studies import by_name, sensitivity
from aecore.studies.contestants import Contestant
from aecore.studies.denoising import SUBSET
from pages.components import cached, jobs, look, png
from pages.components.cached import Pixels
from pages.components.denoise import choices, levels, maps, pixels
from pages.components.explain import explain
from pages.components.lineup import Lineup

SHARE = 0.9  # of the absolute weight: the fewest pixels that hold it are counted
REFERENCE = "wiener"
_NAMES = ["Weights", "Colour scale", "Sum", f"Pixels with {SHARE:.0%} of the weight"]


@st.fragment
def show(pictures: Lineup, noise: Noise | None, seed: int) -> None:
    """The weights of every trained or linear denoiser that is ready on the sheet above."""
    shown = [contestant for contestant in pictures.ready if contestant.run or contestant.is_linear]
    can_fit = pictures.dataset_name not in EXCERPTS
    # Not for pictures that are too large for it.
    reference = [one for one in by_name.baselines(pictures.clean.shape[1:]) if one.key == REFERENCE]
    if can_fit and not any(contestant.key == REFERENCE for contestant in shown):
        shown += reference
    dataset_name, (height, width) = pictures.dataset_name, pictures.clean.shape[2:]
    controls, seen, progress = (st.container() for _ in range(3))  # see `jobs.watch`
    with controls, st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        picture = choices.picture("at", dataset_name, pictures.indices)
        pixel = _place("Row", "row", height), _place("Column", "column", width)
    computing = {
        contestant.key: cached.weights(contestant, dataset_name, picture, noise, seed, pixel) for contestant in shown
    }
    with seen:
        shown, weights, late = jobs.collect("weights", computing, shown)
        (given, _), _ = cached.reconstructions([], dataset_name, (picture,), noise, seed)
        with st.container(horizontal=True, gap="medium"):
            with st.container(width="content", gap="xsmall"):
                st.markdown(f"**{'noisy' if noise else 'original'}**: click a pixel")
                pixels.pick(png.in_colour(given[0]), pixel, _picked)
            _maps(shown, weights)
        st.caption(
            f"How much each input pixel contributes to the output at row {pixel[0]}, column {pixel[1]} under "
            f"{choices.words(noise)}: the weights of each channel on itself, averaged over the channels. Red is "
            "positive, blue negative, white zero."
        )
    with progress:
        jobs.watch(late, "Computing the weights (the Wiener filter is fitted at first use), denoisers done")
    for line in _over_wiener(pictures.ready, noise):
        st.markdown(line)
    explain(
        "How to read the weights",
        "The study of 2018 called its denoiser *a simple weighted average over neighbors*. For small "
        "changes to this noisy picture every denoiser is one: the map shows how much the chosen pixel of the output "
        "changes with each pixel of the input. Where noise of one strength is added everywhere, as Gaussian noise is, "
        "the **Wiener filter** is the best average with fixed weights, the same for every picture. The weights of a "
        "network change with the picture: pick a pixel at an edge and see whether they follow it. If they never did, "
        "the network could do no better than the Wiener filter.",
    )


def _picked(row: int, column: int) -> None:
    for name, value in (("row", row), ("column", column)):
        st.session_state[choices.PAGE.key(name)] = value


def _maps(shown: Sequence[Contestant], weights: dict[str, Tensor]) -> None:
    columns = []
    for contestant in shown:
        cells: Sequence[Pixels | str] = ["…"] * len(_NAMES)
        if contestant.key in weights:
            own = weights[contestant.key]
            scale = maps.scale_of("signed", [own.numpy()])
            count = sensitivity.fewest_pixels(SHARE, own)
            cells = [scale.colored(own.numpy()), f"±{scale.highest:g}", f"{own.sum():.3f}", str(count)]
        columns.append(maps.Column(contestant.label, cells, look.style(contestant).color))
    maps.show(_NAMES, columns, [])


def _place(label: str, name: str, size: int) -> int:
    key = choices.PAGE.key(name)
    if st.session_state.get(key, 0) >= size:
        st.session_state[key] = size // 2  # the pixel was chosen in larger pictures
    return int(st.slider(label, 0, size - 1, size // 2, key=key, bind="query-params", width=220))


def _over_wiener(chosen: Sequence[Contestant], noise: Noise | None) -> list[str]:
    """By how much each trained denoiser beats the Wiener filter at the nearest measured level, one line each."""
    trained = [contestant for contestant in chosen if contestant.run]
    if not trained or (noise and noise.kind != "gaussian"):
        return []
    try:
        curves = choices.published()
    except PublishedError:
        return []  # reported by the section above
    wanted = noise.level if noise else 0.0
    level = levels.nearest(curves, wanted)
    points = [(contestant.label, curves.at(contestant.published or "", level)) for contestant in trained]
    lines = [
        f"- {levels.over_wiener(label, point.over[REFERENCE])}"
        for label, point in points
        if point and REFERENCE in point.over
    ]
    if not lines:
        return []
    where = f"At σ {level:.2g}" + (", the nearest measured level" if abs(level - wanted) > 1e-3 else "")
    reference = curves.at(REFERENCE, level)
    count = min(SUBSET, reference.pictures if reference else SUBSET)
    return [f"{where}, on the first {count} test pictures of {look.dataset(choices.FIGURES)}:", "\n".join(lines)]
