"""Build: compose an architecture from layers, see at once what it is and costs, and how it begins to learn."""

import streamlit as st

from pages.components import links, look
from pages.components.build import line, workshop

page = links.Page("build")
link = page.arrive()
line.arrive(page, link)

look.apply()
st.title("Build")
notes = st.container()
workshop.show(page)
with notes:
    page.note(link)
