"""What runs first on every page: page config and navigation over the pages, nothing else."""

import streamlit as st

from pages.app.pages import ICON, PAGES

# An icon of our own: Streamlit fetches the Material one for the tab from the network.
st.set_page_config("Autoencoders side by side", ICON, layout="wide")

st.navigation(
    [
        st.Page(
            page.path,
            title=page.title,
            icon=f":material/{page.icon}:",
            default=page is PAGES[0],
        )
        for page in PAGES
    ],
    position="top",
).run()
