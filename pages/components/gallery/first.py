"""The gallery's first screen: what this is about, and the telling models whose pictures move under the noise."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from aecore.runs.store import Run
from pages.components.entries import Entry
from pages.components.gallery import moving
from pages.components.preload import SHEETS, preload

# One of each kind: fully connected, deep, a good compressor, one that need not compress, a denoiser.
TELLING = ("dense", "deep-strided-4-bn", "compress-128", "shallow-strided", "denoise-unet")
# The place is held free while the models are loaded, so that what is below does not jump.
_STYLE = """
<style>
  .st-key-moving-box { min-height: 232px; position: relative; }
  @media (min-width: 900px) {
    .st-key-moving-box > :has(> .st-key-moving-link) { position: absolute; right: 0; bottom: 0; width: auto; } }
  @media (min-width: 1700px) { .st-key-moving-box { min-height: 296px; } }
</style>
"""
_PAINTED = 1.0  # seconds after which the browser has painted the page: until then it needs the processor
_WHAT = (
    "An **autoencoder** squeezes a picture into a few numbers, its **code**, and rebuilds the picture from them. "
    "The systems here are those of a [study of 2018](https://github.com/rtflynn/Cifar-Autoencoder) and some of our own."
)


def telling(entries: Sequence[Entry]) -> list[Run]:
    """Those of the `TELLING` models whose weights are in the store."""
    runs = {entry.label: entry.run for entry in entries if entry.run and not entry.run.is_light}
    return [runs[name] for name in TELLING if name in runs]


def introduction(runs: Sequence[Run]) -> str:
    """What the page is about, and what to do first."""
    return f"{_WHAT} Move the noise slider to see what they make of noisy pictures." if runs else _WHAT


def show(runs: Sequence[Run]) -> None:
    """The pictures of the telling models; call it at the page's end, when all that needs no torch is painted."""
    if runs:
        st.html(_STYLE)
        moving.show(runs)
    preload(SHEETS, _PAINTED)
