"""One's own zoo: saving an architecture under a name, and what was saved before."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from aecore.models import own_zoo, zoo
from aecore.models.architecture import Architecture
from aecore.models.own_zoo import OwnZooError
from aecore.models.recipe import NAME_RULE
from pages.components import downloads, look
from pages.components.build import line
from pages.components.downloads import File
from pages.components.links import Page

_SAID, _SAVED = "said of the own zoo", "name that was saved"


def popover(page: Page, architecture: Architecture | None) -> None:
    """Save under a name; open, rename, remove and download what is saved."""
    with st.popover("Save", icon=":material/bookmark:"):
        _save(page, architecture)
        contents = zoo.own_zoo().read()
        for sentence in contents.damaged:
            st.warning(look.in_markdown(sentence), icon=":material/healing:")
        if contents.architectures:
            st.markdown("**Saved architectures**")
            for name, saved in contents.architectures.items():
                _saved(page, name, saved)
            downloads.button(
                own_zoo.FILE,
                File(own_zoo.FILE, "application/toml", zoo.own_zoo().path.read_bytes),
                type="tertiary",
                help="All of them in a file to share: put it beside the runs of another dashboard.",
            )
        # Here, since what a callback shows would take the place of the page's first element.
        if said := st.session_state.pop(_SAID, ""):
            st.error(look.in_markdown(said), icon=":material/error:")
        if name := st.session_state.pop(_SAVED, ""):
            st.toast(f"Saved {name}: Train and `python -m aecore train {name}` know it.", icon=":material/bookmark:")


def _save(page: Page, architecture: Architecture | None) -> None:
    key = page.key("name")

    def save() -> None:
        assert architecture is not None
        name = st.session_state[key].strip()
        if _done(lambda: zoo.own_zoo().save(name, architecture)):
            st.session_state[key] = ""
            st.session_state[_SAVED] = name

    st.text_input("Name", key=key, placeholder="my-network", help=f"For a name, {NAME_RULE}.")
    st.button(
        "Save these layers",
        type="primary",
        icon=":material/save:",
        on_click=save,
        disabled=architecture is None,
        help="The line has problems: mend them first." if architecture is None else None,
        width="stretch",
    )


def _saved(page: Page, name: str, saved: Architecture) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            name,
            key=f"open {name}",
            type="tertiary",
            help=str(saved).replace("|", "→"),
            on_click=line.change,
            args=(page, str(saved)),
            width="stretch",
        )
        new = f"new name of {name}"
        with st.popover("", icon=":material/edit:", key=f"rename {name}"):
            st.text_input("New name", name, key=new)
            st.button(
                "Rename",
                key=f"renamed {name}",
                on_click=_rename,
                args=(name, new),
            )
        st.button(
            "",
            key=f"remove {name}",
            icon=":material/delete:",
            help=f"Remove {name} from the list; its runs stay.",
            on_click=_remove,
            args=(name,),
        )


def _rename(name: str, new: str) -> None:
    _done(lambda: zoo.own_zoo().rename(name, st.session_state[new].strip()))


def _remove(name: str) -> None:
    _done(lambda: zoo.own_zoo().remove(name))


def _done(edit: Callable[[], None]) -> bool:
    """Whether an edit of the zoo could be made; if not, what is wrong is said below the list."""
    try:
        edit()
    except OwnZooError as error:
        st.session_state[_SAID] = str(error)
        return False
    return True
