"""Denoise: trained denoisers and classical methods on the same noisy pictures, level by level and pixel by pixel."""

import streamlit as st

from aecore.data.catalog import EXCERPTS
from aecore.runs.store import Store
from pages.components import downloads, errors, lineup, look, pickers
from pages.components.denoise import by_level, choices, draws, weights
from pages.components.downloads import File
from pages.components.explain import explain
from pages.components.lens import saved_page, sheets
from pages.components.lens.saved_page import Saved

look.apply()
st.title("Denoise")
notes = st.container()
listing = Store().listing()
link = choices.PAGE.arrive()
with st.sidebar:
    dataset_name = pickers.dataset(choices.PAGE, listing.full, "cifar10")
    shape = pickers.shape_of(dataset_name)
    offered = choices.denoisers(listing.runs, shape, can_fit=dataset_name not in EXCERPTS)
    choice, picked, more = (st.container() for _ in range(3))
    with choice:
        chosen = pickers.contestants(
            "Denoisers", offered, shape, choices.default(offered), choices.MAIN.key("denoisers"), more
        )
dataset = lineup.dataset(dataset_name)
chosen = lineup.usable(chosen)
with picked:
    indices = lineup.picked(choices.PAGE, dataset, chosen, choices.COUNT)
lineup.note_on_sample(dataset_name, " The classical methods are fitted on it.")
if not chosen:
    st.info("Choose a denoiser on the left to see how it removes noise.", icon=":material/arrow_back:")
elif indices:
    given, view = pickers.noise_and_view(choices.PAGE, list(errors.VIEWS), choices.LEVEL)
    noise, seed = given.noise, given.seed
    pictures = lineup.compute(chosen, dataset_name, indices, noise, seed)
    sheet = lineup.sheet(pictures, view, given)
    lineup.watch(pictures)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(lineup.note(pictures), width="stretch")
        downloads.button(
            "Sheet",
            File("denoised.png", "image/png", lambda: sheets.saved(sheet)),
            help="The sheet as a PNG file, once every denoiser is done",
            disabled=bool(pictures.late),
        )
        saved_page.button(Saved("Denoisers on the same noisy pictures", pictures, sheet, given), "denoise.html")
    explain(
        "How to read the pictures",
        "Each row is a test picture, which no model saw in training. All denoisers receive the same **noisy** picture; "
        "each further column is the output of one of them. Trained models are not given the noise level: each was "
        "trained at a level, or a range of levels, of its own. Classical methods are given the level, except wavelet "
        "shrinkage, which estimates it from the picture. Try a level that a model never trained on, then zero.\n\n"
        + lineup.HOW_TO_LOOK,
    )
    st.subheader("Best denoiser at each noise level")
    by_level.show(pictures.chosen, dataset_name, noise, seed)
    st.subheader("Bias and variance over many draws of the noise")
    draws.show(pictures, noise, seed)
    st.subheader("Weights of the neighbouring pixels")
    weights.show(pictures, noise, seed)
with notes:
    choices.PAGE.note(link)
