"""What runs first on every page: page config and navigation over the pages, nothing else."""

import streamlit as st

from pages.app import paths

# An icon of our own: Streamlit fetches the Material one for the tab from the network.
st.set_page_config("Autoencoders side by side", paths.ICON, layout="wide")

gallery = st.Page(paths.GALLERY, title="Gallery", icon=":material/grid_view:", default=True)
compare = st.Page(paths.COMPARE, title="Compare", icon=":material/compare:")
denoise = st.Page(paths.DENOISE, title="Denoise", icon=":material/blur_on:")
train = st.Page(paths.TRAIN, title="Train", icon=":material/model_training:")
# Opened from the gallery: the page of one system, `/system?run=…`.
system = st.Page(paths.SYSTEM, title="System", icon=":material/schema:", visibility="hidden")

st.navigation([gallery, compare, denoise, train, system], position="top").run()
