"""Buttons whose file is made when they are clicked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Literal

import streamlit as st
from streamlit import runtime

_HELD = 4  # files, of all visitors: a browser asks for its file as soon as it is made
_numbers = count()


@dataclass(frozen=True)
class File:
    """A file that is to be made; `make` runs in a thread without a session."""

    name: str
    media_type: str
    make: Callable[[], bytes]


def button(
    label: str,
    file: File,
    *,
    help: str | None = None,
    disabled: bool = False,
    type: Literal["secondary", "tertiary"] = "secondary",
) -> None:
    """A button that makes a file and saves it."""
    st.download_button(
        label,
        lambda: _held(file),
        file.name,
        file.media_type,
        help=help,
        on_click="ignore",
        type=type,
        icon=":material/download:",
        disabled=disabled,
    )


def _held(file: File) -> bytes:
    """The content of a file, which the server remembers until `_HELD` others are made.

    Streamlit stores what a click makes for no session at all, and forgets it after two script runs of anybody's have
    ended. On a busy server that may be before the browser asks for it.
    """
    content = file.make()
    place = f"download {next(_numbers) % _HELD}"
    files = runtime.get_instance().media_file_mgr
    files.add(content, file.media_type, place, file.name, is_for_static_download=True)
    return content
