"""The code as a picture: principal components of the channels as colours, or the numbers of a flat code as squares."""

from __future__ import annotations

from math import ceil, sqrt

import numpy as np
import streamlit as st
import torch
from numpy.typing import NDArray
from torch import Tensor

from aecore.measuring.units import Activity
from aecore.runs.execution import SCORING_SEED
from pages.components import cached, look, png
from pages.components.cached import Pixels
from pages.components.code import measured as computed
from pages.components.code import strips
from pages.components.code.strips import Column
from pages.components.code.subject import Subject
from pages.components.colour_scales import ColourScale
from pages.components.links import Page

SHOWN = 8  # pictures
HEADING = "The code as a picture"
_SIDE = 96  # pixels of a drawn picture, at most: three times the size of a picture of CIFAR-10
_DEVIATIONS = 3.0  # at which the colours of a flat code end


def show(page: Page, subject: Subject, measured: Activity) -> None:
    """Test pictures, their codes, and what the decoder makes of them."""
    last = max(0, subject.pictures - SHOWN)
    first = st.number_input(
        "From picture",
        0,
        last,
        0,
        SHOWN,
        key=page.key("from"),
        bind="query-params",
        width=160,
        help=f"The number of the first of {SHOWN} test pictures.",
    )
    pictures = tuple(range(int(first), min(int(first) + SHOWN, subject.pictures)))
    codes = computed.coded(subject, pictures)
    drawn = flat(measured, codes) if subject.is_flat else _coloured(subject, measured, codes)
    rows = [("original", cached.originals(subject.dataset, pictures))]
    given, outputs = cached.reconstructions([subject.model], subject.dataset, pictures, subject.noise, SCORING_SEED)
    if subject.noise:
        rows.append(("noisy", given[0]))
    classes = cached.classes(subject.dataset, pictures)
    output = outputs[subject.model.key][0]
    columns = []
    for place, picture in enumerate(pictures):
        named = f"test picture {picture}, {classes[place]}"
        stack = [(png.in_colour(row[place]), f"{what.capitalize()}: {named}") for what, row in rows]
        stack.append((drawn[place], f"Code: {named}"))
        stack.append((png.in_colour(output[place]), f"Reconstruction: {named}"))
        columns.append(Column(stack, classes[place]))
    strips.show(columns, _SIDE)
    noisy = ", its noisy input" if subject.noise else ""
    st.caption(f"From the top: the original{noisy}, its code, and the reconstruction. {_meaning(subject, measured)}")
    if subject.is_flat:
        st.html(_scale().legend("standard deviations from a number's mean"))


def _coloured(subject: Subject, measured: Activity, codes: Tensor) -> Pixels:
    drawn = computed.palette(subject, measured).pictures(codes).numpy()
    return np.asarray(drawn.transpose(0, 2, 3, 1))


def _meaning(subject: Subject, measured: Activity) -> str:
    if subject.is_flat:
        return f"A square per number of the code, row by row from number 0; {columns_of(subject.units)} in a row."
    shares = computed.palette(subject, measured).shares.tolist()
    names = ("red", "green", "blue")[: len(shares)] if len(shares) > 1 else ("grey",)[: len(shares)]
    if not names:
        return "The code is the same everywhere: there is nothing to draw."
    parts = look.listed([f"{name} {share:.0%}" for name, share in zip(names, shares, strict=True)])
    return (
        f"The colours are the first principal components of the {subject.units} channels at every position, fitted to "
        f"{subject.words}; of the channels' variance {parts}."
    )


def columns_of(numbers: int) -> int:
    """How many numbers of a flat code stand in a row: as many as there are rows, or nearly."""
    return ceil(sqrt(numbers))


def flat(measured: Activity, codes: Tensor) -> Pixels:
    """Flat codes `[N, units]` as pictures `[N, rows, columns, 3]`: how many deviations each number is from its mean.

    A number that never changes is white, and a place without a number is grey.
    """
    deviation = torch.where(measured.is_constant, torch.inf, measured.deviation)
    standardised: NDArray[np.float32] = ((codes - measured.mean) / deviation).numpy()
    number, width = codes.shape[1], columns_of(codes.shape[1])
    colours = _scale().colored(standardised)
    filled = np.full((len(codes), ceil(number / width) * width, 3), 127, np.uint8)
    filled[:, :number] = colours
    return filled.reshape(len(codes), -1, width, 3)


def _scale() -> ColourScale:
    return ColourScale("signed", _DEVIATIONS)
