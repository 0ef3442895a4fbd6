"""Bring a model: a run that was exported here or elsewhere, or somebody's ONNX model; and the list of the latter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from aecore import AecoreError
from aecore.data import catalog
from aecore.data.catalog import CROPS, SOURCES
from aecore.reconstructors import foreign
from aecore.reconstructors.foreign import LONGEST_LICENCE, Model
from aecore.runs import bundles
from aecore.runs.store import Store
from pages.app.pages import COMPARE, SYSTEM
from pages.components import look
from pages.components.links import MOST_MODELS

LARGEST = 300  # megabytes of a file
_JOINED = "model that joined"
_WIDTH = 388  # as the gallery's cards
_RULE = (
    "A **.zip** that System exports, or an **.onnx** file from elsewhere that maps pictures `[N, C, H, W]` with values "
    "in [0, 1] to the same shape. It joins every page, under the same noise and metrics. An ONNX file runs in a "
    "process of its own, without network and with limits on memory and time."
)


@dataclass(frozen=True)
class _Arrival:
    """What was brought: the label that it has on every page, and a sentence."""

    label: str
    is_run: bool
    sentence: str


def button(*, small: bool = False) -> None:
    """The button that opens the dialog."""
    kind: Literal["secondary", "tertiary"] = "tertiary" if small else "secondary"
    if st.button("Bring a model", icon=":material/upload_file:", type=kind, key="bring", width="content"):
        _dialog()


def note() -> None:
    """Say what was brought just now, with the way to it."""
    arrival: _Arrival | None = st.session_state.pop(_JOINED, None)
    if arrival is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="joined"):
        st.success(arrival.sentence, icon=":material/check:", width="stretch")
        if arrival.is_run:
            SYSTEM.link("Open it", run=arrival.label)
        COMPARE.link("Compare it", models=[arrival.label])


def choose(key: str) -> None:
    """Add what was brought just now to the choice of models at `key`; call it before that is drawn."""
    arrival: _Arrival | None = st.session_state.pop(_JOINED, None)
    if arrival is None:
        return
    st.toast(arrival.sentence, icon=":material/check:")
    chosen = [label for label in st.session_state.get(key) or () if label != arrival.label]
    st.session_state[key] = [*chosen, arrival.label][-MOST_MODELS:]


def models() -> None:
    """The models from elsewhere, each with what is known of it and a way to remove it; nothing where there are none."""
    listing = foreign.listing(Store().root)
    if not listing.models and not listing.damaged:
        return
    st.header("Models of others")
    for sentence in listing.damaged:
        st.warning(sentence, icon=":material/healing:")
    with st.container(horizontal=True):
        for model in listing.models:
            _card(model)


def _card(model: Model) -> None:
    # A dot would end the name of a CSS class; no model has an underscore in its name.
    with st.container(border=True, width=_WIDTH, key=f"foreign-{model.name.replace('.', '_')}"):
        st.markdown(f"**{look.in_markdown(model.name)}**  \n:gray[`{model.label}`]")
        licence = look.in_markdown(model.licence) if model.licence else "not stated"
        st.markdown(f"Takes pictures of {model.sizes}. Licence: {licence}.")
        st.caption(f"ONNX file, SHA-256 {model.sha256[:12]}…")
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            COMPARE.link("Compare", disabled=_obstacle(model), models=[model.label])
            st.button(
                "Remove",
                icon=":material/delete:",
                type="tertiary",
                key=f"remove {model.key}",
                on_click=_remove,
                args=[model],
            )


def _obstacle(model: Model) -> str:
    """Why Compare cannot show the model; empty where it can."""
    fitting = (name for name in (*SOURCES, *CROPS) if model.takes(catalog.shape_of(name)))
    return "" if any(map(catalog.here, fitting)) else f"No data set here has pictures of {model.sizes}."


def _remove(model: Model) -> None:
    try:
        foreign.remove(Store().root, model.name)
    except AecoreError as error:
        st.toast(str(error), icon=":material/error:")
    else:
        st.toast(f"{model.label} was removed.", icon=":material/delete:")


@st.dialog("Bring a model", width="medium")
def _dialog() -> None:
    st.markdown(_RULE)
    file = st.file_uploader(
        "File", ["zip", "onnx"], max_upload_size=LARGEST, key="brought", label_visibility="collapsed"
    )
    is_model = file is not None and file.name.lower().endswith(".onnx")
    name = licence = ""
    if file is not None and is_model:
        with st.container(horizontal=True):
            name = st.text_input("Name", _suggested(file.name), key=f"name of {file.file_id}")
            licence = st.text_input(
                "Licence", max_chars=LONGEST_LICENCE, placeholder="For example MIT", key=f"licence of {file.file_id}"
            )
    added = st.button("Add", icon=":material/add:", type="primary", key="add brought", disabled=file is None)
    if added and file is not None:
        try:
            with st.spinner("Checking the model" if is_model else "Verifying the run"):
                arrival = _model(file, name, licence) if is_model else _run(file)
        except AecoreError as error:
            st.error(look.in_markdown(str(error)), icon=":material/block:")
        else:
            st.session_state[_JOINED] = arrival
            st.rerun()


def _model(file: UploadedFile, name: str, licence: str) -> _Arrival:
    model = foreign.add(Store().root, name.strip(), file.getvalue(), licence)
    return _Arrival(model.label, False, f"{model.label} has joined: it takes pictures of {model.sizes}.")


def _run(file: UploadedFile) -> _Arrival:
    read = bundles.read(file, Store())
    label = look.label(read.run.spec)
    if read.was_here:
        return _Arrival(label, True, f"{label} was here already, and is intact.")
    # torch takes seconds to import, and the gallery is shown without it.
    from pages.components import cached

    cached.forget_runs()
    return _Arrival(label, True, f"{label} has joined.")


def _suggested(file: str) -> str:
    """A name made of a file's."""
    return re.sub(r"[^a-z0-9.]+", "-", file.lower().removesuffix(".onnx")).strip("-.")[:61]
