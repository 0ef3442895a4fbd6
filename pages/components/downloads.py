"""Buttons whose file is made when they are clicked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import Literal

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import ScriptRunContext, add_script_run_ctx, get_script_run_ctx


@dataclass(frozen=True)
class File:
    """A file that is to be made; `make` runs in a thread without a session."""

    name: str
    media_type: str
    make: Callable[[], bytes]


def table(name: str, text: Callable[[], str]) -> File:
    """A CSV file of the `text`, with the mark by which Excel knows its encoding."""
    return File(name, "text/csv", lambda: text().encode("utf-8-sig"))


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
        partial(_held, file, get_script_run_ctx()),
        file.name,
        file.media_type,
        help=help,
        on_click="ignore",
        type=type,
        icon=":material/download:",
        disabled=disabled,
    )


def _held(file: File, context: ScriptRunContext | None) -> bytes:
    """The content of a file, which the server remembers for the session of `context` until its page runs again.

    Streamlit stores what a click makes for no session at all, and forgets it after two script runs of anybody's have
    ended. On a busy server that may be before the browser asks for it.
    """
    content = file.make()
    hold = partial(runtime.get_instance().media_file_mgr.add, is_for_static_download=True)
    # In a thread of that session: this one answers the clicks of all.
    holder = Thread(target=hold, args=(content, file.media_type, f"download {file.name}", file.name))
    add_script_run_ctx(holder, context)
    holder.start()
    holder.join()
    return content
