"""The line of layers that is being built: where it comes from, and what one may start from."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from aecore.models import zoo
from aecore.models.diagnosis import Diagnosis, diagnose
from aecore.models.zoo import Start
from aecore.runs.groups import groups
from aecore.runs.store import Run
from pages.components import look
from pages.components.entries import is_for_claims
from pages.components.links import Asked, Page

PARAMETER = "line"  # its name in the address
FIRST = "shallow-strided"
NOTHING = "Nothing"
LONGEST = 20_000  # characters that are read; `MOST_LAYERS` layers take a tenth of them
_SEQUENCE = "line sequence"


def arrive(page: Page, link: Asked) -> None:
    """Take the line of the link that was followed; at first it is that of a system."""
    key = page.key(PARAMETER)
    if wanted := link.get(PARAMETER):
        st.session_state[key] = wanted[0][:LONGEST]
    elif key not in st.session_state:
        st.session_state[key] = str(zoo.SYSTEMS[FIRST].architecture)


def read(page: Page) -> tuple[Diagnosis, int]:
    """The line with all that is known of it, and the number of the browser's last change."""
    text: str = st.session_state[page.key(PARAMETER)]
    return diagnose(text), st.session_state.get(_SEQUENCE, 0)


def change(page: Page, text: str, sequence: int | None = None) -> None:
    """Go on with another text: the browser's, with the number of its change, or one that was chosen on the page."""
    st.session_state[page.key(PARAMETER)] = text[:LONGEST]
    if sequence is not None:
        st.session_state[_SEQUENCE] = sequence


def start_from(page: Page, runs: Sequence[Run]) -> None:
    """A list of what to start from; choosing one puts its layers in place of the line."""
    starts = _starts(runs)
    key = page.key("from")

    def take() -> None:
        chosen = st.session_state[key]
        if chosen is not None:
            change(page, str(starts[chosen].architecture) if chosen != NOTHING else "")
        st.session_state[key] = None  # so that the same one can be chosen again

    st.selectbox(
        "Start from",
        [NOTHING, *starts],
        None,
        key=key,
        on_change=take,
        placeholder="A system, a run, or nothing",
        help="Its layers take the place of those below. Undo brings them back.",
        width=260,
    )


def _starts(runs: Sequence[Run]) -> dict[str, Start]:
    """Every system, saved architecture and run of one's own, by the label that people know."""
    firsts = [group.first.spec for group in groups(runs) if not is_for_claims(group)]
    own_runs = {look.label(spec): zoo.from_run(spec) for spec in firsts if not zoo.is_own(spec)}
    return {**zoo.saved_systems(), **zoo.SYSTEMS, **own_runs}
