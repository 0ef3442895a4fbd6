"""The first thing to see: a few pictures through a few telling models, while the noise on them rises and falls.

Every level is computed once and sent at once, so that the slider moves in the browser without asking the server.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st
import torch
from PIL import Image

from aecore.data import datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import Split, to_float
from aecore.measuring.totals import decibels, psnr_text
from aecore.models import zoo
from aecore.runs.store import Run, Store
from pages.app.pages import COMPARE
from pages.components import look, png
from pages.components.browser_parts import part
from pages.components.jobs import one_core

DATASET = "cifar10-excerpt"  # sooner read than the whole
PICTURES = (1, 13, 6, 4)  # a ship, a horse, a car and a frog
LEVELS = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5)
_RESTING = LEVELS.index(0.1)
_SEED = 0

_component = part("moving", Path(__file__).parent)


def show(runs: Sequence[Run]) -> None:
    """The pictures through each of the `runs`, and a slider for the noise."""
    header, sheet = _computed(tuple(run.key for run in runs))
    labels = [look.label(run.spec) for run in runs]
    columns: list[tuple[str, str, str | None]] = [("original", "", None), ("noisy", "input of every model", None)]
    for label, run in zip(labels, runs, strict=True):
        columns.append((label, _size(run), look.family_color(zoo.SYSTEMS[run.name].family)))
    text = json.dumps({"columns": columns, "levels": LEVELS, "resting": _RESTING, **header}).encode()
    _component(key="moving", data=len(text).to_bytes(4, "little") + text + sheet)
    with st.container(key="moving-link", width="content"):
        COMPARE.link("Compare them on other pictures", models=labels, level=f"{LEVELS[_RESTING]:g}")


def _size(run: Run) -> str:
    size = run.spec.architecture.code_size
    return f"code of {size:,}" if size else "no code"


@st.cache_data(max_entries=4, show_spinner=False)
def _computed(keys: tuple[str, ...]) -> tuple[dict[str, Any], bytes]:
    """What the header says of the pictures, with the PSNR of each column at each level, and a PNG of all of them.

    The first row of the PNG holds the clean pictures. Each further row is a level: the noisy pictures, then those of
    each model.
    """
    one_core()
    dataset = datasets.load(DATASET)
    test = Split(dataset.test.pixels[list(PICTURES)], dataset.test.labels[list(PICTURES)])
    clean = to_float(test.pixels)  # [N, C, H, W]
    levels = [noisy(clean, Noise("gaussian", level), _SEED, PICTURES) for level in LEVELS]
    given = torch.stack(levels)  # [levels, N, C, H, W]
    columns = [given, *(Store().load(key)(given.flatten(0, 1)).reshape(given.shape) for key in keys)]
    errors = torch.stack([(column.clamp(0, 1).double() - clean).square().mean((1, 2, 3, 4)) for column in columns])
    psnr = [[psnr_text(decibels(error)) for error in row] for row in errors.T.tolist()]
    psnr[0][0] = ""  # without noise the input is what it should be
    rows = [torch.cat([clean, *[torch.zeros_like(clean)] * len(keys)])]
    rows += [torch.cat([column[level] for column in columns]) for level in range(len(LEVELS))]
    pixels = torch.cat([torch.cat(list(row), 2) for row in rows], 1)  # [C, (1 + levels) × H, columns × N × W]
    picture = png.in_colour((pixels.clamp(0, 1) * 255).round().to(torch.uint8).numpy())
    header = {
        "side": dataset.shape[1],
        "pictures": [dataset.classes[label] for label in test.labels.tolist()],
        "psnr": psnr,
    }
    return header, png.encoded(Image.fromarray(picture))
