"""A photograph through the chosen contestants: the lens, the table and the downloads."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from aecore.data.photographs import Photograph
from aecore.measuring.metrics import METRICS
from aecore.measuring.totals import psnr_text
from aecore.studies.contestants import Contestant
from pages.components import downloads, links, look, pickers, png
from pages.components.downloads import File
from pages.components.explain import explain
from pages.components.lens import panes
from pages.components.lens.panes import Shown
from pages.components.photos import choices, work
from pages.components.photos.choices import PAGE
from pages.components.photos.work import NOISY, Output, Work

_READING = """
Every picture shows the same part of the photograph: zoom with the wheel, by pinching or with + and −, drag to move,
and press 0 to see all of it. **Wipe** lays one picture over another; drag the divider. **Difference** shows how far
each is from the original, or from another one, enlarged so that small errors are seen. Point at a pixel to read it in
all of them.

The models were trained on small pictures, most of them of 32×32. Those without dense layers take a photograph of any
size as it is. The others get tiles of the size that they were trained on, which overlap and are blended. A model from
elsewhere gets parts of 512×512 that overlap by 128, because how far its pixels see is not known. Classical methods are
fitted and tuned on CIFAR-10, not on photographs.
"""

_COMPUTED_AT = (
    "Full resolution: as in one pass. Tiles: of the size that the model was trained on, overlapping and blended. "
    "Parts: a model from elsewhere gets parts that overlap by 128 pixels, and the result may differ from one pass."
)


@st.fragment
def show(photograph: Photograph, chosen: Sequence[Contestant]) -> None:
    """Everything that depends on the noise."""
    controls, pictures, progress, scores = (st.container() for _ in range(4))  # see `jobs.watch`
    with controls:
        given, view = pickers.noise_and_view(PAGE, list(choices.VIEWS), choices.LEVEL)
    works = work.begun(photograph, chosen, given.noise, given.seed)
    work.wait(works.values())
    for sentence in work.failures(works):
        controls.error(look.in_markdown(sentence), icon=":material/error:")
    with pictures:
        panes.show(_pictures(photograph, chosen, works), photograph, view, given.slider, _redrawn)
    with progress:
        titles = {contestant.key: contestant.title for contestant in chosen}
        work.watch(works, {NOISY: "the noisy photograph", **titles})
    with scores:
        outputs = {key: one.output for key, one in works.items() if one.output}
        names = {NOISY: "noisy", **{contestant.key: contestant.label for contestant in chosen}}
        _table(photograph, [(names[key], outputs[key]) for key in names if key in outputs])
        explain("How to read the pictures", _READING)


def _redrawn() -> None:
    st.session_state[links.REDRAWN] = True  # nothing was chosen: what the page says of its link stays


def _pictures(photograph: Photograph, chosen: Sequence[Contestant], works: Mapping[str, Work]) -> list[Shown]:
    """The original, the noisy photograph where there is noise, and the output of each contestant."""
    pictures = [Shown("original", "", photograph.pixels, _original_file(photograph))]
    if NOISY in works:
        pictures.append(_picture("noisy", works[NOISY]))
    pictures += [
        _picture(contestant.label, works[contestant.key], look.style(contestant).color) for contestant in chosen
    ]
    return pictures


def _original_file(photograph: Photograph) -> bytes:
    key = "file of the photograph"
    held: tuple[str, bytes] = st.session_state.get(key, ("", b""))
    if held[0] != photograph.digest:
        held = photograph.digest, panes.file_of(photograph.pixels)
        st.session_state[key] = held
    return held[1]


def _picture(name: str, one: Work, color: str | None = None) -> Shown:
    if output := one.output:
        return Shown(name, psnr_text(output.scores["psnr"]), output.pixels, output.file, color)
    note = "cancelled" if one.is_given_up else "failed" if one.failure else "computing"
    return Shown(name, note, None, None, color)


def _table(photograph: Photograph, outputs: Sequence[tuple[str, Output]]) -> None:
    """The scores of every output against the photograph, and the downloads."""
    if not outputs:
        return
    table = pd.DataFrame(
        {
            "": [name for name, _ in outputs],
            **{
                METRICS[metric].title: [output.scores[metric] for _, output in outputs]
                for metric in ("psnr", "ssim", "mse")
            },
            "Computed at": [output.way for _, output in outputs],
            "Seconds": [output.seconds for _, output in outputs],
        }
    )
    formats = {
        METRICS[metric].title: st.column_config.NumberColumn(format=digits, help=METRICS[metric].meaning)
        for metric, digits in (("psnr", "%.2f"), ("ssim", "%.4f"), ("mse", "%.5f"))
    }
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Against the clean photograph, over all of its pixels. PSNR is in dB.", width="stretch")
        downloads.button(
            "Table",
            downloads.table("photograph.csv", partial(_csv, table)),
            help="The table as a CSV file",
        )
        with st.popover("Pictures", icon=":material/download:", help="Each picture as a PNG file, at full size"):
            _picture_download("original", photograph.pixels)
            for name, output in outputs:
                _picture_download(name, output.pixels)
    st.dataframe(
        # Infinite where nothing differs, which is said in words.
        table.replace(np.inf, np.nan),
        hide_index=True,
        column_config=formats
        | {
            "Computed at": st.column_config.TextColumn(help=_COMPUTED_AT),
            "Seconds": st.column_config.NumberColumn(format="%.2f"),
        },
        placeholder="–",
        alt="PSNR, SSIM and MSE of each picture",
    )


def _csv(table: pd.DataFrame) -> str:
    return table.rename(columns={"": "name"}).to_csv(index=False, float_format="%.6g")


def _picture_download(name: str, pixels: np.ndarray) -> None:
    def file() -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(png.in_colour(pixels)).save(buffer, "PNG")
        return buffer.getvalue()

    downloads.button(f"{name}.png", File(f"{name}.png", "image/png", file))
