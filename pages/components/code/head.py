"""The head of the page: whose code it is, how large, and what is being computed."""

from __future__ import annotations

import streamlit as st

from aecore.measuring import units
from pages.app.pages import SYSTEM
from pages.components.code import measured
from pages.components.code.measured import Late
from pages.components.entries import Entry

EXPLANATION = (
    "- **Unit**: one number of a flat code, or one channel of a convolutional one. A channel's **activation** for a "
    "picture is its mean over the positions.\n"
    "- **Driven most and least**: the test pictures with the largest and the smallest activation. What the first have "
    "in common and the others lack is what the unit responds to.\n"
    "- **Cost of zeroing**: the pictures are decoded once more with this unit alone set to zero, and the PSNR falls. A "
    "unit that is far from zero for every picture costs much even if it varies little: the decoder counts on its mean. "
    "A network trained without the unit from the start would lose less.\n"
    "- **Dead**: zero for every test picture, as a ReLU's unit can become in training and then stay.\n"
)


def show(entry: Entry) -> None:
    """The title, and the size of the code."""
    st.title(f"The code of {entry.label}")
    architecture = entry.architecture
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        if architecture.code:
            size, ratio = architecture.code_size or 0, architecture.code_ratio or 0
            words = units.in_words(architecture.code.output_shape)
            total = "" if len(architecture.code.output_shape) == 1 else f", {size:,} numbers"
            st.markdown(
                f"{words[0].upper()}{words[1:]}{total}: {ratio:.2g}× the numbers of a picture.", width="content"
            )
        seed = {"run_seed": str(entry.seed)} if len(entry.runs) > 1 else {}
        SYSTEM.link("System", run=entry.label, **seed)


def progress(late: Late) -> str:
    """What the page waits for."""
    if measured.ENCODING in late:
        return f"Encoding the test pictures, parts of {measured.ENCODED:,} done"
    return "Measuring what each unit is worth, parts done"
