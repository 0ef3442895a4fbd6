"""Gallery: error against code size of every system, and a card each with what it makes of real pictures."""

import streamlit as st

from aecore.baselines import pca_curve
from aecore.published import PublishedError
from aecore.store import Store
from pages.components import cards, filters, headline, links, look, paths
from pages.components.entries import entries
from pages.components.explain import explain

asked = links.asked("gallery", filters.KEYS)
store = Store()
listing = store.listing()
everyone = entries(listing.runs)

look.apply()
st.title("How autoencoders differ")
st.markdown("Reconstruction error against code size, for every architecture of one study, trained by its recipe.")
for sentence in listing.damaged:
    st.warning(sentence, icon=":material/healing:")
chosen, dataset = filters.show(everyone)
links.note(asked)

points = headline.comparable(everyone, dataset)
if points:
    curve = None
    try:
        curve = pca_curve(dataset, store.root)
    except PublishedError as error:
        st.warning(str(error), icon=":material/healing:")
    st.html(headline.STYLE)
    with st.container(key="headline-box"):
        bright = [entry for entry in points if entry in chosen]
        faint = [entry for entry in points if entry not in chosen]
        if clicked := headline.show(bright, faint, curve, look.dataset(dataset)):
            st.switch_page(paths.SYSTEM, query_params={"run": clicked})
    st.markdown(headline.verdict(points, curve))
    explain("gallery", headline.EXPLANATION + cards.EXPLANATION)

if not chosen:
    filters.empty()
for heading, shown in (
    ("Systems", [entry for entry in chosen if not entry.is_own_run]),
    ("Your runs", [entry for entry in chosen if entry.is_own_run]),
):
    if shown:
        st.header(heading)
        with st.container(horizontal=True):
            for entry in shown:
                cards.show(entry)
links.keep("gallery", filters.KEYS)

# The page is painted by now. torch takes seconds to import and Compare needs it: start while the person looks.
import pages.components.cached  # noqa: E402, F401
