"""Gallery cards: a system, its story, what its trained model makes of real pictures, and its figures."""

from __future__ import annotations

import streamlit as st

from aecore.models.abridged import abridged
from aecore.studies.legibility import Legibility
from pages.app.pages import SYSTEM
from pages.components import actions, amounts, look, previews, readings
from pages.components.entries import LIGHT, Entry

WIDTH = 388  # three to a row at 1280 pixels, one to a row on a phone
EXPLANATION = (
    "- **Pictures**: in the top row test pictures that the model never saw in training, in the bottom row its "
    "output. A denoiser's noisy input is between them.\n"
    "- **Test PSNR**: peak signal-to-noise ratio of the mean squared error over all test pictures. Higher is "
    "better, and 3 dB more is half the error. A denoiser's is measured under the noise it was trained with.\n"
    "- **Code size**: the smallest tensor that everything passes through, in numbers and relative to the "
    "picture. Above 1× the model need not compress at all. A dash: a skip connection bypasses every layer, so there "
    "is no code.\n"
    "- **Parameters**: weights and biases, which training adjusts.\n"
    "- **Class read**: from how many reconstructions of the test pictures a small classifier, trained on original "
    "pictures, reads the true class. From a denoiser's, under the noise it was trained with."
)


def show(entry: Entry, legible: Legibility | None) -> None:
    """The card of an entry, trained or not, with what is `legible` of it as far as that is published."""
    with st.container(border=True, width=WIDTH, height="stretch", key=f"card-{entry.label.replace(' ', '-')}"):
        st.markdown(f"**{entry.title}**  \n:gray[`{entry.label}`]")
        if entry.run:
            previews.show(entry.run)
        else:
            st.info(f"Not trained yet: `python -m aecore train {entry.label}`", icon=":material/hourglass_empty:")
        st.markdown(entry.story)
        _figures(entry)
        if legible and (reading := readings.of(entry, legible)):
            share, originals = map(readings.percent, (reading.accuracy, legible.original.accuracy))
            st.caption(f"Class read from **{share}** of outputs, {originals} of originals")
        st.caption(abridged(entry.architecture).replace("|", "→"))
        if entry.run and entry.run.is_light:
            st.caption(LIGHT)
        with st.container(horizontal=True, gap="small", vertical_alignment="bottom", height="stretch"):
            SYSTEM.link("Open", run=entry.label)
            actions.show(entry)


def _figures(entry: Entry) -> None:
    with st.container(horizontal=True, gap="medium"):
        noise = entry.recipe.noise if entry.run else None
        seeds = f", {len(entry.runs)} seeds" if len(entry.runs) > 1 else ""
        st.metric((f"PSNR, {look.noise(noise)}" if noise else "Test PSNR") + seeds, entry.psnr, width="content")
        st.metric("Code size", amounts.code(entry.architecture), width="content")
        st.metric("Parameters", amounts.short(entry.architecture.parameters), width="content")
