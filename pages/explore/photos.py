"""Photos: a photograph of any size, under noise, through models and classical methods alike."""

import streamlit as st

from aecore.data.catalog import EXCERPTS
from aecore.runs.store import Store
from aecore.studies import by_name
from pages.components import lineup, look, pickers
from pages.components.photos import choices, comparison, sources

look.apply()
st.title("Photos")
notes = st.container()
listing = Store().listing()
link = choices.PAGE.arrive()
with st.sidebar:
    photograph = sources.pick()
    can_fit = choices.dataset() not in EXCERPTS
    offered = by_name.contestants(listing.runs, choices.SHAPE, can_fit=can_fit, any_size=True)
    choice, more = (st.container() for _ in range(2))
    with choice:
        chosen = pickers.contestants(
            "Models", offered, choices.SHAPE, choices.DEFAULT, choices.PAGE.key("models"), more
        )
chosen = lineup.usable(chosen)
if photograph is None:
    st.info("Upload a photograph on the left, take one, or paste one.", icon=":material/arrow_back:")
elif not chosen:
    st.info("Choose a model on the left to see what it makes of this photograph.", icon=":material/arrow_back:")
else:
    comparison.show(photograph, chosen)
with notes:
    choices.PAGE.note(link)
