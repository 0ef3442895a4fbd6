"""The photographs that a person brought: uploaded, pasted or taken. They are held for this session, as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st

from aecore.data import photographs
from aecore.data.photographs import Photograph, PhotographError

MOST = 8
MOST_HELD = 80_000_000  # bytes of files
_BROUGHT, _DECODED = "photographs brought", "photograph decoded"


@dataclass(frozen=True)
class File:
    """A file that is a photograph, under the title that it is shown with."""

    title: str
    digest: str
    content: bytes = field(repr=False)


@dataclass
class Brought:
    """What was brought so far, the latest last, and what happened the last time: a sentence for each file that was not
    taken, and the titles of the older ones that made room."""

    files: list[File] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    made_room: list[str] = field(default_factory=list)
    times: int = 0


def here() -> Brought:
    """Those of this session."""
    brought: Brought = st.session_state.setdefault(_BROUGHT, Brought())
    return brought


def add(files: Sequence[tuple[str, bytes]]) -> list[File]:
    """Take the files that are photographs, by name and content; returns the oldest, which made room for them."""
    brought = here()
    brought.times += 1
    brought.refused = []
    if left := files[MOST:]:
        brought.refused.append(f"At most {MOST} photographs are taken at once: {len(left)} left out.")
    for name, content in files[:MOST]:
        try:
            photograph = photographs.read(content, name)
        except PhotographError as error:
            brought.refused.append(str(error))
            continue
        same = [file for file in brought.files if file.digest == photograph.digest]
        for file in same:
            brought.files.remove(file)
        brought.files.append(File(photograph.title, photograph.digest, content))
        st.session_state[_DECODED] = photograph
    gone = []
    while len(brought.files) > MOST or sum(len(file.content) for file in brought.files) > MOST_HELD:
        gone.append(brought.files.pop(0))
    brought.made_room = [file.title for file in gone]
    return gone


def remove(file: File) -> None:
    """Forget a file."""
    here().files.remove(file)
    here().made_room = []
    st.session_state.pop(_DECODED, None)


def photograph(file: File) -> Photograph:
    """The photograph in a file; the one that was asked for last is held decoded."""
    held: Photograph | None = st.session_state.get(_DECODED)
    if held is None or held.digest != file.digest:
        held = photographs.read(file.content, file.title)
        st.session_state[_DECODED] = held
    return held
