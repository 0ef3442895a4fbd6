"""Claims: what the study of 2018 says, each sentence with its verdict; one of them opened, with all it rests on."""

import streamlit as st

from aecore.runs.store import Store
from aecore.studies.claims import CLAIMS
from pages.components import links, look
from pages.components.claims import overview, reading

page = links.Page("claims")
link = page.arrive()
link.pop(overview.ADDRESS, None)  # answered here
root = Store().root
wanted = st.query_params.get(overview.ADDRESS)

look.apply()
if wanted in CLAIMS:
    from pages.components.claims import detail  # it brings torch, which the list does not need

    detail.show(page, root, CLAIMS[wanted])
else:
    st.title("Claims")
    if wanted:
        st.warning(f"There is no claim {look.in_markdown(wanted)}: here are all of them.", icon=":material/link_off:")
    judgements = reading.all_judgements(reading.published(root))
    overview.tally(judgements)
    overview.rows(judgements)
page.note(link)
