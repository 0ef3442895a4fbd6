"""Gallery cards: a system, its story, what its trained model makes of real pictures, and its figures."""

from __future__ import annotations

import io

import streamlit as st
from PIL import Image

from aecore.architecture import Architecture
from aecore.store import PREVIEW, Run, StoreError
from pages.components import amounts, look, paths
from pages.components.entries import Entry

WIDTH = 388  # three to a row at 1280 pixels, one to a row on a phone
SHEET_WIDTH = 324  # five CIFAR-10 pictures at twice their size, which a phone shows whole
SCALE = 2
GAP = 1
EXPLANATION = (
    "- **Pictures**: test pictures that the model never saw in training; under them (and under the noisy "
    "ones that a denoiser is given) what it made of them.\n"
    "- **Test PSNR**: peak signal-to-noise ratio of the mean squared error over all test pictures. Higher is "
    "better, and 3 dB more is half the error. A denoiser's is measured under the noise it was trained on.\n"
    "- **Code size**: the smallest tensor that everything passes through, in numbers and relative to the "
    "picture. Above 1× the model need not compress at all.\n"
    "- **Parameters**: the numbers that training sets."
)


def show(entry: Entry) -> None:
    """The card of an entry, trained or not."""
    with st.container(border=True, width=WIDTH, height="stretch", key=f"card-{entry.label.replace(' ', '-')}"):
        st.markdown(f"**{entry.title}**  \n:gray[`{entry.label}`]")
        if entry.run:
            preview(entry.run)
        else:
            st.info(f"Not trained yet: `python -m aecore train {entry.label}`", icon=":material/hourglass_empty:")
        st.markdown(entry.story)
        _figures(entry.run, entry.architecture)
        st.caption(str(entry.architecture).replace("|", "→"))
        with st.container(horizontal=True, gap="small", vertical_alignment="bottom", height="stretch"):
            st.page_link(paths.SYSTEM, label="Open", icon=":material/schema:", query_params={"run": entry.label})
            actions(entry)


def actions(entry: Entry) -> None:
    """Links to what can be done with a system: compare it, train a variant of it."""
    if entry.run:
        st.page_link(paths.COMPARE, label="Compare", icon=":material/compare:", query_params={"models": entry.label})
    what = "Train a variant" if entry.run else "Train it"
    st.page_link(paths.TRAIN, label=what, icon=":material/model_training:", query_params={"start": entry.label})


def _figures(run: Run | None, architecture: Architecture) -> None:
    with st.container(horizontal=True, gap="medium"):
        noise = run.spec.recipe.noise if run else None
        psnr = f"{run.totals['psnr_pooled']:.1f} dB" if run else "–"
        st.metric(f"PSNR, {noise}" if noise else "Test PSNR", psnr, width="content")
        size, ratio = architecture.code_size, architecture.code_ratio
        st.metric("Code size", f"{size:,} · {ratio:.2g}×", width="content")
        st.metric("Parameters", amounts.short(architecture.parameters), width="content")


def preview(run: Run) -> None:
    """The first test pictures over what the run made of them, as it was stored; a damaged file is named."""
    try:
        sheet, rows = _sheet(run.read(PREVIEW), run.spec.architecture.input_shape[1])
    except StoreError as error:
        st.warning(str(error), icon=":material/broken_image:")
        return
    names = ["input", "reconstruction"] if rows == 2 else ["clean picture", "noisy input", "reconstruction"]
    st.image(sheet, output_format="PNG", alt=f"Test pictures of {look.dataset(run.spec.dataset)}: {', '.join(names)}")


def _sheet(preview: bytes, side: int) -> tuple[Image.Image, int]:
    """The first pictures of a preview, enlarged by a whole factor with a hairline between them, and the rows."""
    pictures = Image.open(io.BytesIO(preview))
    rows = pictures.height // side
    scale = SCALE if side <= 32 else 1
    step = scale * side + GAP
    count = min(pictures.width // side, (SHEET_WIDTH + GAP) // step)
    # Transparent hairlines take the page's background, light or dark.
    sheet = Image.new("RGBA", (count * step - GAP, rows * step - GAP))
    for row in range(rows):
        for column in range(count):
            box = (column * side, row * side, (column + 1) * side, (row + 1) * side)
            tile = pictures.crop(box).resize((scale * side, scale * side), Image.Resampling.NEAREST)
            sheet.paste(tile, (column * step, row * step))
    return sheet, rows
