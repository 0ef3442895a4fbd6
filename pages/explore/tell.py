"""Can you tell? A blind test of the viewer's own eyes, and what their answers say about them and about metrics."""

import streamlit as st

from aecore.data.catalog import EXCERPTS
from aecore.runs.store import Store
from pages.app.pages import TRAIN
from pages.components import lineup, look, pickers
from pages.components.explain import explain
from pages.components.tell import choices, game, own

look.apply()
st.title("Can you tell?")
st.markdown(choices.INTRODUCTION)
notes = st.container()
listing = Store().listing()
link = choices.PAGE.arrive()
with st.sidebar:
    dataset_name = pickers.dataset(choices.PAGE, listing.full, "cifar10")
    shape = pickers.shape_of(dataset_name)
    offered = choices.offered(listing.runs, shape, can_fit=dataset_name not in EXCERPTS)
    choice, draw, more = (st.container() for _ in range(3))
    with choice:
        chosen = pickers.contestants(
            "Models", offered, shape, choices.default(offered), choices.PAGE.key("models"), more
        )
    with draw:
        seed = choices.draw()
data = lineup.dataset(dataset_name)
chosen = lineup.usable(chosen)
lineup.note_on_sample(dataset_name)
if not any(contestant.run for contestant in offered):
    st.info("No model is trained on such pictures yet: image codecs are compared.", icon=":material/model_training:")
    TRAIN.link("Train a model")
if len(chosen) < 2:
    st.info("Choose at least two models on the left: a round compares two.", icon=":material/arrow_back:")
else:
    game.play(chosen, data, seed)
own.export()
explain("How the test works", choices.EXPLANATION)
with notes:
    choices.PAGE.note(link)
