"""One picture under many draws of the noise: where a denoiser always errs, and where its output depends on the draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from aecore.data.noise import Noise
from aecore.measuring.totals import decibels, psnr_text
from aecore.studies.contestants import Contestant
from aecore.studies.sensitivity import Spread
from pages.components import cached, jobs, look
from pages.components.cached import Pixels
from pages.components.denoise import choices, maps
from pages.components.explain import explain
from pages.components.lineup import Lineup

DRAWS = 50
_NAMES = ["Bias", "Deviation", "Bias²", "Variance", "MSE", "PSNR"]


@st.fragment
def show(pictures: Lineup, noise: Noise | None, seed: int) -> None:
    """Bias and deviation of every denoiser that is ready on the sheet above."""
    if not noise:
        jobs.ready("draws", {})
        st.caption("Without noise every draw is the same: choose a noise level above.")
        return
    slow = [contestant for contestant in pictures.chosen if contestant.is_slow]
    controls, drawn, progress = (st.container() for _ in range(3))  # see `jobs.watch`
    with controls, st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        picture = choices.picture("picture", pictures.dataset_name, pictures.indices)
        with_slow = bool(slow) and st.checkbox(
            f"Include {look.listed([contestant.label for contestant in slow])}",
            key=choices.PAGE.key("slow"),
            bind="query-params",
            help=f"A slow denoiser takes many seconds for {DRAWS} draws.",
        )
    shown = [contestant for contestant in pictures.ready if with_slow or not contestant.is_slow]
    drawing = {
        contestant.key: cached.spread(contestant, pictures.dataset_name, picture, noise, seed, DRAWS)
        for contestant in shown
    }
    with drawn:
        shown, spreads, late = jobs.collect("draws", drawing, shown)
        if shown:
            _maps(shown, spreads)
            st.caption(
                f"{DRAWS} draws of {choices.words(noise)}. The maps show means over the channels, the numbers are "
                "means over all values."
            )
        elif len(slow) == len(pictures.chosen) and not with_slow:
            st.caption("Only slow denoisers are chosen: tick the box above, or choose another one.")
        elif pictures.late:
            st.caption("This table appears once the pictures above are done.")
    with progress:
        jobs.watch(late, f"Denoising {DRAWS} draws, denoisers done")
    explain(
        "What bias and variance are",
        f"One picture with {DRAWS} draws of the same noise. **Bias** is the mean of the outputs minus the clean "
        "picture: detail that is lost in every draw. **Deviation** is the standard deviation of the output from draw "
        "to draw: noise that got through. Their squares add up to the mean squared error, and a denoiser trades one "
        f"for the other: more blur means more bias and less variance. The mean of {DRAWS} draws still varies a little: "
        f"Bias² contains 1/{DRAWS} of the variance.",
    )


def _maps(shown: Sequence[Contestant], spreads: dict[str, Spread]) -> None:
    bias = {key: spread.bias.mean(0).numpy() for key, spread in spreads.items()}
    deviation = {key: spread.deviation.square().mean(0).sqrt().numpy() for key, spread in spreads.items()}
    legends = list[str]()
    if spreads:
        signed = maps.scale_of("signed", list(bias.values()))
        positive = maps.scale_of("absolute", list(deviation.values()))
        legends = [
            signed.legend("bias: red is too bright on average, blue too dark; pixel values lie between 0 and 1"),
            positive.legend("deviation from draw to draw"),
        ]
    columns = []
    for contestant in shown:
        key = contestant.key
        cells: Sequence[Pixels | str] = ["…"] * len(_NAMES)
        if key in spreads:
            squared, variance = spreads[key].mse
            cells = [
                signed.colored(bias[key]),
                positive.colored(deviation[key]),
                *map(_positional, (squared, variance, squared + variance)),
                psnr_text(decibels(squared + variance)),
            ]
        columns.append(maps.Column(contestant.label, cells, look.style(contestant).color))
    maps.show(_NAMES, columns, legends)


def _positional(number: float) -> str:
    """Three significant digits without an exponent, so that a small number looks small beside a large one."""
    return np.format_float_positional(number, 3, fractional=False)
