"""The last part of the form, in view wherever the form ends: the button, or why there is none."""

from __future__ import annotations

import streamlit as st

_STYLE = """
<style>
  :has(> .st-key-launch-bar) { position: sticky; bottom: 0; z-index: 2; }
  .st-key-launch-bar { padding: 0.75rem 0; backdrop-filter: blur(12px); }
</style>
"""


def place() -> st.delta_generator.DeltaGenerator:
    """Its place; call it once, after all other parts of the form."""
    st.html(_STYLE)
    return st.container(key="launch-bar", gap="small")
