"""A run of one's own: its title, its note, and the button that deletes it."""

from __future__ import annotations

import streamlit as st

from aecore import AecoreError
from aecore.runs import notes
from aecore.runs.notes import LONGEST_TEXT, LONGEST_TITLE, Note
from aecore.runs.store import Run, Store
from pages.app.pages import GALLERY
from pages.components import look

_GONE = "run was deleted"


def leave_if_gone() -> None:
    """Go to the gallery after the run that this page was about was deleted; call it first on the page."""
    if st.session_state.pop(_GONE, False):
        # Given none, Streamlit refuses to clear an address that widgets are bound to.
        st.switch_page(GALLERY.path, query_params={})


def show(run: Run) -> None:
    """The controls, folded."""
    note, label = notes.read(run), look.label(run.spec)
    with st.expander("Title, note, delete", icon=":material/edit_note:"):
        with st.form(f"note {run.key}", border=False):
            title = st.text_input("Title", note.title, max_chars=LONGEST_TITLE, placeholder=label)
            text = st.text_area("Note", note.text, max_chars=LONGEST_TEXT, placeholder="What you wanted to find out")
            if st.form_submit_button("Save", icon=":material/save:"):
                _save(run, Note(title.strip(), text.strip()))
        st.button("Delete this run", icon=":material/delete:", type="tertiary", on_click=_confirm, args=[run])
    if note.text:
        st.caption(look.in_markdown(note.text))


def _save(run: Run, note: Note) -> None:
    try:
        notes.write(run, note)
    except AecoreError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.rerun()


@st.dialog("Delete this run?")
def _confirm(run: Run) -> None:
    if st.session_state.get(_GONE):
        st.rerun()  # of the whole page: the button has drawn this dialog alone
    st.markdown(
        f"`{look.label(run.spec)}` is deleted for good: its weights, scores and curve. The same recipe can be trained "
        "again."
    )
    st.button("Delete", icon=":material/delete:", type="primary", on_click=_delete, args=[run])


def _delete(run: Run) -> None:
    try:
        Store().remove(run)
    except AecoreError as error:
        st.toast(str(error), icon=":material/error:")
    else:
        st.session_state[_GONE] = True
