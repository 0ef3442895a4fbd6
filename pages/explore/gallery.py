"""Gallery: error against code size of every system, and a card each with what it makes of real pictures."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from aecore.files.figures import Figures, PublishedError
from aecore.runs.store import Store
from pages.app.pages import SYSTEM
from pages.components import links, look
from pages.components.entries import entries
from pages.components.explain import explain
from pages.components.gallery import bits, cards, filters, headline
from pages.components.preload import preload


def figures_of(read: Callable[[str, Path], Figures | None], dataset: str) -> Figures | None:
    """What is published of a data set; says why where that cannot be read."""
    try:
        return read(dataset, store.root)
    except PublishedError as error:
        st.warning(str(error), icon=":material/healing:")
        return None


page = links.Page("gallery")
link = page.arrive()
store = Store()
listing = store.listing()
everyone = entries(listing.runs)

look.apply()
st.title("How autoencoders differ")
st.markdown("Reconstruction error against code size, for the architectures of a 2018 study and some of our own.")
for sentence in listing.damaged:
    st.warning(sentence, icon=":material/healing:")
chosen, dataset = filters.show(page, everyone)
notes = st.container()

points = headline.comparable(everyone, dataset)
if points:
    bright = [entry for entry in points if entry in chosen]
    faint = [entry for entry in points if entry not in chosen]
    curve, rates = figures_of(headline.published, dataset), figures_of(bits.published, dataset)
    in_bits = rates is not None and bits.chosen(page)
    st.html(headline.STYLE)
    with st.container(key="headline-box"):
        if rates and in_bits:
            bits.show(bright, faint, rates)
            bits.caption(points, rates)
        elif clicked := headline.show(bright, faint, curve, look.dataset(dataset)):
            st.switch_page(SYSTEM.path, query_params={"run": clicked})
    st.markdown(bits.verdict(points, rates) if rates and in_bits else headline.verdict(points, curve))
    explain("gallery", headline.EXPLANATION + bits.EXPLANATION + cards.EXPLANATION)

if not chosen:
    filters.empty(page)
for heading, shown in (
    ("Systems", [entry for entry in chosen if not entry.is_own_run]),
    ("Your runs", [entry for entry in chosen if entry.is_own_run]),
):
    if shown:
        st.header(heading)
        with st.container(horizontal=True):
            for entry in shown:
                cards.show(entry)
with notes:
    page.note(link)
preload()
