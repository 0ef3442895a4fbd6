"""Gallery: every system, its story, and what its trained model makes of real pictures."""

import streamlit as st

from aecore import zoo
from aecore.store import Store
from pages.components import cards, look, pickers

listing = Store().listing()
own = {run.name: run for run in listing.runs if zoo.is_own(run.spec)}
variants = [run for run in listing.runs if not zoo.is_own(run.spec)]

look.apply()
st.title("How autoencoders differ")
st.markdown(
    "Every architecture of one study, trained by its recipe: test pictures above, what the model makes of them below."
)
cards.legend()
for sentence in listing.damaged:
    st.warning(sentence, icon=":material/healing:")

chosen = pickers.families(list(dict.fromkeys(system.family for system in zoo.SYSTEMS.values())))
with st.container(horizontal=True):
    for system in zoo.SYSTEMS.values():
        if system.family in chosen:
            cards.of_system(system, own.get(system.name))

if variants:
    st.header("Your runs")
    labels = look.labels(variants)
    with st.container(horizontal=True):
        for run in variants:
            cards.of_variant(run, labels[run.key])

# The page is painted by now. torch takes seconds to import and Compare needs it: start while the person looks.
import pages.components.cached  # noqa: E402, F401
