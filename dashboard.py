"""The dashboard: `streamlit run dashboard.py`. The pages are listed in `pages/app/pages.py`.

An app and not a script: beside a folder called `pages`, Streamlit takes a script for one with its old kind of pages
until the script has run once, and answers a link to any page but the first with "Page not found".
"""

import streamlit as st
from starlette.middleware import Middleware

from aecore.files import allocator
from pages.app import model_route, package_route
from pages.app.server import AddedScript
from pages.components.gallery import figure_file
from pages.components.preload import FIRST_PICTURES, preload

# Before any thread starts: a page is computed by several, and each script run has a new one.
allocator.share_freed_memory()
if not figure_file.is_any_stored():
    # While the browser loads the page, whose first pictures need it.
    preload(FIRST_PICTURES)

app = st.App(
    "pages/app/navigation.py", routes=[package_route.route(), model_route.route()], middleware=[Middleware(AddedScript)]
)
