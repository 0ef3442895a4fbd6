"""Train: change a system's recipe, see what it will cost, launch it, and watch it learn."""

import streamlit as st

from aecore.runs.store import Store
from pages.components import links, look
from pages.components.train import bar, costs, launch, live, queue_list, recipes

page = links.Page("train")
link = page.arrive()
if watched := link.pop(queue_list.WATCHED, None):
    st.session_state[queue_list.WATCHED] = watched[0]
recipes.take_layers(page, link)
runs = Store().listing().runs

look.apply()
st.title("Train")
notes = st.container()
form, watch = st.columns([3, 5], gap="large")
with form:
    plan = recipes.form(page, recipes.starts(page, runs))
    if plan:
        costs.show(plan)
        with bar.place():
            launch.button(plan)
with watch:
    live.panel(recipes.example(page, runs))
with notes:
    page.note(link)
