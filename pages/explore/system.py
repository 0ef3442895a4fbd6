"""One system: what it is, how it does, what it is made of; and a second one beside it."""

import streamlit as st

from aecore.runs.store import Store
from pages.components import diagrams, links, look
from pages.components.entries import entries
from pages.components.explain import explain
from pages.components.system import differences, legible, own, portrait, resolution

own.leave_if_gone()
page = links.Page("system")
link = page.arrive()
link.pop("run", None)  # answered where it is picked
store = Store()
listing = store.listing()
everyone = entries(listing.runs, st.query_params.get("run", ""))

look.apply()
with st.container(horizontal=True):
    entry = portrait.of_seed(page, portrait.pick(page, everyone))
    other = portrait.beside(page, everyone, entry)
notes = st.container()

portrait.head(entry, listing)
portrait.toolbar(entry)
if entry.is_own_run and entry.run:
    own.show(entry.run)
portrait.key_figures(entry, store)
diagrams.show(entry.architecture, entry.label)
if other:
    st.subheader(f"Compared with {other.label}")
    portrait.key_figures(other, store)
    diagrams.show(other.architecture, other.label)
st.caption(diagrams.RULE)
if other:
    st.markdown(differences.summary(entry, other))
    differences.show(entry, other)

if trained := [shown for shown in (entry, other) if shown and shown.run]:
    st.subheader("Best, median and worst test pictures")
    for shown in trained:
        if other:
            st.markdown(f"**{shown.label}**")
        assert shown.run is not None
        portrait.pictures(shown.run, offers=shown is entry)
if entry.run:
    portrait.live_code(entry.run)
if read := [(shown, *known) for shown in (entry, other) if shown and (known := legible.known(shown, store))]:
    st.subheader(legible.HEADING)
    for shown, reading, readings in read:
        if other:
            st.markdown(f"**{shown.label}**")
        legible.show(shown, reading, readings)
if study := resolution.known(entry, store):
    st.subheader(resolution.HEADING)
    resolution.show(page, entry.label, study)
explain("How to read this page", portrait.EXPLANATION + legible.EXPLANATION * bool(read))

st.subheader("Layers and recipe")
for shown in filter(None, (entry, other)):
    if other:
        st.markdown(f"**{shown.label}**")
    left, right = st.columns([3, 2], gap="large")
    with left:
        portrait.layers(shown)
    with right:
        portrait.recipe(shown)

if trained:
    st.subheader("Loss curves")
    portrait.loss_curves([shown.run for shown in trained if shown.run])
with notes:
    page.note(link)
