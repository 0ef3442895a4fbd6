"""A visitor without a browser, who speaks Streamlit's own protocol: twenty of them load only the server."""

from __future__ import annotations

from contextlib import suppress
from typing import Self

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.Slider_pb2 import Slider
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

ANSWERS = 0.2  # seconds without another message after which a part of the page is complete


class Session:
    """One open page. Use it as a context manager."""

    def __init__(self, address: str, page: str, query: str) -> None:
        """Request `page` (its name in the address) with `query`, and wait until it is complete."""
        self._query, self._page = query, page
        self._sliders: dict[str, tuple[Slider, str]] = {}
        self._repeating: list[str] = []
        self._socket: ClientConnection = connect(
            f"{address.replace('http', 'ws')}/_stcore/stream", subprotocols=[Subprotocol("streamlit")], max_size=None
        )
        ask = BackMsg()
        ask.rerun_script.query_string = query
        ask.rerun_script.page_name = page
        self._script = ""
        self._ask(ask)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def slide(self, label: str, value: float) -> None:
        """Release the slider of this label at `value`, and wait for the page's answer."""
        slider, fragment = self._sliders[label]
        ask = BackMsg()
        ask.rerun_script.query_string = self._query
        ask.rerun_script.page_script_hash = self._script
        ask.rerun_script.fragment_id = fragment
        state = ask.rerun_script.widget_states.widgets.add(id=slider.id)
        state.double_array_value.data.append(value)
        self._ask(ask)

    def tick(self) -> None:
        """Rerun the parts of the page that redraw themselves at intervals, and read the answers."""
        for fragment in self._repeating:
            ask = BackMsg()
            ask.rerun_script.query_string = self._query
            ask.rerun_script.page_script_hash = self._script
            ask.rerun_script.fragment_id = fragment
            ask.rerun_script.is_auto_rerun = True
            self._socket.send(ask.SerializeToString())
        with suppress(TimeoutError):
            while True:
                self._socket.recv(timeout=ANSWERS)

    def _ask(self, question: BackMsg) -> None:
        self._socket.send(question.SerializeToString())
        while True:
            answer = ForwardMsg.FromString(self._socket.recv())
            kind = answer.WhichOneof("type")
            if kind == "new_session":
                self._script = answer.new_session.page_script_hash
            elif kind == "auto_rerun":
                self._repeating = [answer.auto_rerun.fragment_id]
            elif kind == "delta" and answer.delta.new_element.WhichOneof("type") == "slider":
                slider = answer.delta.new_element.slider
                self._sliders[slider.label] = (slider, answer.delta.fragment_id)
            elif kind == "script_finished":
                return
