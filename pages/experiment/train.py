"""Train: change a system's recipe, see what it will cost, launch it, and watch it learn."""

import streamlit as st

from aecore.runs.store import Store
from pages.components import links, look
from pages.components.train import costs, launch, live, recipes

look.apply()
st.title("Train")
notes = st.container()
form, watch = st.columns([3, 5], gap="large")
with form:
    starts = recipes.starts(Store().listing().runs)
    link = links.asked(recipes.PAGE, recipes.CHOICES)
    plan = recipes.form(starts)
    if plan:
        costs.show(plan)
        launch.button(plan)
    links.keep(recipes.PAGE, recipes.CHOICES)
with watch:
    live.panel()
with notes:
    links.note(link)
