"""The viewer's stored answers: read, taken along as a table, or deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd
import streamlit as st

from aecore import AecoreError
from aecore.runs.store import Store
from aecore.studies.answers import Answer, Answers, AnswersError
from pages.components import downloads
from pages.components.tell import choices

_DELETED = "answers were deleted"


def read(quiet: bool = False) -> list[Answer]:
    """The stored answers; says what cannot be read, unless `quiet`."""
    try:
        answers, damaged = Answers(Store().root).read()
    except AnswersError as error:
        answers, damaged = [], [str(error)]
    for sentence in () if quiet else damaged[:3]:
        st.warning(sentence, icon=":material/healing:")
    return answers


def export() -> None:
    """What can be done with the stored answers, of both modes and all data sets: take them along, or delete them."""
    with st.container(horizontal=True):
        downloads.button(
            "Answers",
            downloads.table("answers.csv", lambda: csv(read(quiet=True))),
            help="Every answer that is stored on this machine, as a CSV file",
        )
        st.button("Delete my answers", icon=":material/delete:", type="tertiary", on_click=_confirm)


def csv(answers: Sequence[Answer]) -> str:
    """One row per answer; the metrics of both reconstructions are columns of their own."""
    rows = [asdict(answer) | {"is_right": answer.is_right} for answer in answers]
    return str(
        pd.json_normalize(rows, sep=" ").rename(columns=lambda name: name.replace(" scores", "")).to_csv(index=False)
    )


@st.dialog("Delete all your answers?")
def _confirm() -> None:
    if st.session_state.pop(_DELETED, False):
        st.rerun()  # closes the dialog
    count = len(read(quiet=True))
    st.markdown(f"{count:,} answers of both tests, on every data set, are deleted for good.")
    st.button("Delete", icon=":material/delete:", type="primary", on_click=_delete)


def _delete() -> None:
    try:
        Answers(Store().root).clear()
    except AecoreError as error:
        st.toast(str(error), icon=":material/error:")
    else:
        st.session_state[_DELETED] = True
        st.session_state.pop(choices.STORED, None)  # the same rounds may be answered anew
        choices.draw_again()
