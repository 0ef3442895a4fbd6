"""Bytes: the best picture of every code and codec within a number of bytes."""

import streamlit as st

from aecore.data.catalog import EXCERPTS
from aecore.files.figures import PublishedError
from aecore.runs.store import Store
from aecore.studies import packing
from pages.components import lineup, look
from pages.components.bytes import choices, comparison, work

look.apply()
st.title("Bytes")
notes = st.container()
link = choices.PAGE.arrive()
try:
    rates = work.published()
except PublishedError as error:
    st.warning(f"{error} Until then, only image codecs are here.", icon=":material/healing:")
    rates = None
with st.sidebar:
    dataset_name = choices.dataset()
    offered = packing.offered(rates, Store().listing().runs, can_fit=dataset_name not in EXCERPTS)
    chosen = choices.coders(offered)
    picked = st.container()
dataset = lineup.dataset(dataset_name)
chosen = lineup.usable(chosen)
with picked:
    indices = lineup.picked(choices.PAGE, dataset, chosen, choices.COUNT)
lineup.note_on_sample(dataset_name)
if not chosen:
    st.info("Choose a coder on the left to see how it packs these pictures.", icon=":material/arrow_back:")
elif indices:
    comparison.show(chosen, dataset_name, indices, rates, comparison.notes_on(dataset_name))
with notes:
    choices.PAGE.note(link)
