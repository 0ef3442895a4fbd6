"""The dashboard: `streamlit run dashboard.py`."""

import streamlit as st

# An icon of our own: Streamlit fetches the Material one for the tab from the network.
st.set_page_config("Autoencoders side by side", "docs/icon.png", layout="wide")

gallery = st.Page("pages/explore/gallery.py", title="Gallery", icon=":material/grid_view:", default=True)
compare = st.Page("pages/explore/compare.py", title="Compare", icon=":material/compare:")

st.navigation([gallery, compare], position="top").run()
