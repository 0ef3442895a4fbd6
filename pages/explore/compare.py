"""Compare: the same pictures, under the same noise, through every chosen model and baseline."""

import streamlit as st

from aecore.data.catalog import EXCERPTS
from aecore.runs.store import Store
from aecore.studies import by_name
from pages.components import bring, lineup, look, pickers
from pages.components.compare import comparison

look.apply()
st.title("Compare")
notes = st.container()
listing = Store().listing()
link = comparison.PAGE.arrive()
wanted = pickers.linked_dataset(listing.full)
bring.choose(comparison.PAGE.key("models"))
with st.sidebar:
    dataset_name = pickers.dataset(comparison.PAGE, listing.full, wanted)
    shape = pickers.shape_of(dataset_name)
    offered = by_name.contestants(listing.runs, shape, can_fit=dataset_name not in EXCERPTS)
    choice, picked, more = (st.container() for _ in range(3))
    with choice:
        chosen = pickers.contestants("Models", offered, shape, comparison.DEFAULT, comparison.PAGE.key("models"), more)
        bring.button(small=True)
dataset = lineup.dataset(dataset_name)
chosen = lineup.usable(chosen, dataset_name)
with picked:
    indices = lineup.picked(comparison.PAGE, dataset, chosen)
lineup.note_on_sample(dataset_name)
lineup.note_on_training(chosen)
if not chosen:
    st.info("Choose a model on the left to see how it reconstructs these pictures.", icon=":material/arrow_back:")
elif indices:
    comparison.pictures(chosen, dataset_name, indices)
    if not comparison.distribution_follows():
        comparison.distribution(chosen, dataset_name, follows=False)
    if trained := [contestant for contestant in chosen if contestant.run]:
        st.subheader("How they learned")
        comparison.loss_curves(trained)
with notes:
    comparison.PAGE.note(link)
