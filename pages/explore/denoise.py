"""Denoise: trained denoisers and classical methods on the same noisy pictures, level by level and pixel by pixel."""

import streamlit as st

from aecore.data.catalog import SAMPLE, DatasetError
from aecore.data.index_lists import NumbersError
from aecore.runs.store import Store, StoreError
from pages.components import cached, errors, links, look, pickers
from pages.components.denoise import contenders, denoise
from pages.components.denoise.contenders import Contender

look.apply()
st.title("Denoise")
notes = st.container()
runs = Store().listing().full
link = denoise.asked()
with st.sidebar:
    dataset_name = pickers.dataset(runs, "cifar10", denoise.PREFIX)
    chosen = contenders.pick(runs, dataset_name)
try:
    dataset = cached.dataset(dataset_name)
except DatasetError as error:
    st.error(str(error), icon=":material/broken_image:")
    st.stop()


def usable(contender: Contender) -> bool:
    """Whether the files of its run, if it is one, are whole; says which is not."""
    try:
        if contender.run:
            cached.model(contender.key)
    except StoreError as error:
        st.error(str(error), icon=":material/healing:")
        return False
    return True


chosen = [contender for contender in chosen if usable(contender)]
with st.sidebar:
    try:
        which = pickers.pictures(
            dataset.test,
            dataset.classes,
            [contender.run for contender in chosen if contender.run],
            lambda run: cached.test_scores(run.key, dataset_name),
            denoise.PREFIX,
            denoise.COUNT,
        )
    except (NumbersError, StoreError) as error:
        st.error(str(error), icon=":material/filter_alt_off:")
        which = ()

if dataset_name == SAMPLE:
    st.info(
        "Not CIFAR-10 but an embedded sample: crops of a few photographs that the models were not made for. "
        "The classical methods are fitted on it. For the real pictures: `python -m aecore data fetch cifar10`",
        icon=":material/photo_library:",
    )
if not chosen:
    st.info("Choose a denoiser on the left to see what it makes of noise.", icon=":material/arrow_back:")
elif which:
    noise, seed, view = pickers.noise_and_view(list(errors.VIEWS), denoise.PREFIX, denoise.LEVEL)
    there = denoise.pictures(chosen, dataset_name, which, noise, seed, view)
    st.subheader("Who wins at which level")
    denoise.who_wins(chosen, dataset_name, noise, seed)
    st.subheader("One picture, many draws")
    denoise.many_draws(chosen, there, dataset_name, which, noise, seed)
    st.subheader("Just a weighted average over neighbours?")
    denoise.neighbours(there, dataset_name, which, noise, seed)
links.keep(denoise.PAGE, denoise.CHOICES)
with notes:
    links.note(link)
