"""Where the photograph comes from: the samples, or a person's own."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from aecore.data import photographs
from aecore.data.catalog import PHOTOGRAPHS, DatasetError
from aecore.data.photographs import MOST_BYTES, MOST_PIXELS, SUFFIXES, Photograph
from pages.components import look
from pages.components.photos import brought, paste, work
from pages.components.photos.brought import File
from pages.components.photos.choices import PAGE

_SAMPLES, _OWN = "Samples", "Your own"
_FIRST = "coffee"
_MEGABYTE = 1_000_000


def pick() -> Photograph | None:
    """The controls that pick a photograph; None where there is none yet."""
    source = PAGE.segments("Photograph from", [_SAMPLES, _OWN], "from")
    if source == _OWN:
        return _own()
    names = list(PHOTOGRAPHS)
    name = st.selectbox(
        "Photograph",
        names,
        names.index(_FIRST),
        key=PAGE.key("photograph"),
        bind="query-params",
        help="The colour photographs that come with scikit-image.",
    )
    try:
        return _sample(name)
    except DatasetError as error:
        st.error(str(error), icon=":material/broken_image:")
        return None


@st.cache_resource(max_entries=len(PHOTOGRAPHS), show_spinner=False)
def _sample(name: str) -> Photograph:
    return photographs.sample(name)


def _own() -> Photograph | None:
    held = brought.here()
    _bring(held.times)
    for sentence in held.refused:
        st.error(look.in_markdown(sentence), icon=":material/broken_image:")
    if held.made_room:
        gone = look.in_markdown(look.listed(held.made_room))
        limits = f"{brought.MOST} photographs, of {brought.MOST_HELD // _MEGABYTE} MB together"
        st.info(f"{gone} had to make room: at most {limits}, are held.", icon=":material/info:")
    if not held.files:
        return None
    # Chosen anew each time that one is brought: the latest.
    place = st.selectbox(
        "Photograph",
        range(len(held.files)),
        len(held.files) - 1,
        format_func=lambda place: _title(held.files, place),
        key=f"own photograph {held.times} of {len(held.files)}",
    )
    file = held.files[place]
    st.button("Remove it", icon=":material/delete:", on_click=_remove, args=(file,), key="remove photograph")
    return brought.photograph(file)


def _add(files: Sequence[tuple[str, bytes]]) -> None:
    for gone in brought.add(files):
        work.forget(gone.digest)


def _remove(file: File) -> None:
    brought.remove(file)
    work.forget(file.digest)


def _bring(times: int) -> None:
    """Ways to bring photographs. Each is empty again once it has, so that the files are held only once."""
    upload, camera = f"upload {times}", f"camera {times}"

    def uploaded() -> None:
        _add([(file.name, file.getvalue()) for file in st.session_state[upload]])

    def taken() -> None:
        if shot := st.session_state[camera]:
            _add([("camera.jpg", shot.getvalue())])

    with st.container(gap="xsmall"):
        st.file_uploader(
            "Upload photographs",
            list(SUFFIXES),
            accept_multiple_files=True,
            max_upload_size=MOST_BYTES // _MEGABYTE,
            key=upload,
            on_change=uploaded,
            help=f"At most {MOST_BYTES // _MEGABYTE} MB and {MOST_PIXELS // _MEGABYTE} megapixels each. They are held "
            "in the memory of this server until you close the page, and are not stored.",
        )
        paste.listen(brought.MOST, _add)
    if st.toggle("Use the camera", key="use the camera"):
        st.camera_input("Take a photograph", key=camera, on_change=taken, label_visibility="collapsed")


def _title(files: list[File], place: int) -> str:
    """The title of a file, with a number where others have the same."""
    title = files[place].title
    before = sum(file.title == title for file in files[:place])
    return f"{title} ({before + 1})" if before else title
