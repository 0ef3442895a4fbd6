"""A look at how the network learns: half a minute of training in a process of its own, whose pictures sharpen here."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from aecore.files import background
from aecore.models.zoo import Start
from aecore.runs.store import Store
from aecore.scheduling import supervision
from aecore.training import machine
from pages.components import amounts, previews
from pages.components.build import pictures

SECONDS = 30
SHOWN_ROWS = 5
_EVERY = 0.5  # seconds between two looks at the process
_STATE, _BUSY = "look", "others look"


@dataclass
class Look:
    """A look at a line of layers: what its process has said so far."""

    line: str
    side: int  # height of a picture
    process: subprocess.Popen[str]
    glances: list[dict[str, Any]] = field(default_factory=list)
    failure: str = ""
    stopped: bool = False

    @property
    def is_running(self) -> bool:
        """Whether more is to come."""
        return self.process.poll() is None

    def follow(self) -> None:
        """Read what the process says, until it ends."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        for said in self.process.stdout:
            glance = json.loads(said)
            self.glances.append({**glance, "png": base64.b64decode(glance["png"])})
        lines = self.process.stderr.read().strip().splitlines()
        if self.process.wait() and not self.stopped:
            self.failure = lines[-1] if lines else "It was stopped from outside: memory may be short."

    def stop(self) -> None:
        """End it; what was seen stays."""
        self.stopped = True
        self.process.terminate()


# Of all sessions: each takes as many cores as a run, so that as many at once may learn as runs do.
_running: list[Look] = []
_lock = threading.Lock()


def button(start: Start) -> None:
    """The button that begins a look, unless one is going on or no data set has pictures of this shape."""
    seen = _seen()
    if (seen and seen.is_running) or not pictures.dataset_for(start):
        return
    st.button(
        "Look again" if _is_of(seen, start) else "30-second look",
        icon=":material/play_arrow:",
        on_click=_begin,
        args=(start,),
        help="Trains on a few thousand pictures, with the default recipe, and shows the pictures sharpen. "
        "Nothing is stored.",
    )


def panel(start: Start | None) -> None:
    """The pictures of the untrained network, or as a look shows them."""
    seen = _seen()
    if seen and seen.is_running:
        st.fragment(_watch, run_every=_EVERY)(seen, _is_of(seen, start))
        return
    if st.session_state.pop(_BUSY, False):
        st.info("Somebody else's look is going on: try again in half a minute.", icon=":material/hourglass_top:")
    if seen and _is_of(seen, start):
        _show(seen)
    elif start:
        pictures.untrained(start)


def _seen() -> Look | None:
    look: Look | None = st.session_state.get(_STATE)
    return look


def _is_of(seen: Look | None, start: Start | None) -> bool:
    """Whether a look was taken at these layers."""
    return seen is not None and start is not None and seen.line == str(start.architecture)


def _begin(start: Start) -> None:
    with _lock:
        _running[:] = [other for other in _running if other.is_running]
        if len(_running) >= max(1, machine.cores() // 2):
            st.session_state[_BUSY] = True
            return
        command = background.command("look", str(start.architecture), "--seconds", SECONDS, "--json")
        process = subprocess.Popen(
            command,
            cwd=background.ROOT,
            env=supervision.variables(Store().root),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun = Look(str(start.architecture), start.architecture.input_shape[1], process)
        _running.append(begun)
    # A thread that only reads: it knows nothing of the page, which looks at what was read.
    threading.Thread(target=begun.follow, daemon=True).start()
    st.session_state[_STATE] = begun


def _watch(seen: Look, is_of_this: bool) -> None:
    if not seen.is_running:
        st.rerun()
    spent = seen.glances[-1]["seconds"] if seen.glances else 0.0
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        text = f"Learning for {min(spent, SECONDS):.0f} of {SECONDS} s" if seen.glances else "Reading the pictures"
        st.progress(min(spent / SECONDS, 1.0), text if is_of_this else f"{text}, with the layers as they were then")
        st.button("Stop", icon=":material/stop:", on_click=seen.stop)
    _show(seen)


def _show(seen: Look) -> None:
    if seen.failure:
        st.error(seen.failure, icon=":material/error:")
    if not seen.glances:
        return
    last = seen.glances[-1]
    rows = [("original", last["png"], 0)]
    rows += [(_when(glance), glance["png"], 1) for glance in previews.spread(seen.glances, SHOWN_ROWS)]
    previews.rows(rows, seen.side)
    if not last["pictures"]:
        st.caption("It has not learned from any picture yet." if seen.is_running else "It was stopped at once.")
        return
    st.caption(
        f"{last['psnr']:.1f} dB on validation pictures after {last['pictures']:,} pictures "
        f"in {amounts.duration(last['seconds'])}."
    )


def _when(glance: dict[str, Any]) -> str:
    return f"{glance['seconds']:.0f} s" if glance["pictures"] else "untrained"
