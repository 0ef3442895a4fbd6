"""What runs first on every page: page config and navigation over the pages, nothing else."""

import streamlit as st

from pages.components import paths

# An icon of our own: Streamlit fetches the Material one for the tab from the network.
st.set_page_config("Autoencoders side by side", paths.ICON, layout="wide")

gallery = st.Page(paths.GALLERY, title="Gallery", icon=":material/grid_view:", default=True)
compare = st.Page(paths.COMPARE, title="Compare", icon=":material/compare:")
train = st.Page(paths.TRAIN, title="Train", icon=":material/model_training:")

st.navigation([gallery, compare, train], position="top").run()
