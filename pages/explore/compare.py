"""Compare: the same pictures, under the same noise, through every chosen model and baseline."""

import streamlit as st

from aecore.data.catalog import SAMPLE, DatasetError
from aecore.data.index_lists import NumbersError
from aecore.runs.store import Store
from aecore.studies import by_name
from pages.components import cached, lineup, look, pickers
from pages.components.compare import comparison

look.apply()
st.title("Compare")
notes = st.container()
listing = Store().listing()
link = comparison.PAGE.arrive()
wanted = pickers.linked_dataset(listing.full)
with st.sidebar:
    dataset_name = pickers.dataset(comparison.PAGE, listing.full, wanted)
    shape = pickers.shape_of(dataset_name)
    offered = by_name.contestants(listing.runs, shape)
    chosen = pickers.contestants("Models", offered, shape, comparison.DEFAULT, comparison.PAGE.key("models"))
try:
    dataset = cached.dataset(dataset_name)
except DatasetError as error:
    st.error(str(error), icon=":material/broken_image:")
    st.stop()

chosen = lineup.usable(chosen, dataset_name)
trained = [contestant.run for contestant in chosen if contestant.run]
with st.sidebar:
    try:
        indices = pickers.pictures(
            comparison.PAGE, dataset, trained, lambda run: cached.stored_scores(run, dataset_name)
        )
    except NumbersError as error:
        st.error(str(error), icon=":material/filter_alt_off:")
        indices = ()

if dataset_name == SAMPLE:
    st.info(
        "Not CIFAR-10 but the embedded sample: crops of a few photographs, for which the models were not trained. "
        f"To get the real pictures: `python -m aecore data fetch {wanted}`",
        icon=":material/photo_library:",
    )
if not chosen:
    st.info("Choose a model on the left to see how it reconstructs these pictures.", icon=":material/arrow_back:")
elif indices:
    comparison.pictures(chosen, dataset_name, indices)
    if trained:
        st.subheader("How they learned")
        comparison.loss_curves(trained)
with notes:
    comparison.PAGE.note(link)
