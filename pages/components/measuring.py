"""How fast an architecture trains here: measured in about a second, at a press."""

from __future__ import annotations

import subprocess

import streamlit as st

from aecore.files import background
from aecore.models.recipe import RunSpec
from aecore.runs.store import Store
from aecore.scheduling import supervision

PATIENCE = 120  # seconds; a measurement takes about one, and loading torch a few


def measure(spec: RunSpec, device: str) -> None:
    """Train for a second in a process of its own, since torch must not compute for long in a page's thread.

    The page is run again with the speed, or an error says why there is none.
    """
    command = background.command(
        "measure", str(spec.architecture), "--batch-size", spec.recipe.batch_size, "--device", device
    )
    with st.spinner("Training for a second"):
        try:
            subprocess.run(
                command,
                cwd=background.ROOT,
                env=supervision.variables(Store().root),
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            said = error.stderr.strip().splitlines() or ["Measuring was stopped from outside: memory may be short."]
            st.error(said[-1], icon=":material/timer_off:")
            return
        except subprocess.TimeoutExpired:
            st.error(f"Measuring took longer than {PATIENCE} s: the device may be busy.", icon=":material/timer_off:")
            return
    st.rerun()
