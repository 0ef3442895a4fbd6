"""Gallery: what autoencoders make of real pictures, error against code size, and a card for every system."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from aecore.files.figures import Figures, PublishedError
from aecore.runs.store import Store
from pages.app.pages import SYSTEM
from pages.components import bring, links, look, readings
from pages.components.entries import entries
from pages.components.explain import explain
from pages.components.gallery import bits, cards, filters, first, headline, place


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
telling = first.telling(everyone)

look.apply()
with st.container(horizontal=True, vertical_alignment="bottom", key="gallery-title"):
    st.title("How autoencoders differ")
    bring.button()
st.markdown(first.introduction(telling))
moving_box = st.container(key="moving-box")
for sentence in listing.damaged:
    st.warning(sentence, icon=":material/healing:")
notes, figure_box = st.container(), st.container()
with notes:
    bring.note()
chosen, dataset = filters.show(page, everyone)

points = headline.comparable(everyone, dataset)
if points:
    bright = [entry for entry in points if entry in chosen]
    faint = [entry for entry in points if entry not in chosen]
    with figure_box:
        curve, rates = figures_of(headline.published, dataset), figures_of(bits.published, dataset)
        numbered = headline.of_numbers(points)
        in_bits = rates is not None and bits.chosen(page)
        st.html(headline.STYLE + headline.families(points))
        with st.container(key="headline-box"):
            if rates and in_bits:
                bits.show(bright, faint, rates)
            elif numbered and (
                clicked := headline.show(
                    headline.of_numbers(bright), headline.of_numbers(faint), curve, look.dataset(dataset)
                )
            ):
                st.switch_page(SYSTEM.path, query_params={"run": clicked})
        if rates and in_bits:
            bits.caption(points, rates)
        st.markdown(bits.verdict(points, rates) if rates and in_bits else headline.verdict(numbered, curve))
        explain("How to read the figure and the cards", headline.EXPLANATION + bits.EXPLANATION + cards.EXPLANATION)

else:
    figure_box.caption(f"No figure: no model that was trained on {look.dataset(dataset)} without noise has a code.")

if not chosen:
    filters.empty(page)
legible = {name: figures_of(readings.published, name) for name in dict.fromkeys(entry.dataset for entry in chosen)}
for heading, shown in (
    ("Systems", [entry for entry in chosen if not entry.is_own_run]),
    ("Your runs", [entry for entry in chosen if entry.is_own_run]),
):
    if shown:
        st.header(heading)
        with st.container(horizontal=True):
            for entry in shown:
                cards.show(entry, legible[entry.dataset])
bring.models()
with notes:
    page.note(link)
with moving_box:
    first.show(telling)
place.keep()
