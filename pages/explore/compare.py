"""Compare: the same pictures and the same noise through every chosen model."""

import streamlit as st

from aecore.data.catalog import SAMPLE, DatasetError
from aecore.data.index_lists import NumbersError
from aecore.runs.store import Run, Store, StoreError
from pages.components import cached, links, look, pickers
from pages.components.compare import comparison

look.apply()
st.title("Compare")
notes = st.container()
runs = Store().listing().full
link = links.asked(comparison.PAGE, comparison.CHOICES)
wanted = pickers.linked_dataset(runs)
with st.sidebar:
    dataset_name = pickers.dataset(runs, wanted)
    chosen = pickers.models(runs, dataset_name)
try:
    dataset = cached.dataset(dataset_name)
except DatasetError as error:
    st.error(str(error), icon=":material/broken_image:")
    st.stop()


def usable(run: Run) -> bool:
    """Whether the run's files are whole; says which is not."""
    try:
        cached.model(run.key)
        cached.history(run.key)
        cached.test_scores(run.key, dataset_name)
    except StoreError as error:
        st.error(str(error), icon=":material/healing:")
        return False
    return True


chosen = [run for run in chosen if usable(run)]
with st.sidebar:
    try:
        which = pickers.pictures(
            dataset.test, dataset.classes, chosen, lambda run: cached.test_scores(run.key, dataset_name)
        )
    except NumbersError as error:
        st.error(str(error), icon=":material/filter_alt_off:")
        which = ()

if dataset_name == SAMPLE:
    st.info(
        "Not CIFAR-10 but an embedded sample: crops of a few photographs that the models were not made for. "
        f"For the real pictures: `python -m aecore data fetch {wanted}`",
        icon=":material/photo_library:",
    )
if not chosen:
    st.info("Choose a model on the left to see what it makes of these pictures.", icon=":material/arrow_back:")
elif which:
    comparison.pictures(chosen, dataset_name, which)
    st.subheader("How the errors spread")
    comparison.distribution(chosen, dataset_name)
    st.subheader("How they learned")
    comparison.loss_curves(chosen)
with notes:
    links.note(link)
