"""Fragments within fragments: whatever Streamlit drops of a fragment, what it still sends has its place on the page.

Where a control is used while its fragment is still being drawn, Streamlit drops everything of that fragment that the
browser does not have yet, and sends what the fragments within it drew. A browser that is told to put something at a
place that does not exist shows an error instead of the page.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.testing.v1 import AppTest

from pages.app.pages import BYTES, CLAIMS, COMPARE, DENOISE, PAGES, Page

ROOT = Path(__file__).parents[2]
# So that every part of these pages is drawn, and quickly.
CHOICES: dict[Page, dict[str, str | list[str]]] = {
    BYTES: {"b-coders": ["JPEG", "WebP"], "b-count": "2"},
    COMPARE: {"models": ["dense", "blur"], "count": "2", "level": "0.2"},
    CLAIMS: {"claim": "strided"},
    DENOISE: {"denoisers": ["denoise-030", "blur"], "d-count": "2", "d-noise": "Masking"},
}


@pytest.fixture
def drawn() -> Iterator[list[ForwardMsg]]:
    """What is drawn, message by message."""
    messages: list[ForwardMsg] = []

    def keep(message: ForwardMsg) -> None:
        if message.HasField("delta"):
            messages.append(ForwardMsg.FromString(message.SerializeToString()))

    ForwardMsgQueue.on_before_enqueue_msg(keep)
    yield messages
    ForwardMsgQueue.on_before_enqueue_msg(None)


def is_control(message: ForwardMsg) -> bool:
    element = message.delta.new_element
    kind = element.WhichOneof("type")
    return kind is not None and bool(getattr(getattr(element, kind), "id", ""))


def sent(messages: Iterable[ForwardMsg], dropped: str) -> Iterator[ForwardMsg]:
    """The messages without those of the fragment `dropped` after its first control."""
    used = False
    for message in messages:
        own = message.delta.fragment_id == dropped
        if not (own and used):
            yield message
        used |= own and is_control(message)


def misplaced(messages: Iterable[ForwardMsg]) -> list[list[int]]:
    """The places that the browser cannot reach: below something that is not there, or after a gap."""
    places: set[tuple[int, ...]] = {(0,), (1,), (2,), (3,)}  # the main part, the sidebar, and two more
    wrong = []
    for message in messages:
        path = tuple(message.metadata.delta_path)
        *before, last = path
        if tuple(before) not in places or (last and (*before, last - 1) not in places):
            wrong.append(list(path))
        places.add(path)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.url)
def test_what_is_sent_of_a_fragment_that_was_dropped_has_its_place(page: Page, drawn: list[ForwardMsg]) -> None:
    app = AppTest.from_file(ROOT / "pages/app/navigation.py", default_timeout=60)
    app.query_params.update(CHOICES.get(page, {}))
    app.switch_page(str(page.path)).run()
    assert not app.exception
    fragments = {message.delta.fragment_id for message in drawn} - {""}
    assert fragments or page not in CHOICES
    assert misplaced(drawn) == []
    for fragment in fragments:
        assert misplaced(sent(drawn, fragment)) == []
