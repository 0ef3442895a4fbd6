"""Code: what each unit of a model's code does, what it is worth, and the code as a picture."""

import streamlit as st

from aecore.runs.store import Store
from pages.components import jobs, links, look
from pages.components.code import code_map, head, measured, picture, subject, unit, units
from pages.components.entries import entries
from pages.components.explain import explain
from pages.components.system import portrait

page = links.Page("code", "c-")
link = page.arrive()
link.pop(page.key("run"), None)  # answered where it is picked
everyone = entries(Store().listing().runs, st.query_params.get(page.key("run"), ""))

look.apply()
with st.container(horizontal=True):
    entry = portrait.of_seed(page, portrait.pick(page, everyone))
    choice = st.container(width="content")
notes = st.container()
head.show(entry)
progress = st.container()  # made before what it reports on: see `jobs.watch`
late: measured.Late = {}
if code := subject.choose(entry):
    activity, late = measured.activity(code)
    with choice:
        shown = units.pick(page, code, link, activity)
    if activity:
        costs, late = measured.costs(code)
        cost, its_own = measured.cost_of(code, shown)
        late |= its_own
        every, one = st.columns([2, 3], gap="large")
        with every:
            st.subheader("Units")
            units.table(page, code, activity, costs, shown)
        with one:
            unit.show(page, code, activity, shown, cost)
        with one if code.is_flat else every:  # where there is room: a channel has maps below its pictures
            unit.density(code, activity, shown)
        explain("How to read the units", head.EXPLANATION)
        st.subheader(units.HEADING)
        units.figures_of_all(page, code, activity, costs, shown)
        st.subheader(picture.HEADING)
        picture.show(page, code, activity)
        st.subheader(code_map.HEADING)
        code_map.show(page, code.run, code.dataset)
        subject.offer(code)
with progress:
    jobs.watch(late, head.progress(late))
with notes:
    page.note(link)
