"""A system at three resolutions of the same scenes: the pictures, the PSNR by size, and what it costs."""

from __future__ import annotations

import base64
import html
import io

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from aecore.files.figures import PublishedError
from aecore.models import zoo
from aecore.models.recipe import RunSpec
from aecore.runs.store import Store
from aecore.studies import resolution
from aecore.studies.resolution import BITS, FIRST, LAST, NAMES, SEEDS, SIDES, Measure, Resolution, Scene
from pages.components import amounts, figures, look, png
from pages.components.entries import Entry
from pages.components.explain import explain
from pages.components.links import Page

HEADING = "At higher resolution"
_SHOWN = 192  # pixels of a side on the page, as in the style: every size is enlarged to it by a whole factor
_GAP = 6
_ENLARGED = look.PALETTE[2]  # the colour of no system of the study
_HEIGHT = 340
_MEASURES: dict[str, tuple[Measure, str]] = {
    "Code as it is": ("psnr", "Test PSNR, dB"),
    f"{BITS} bits per pixel": ("stored", f"Test PSNR at {BITS} bits per pixel, dB"),
    f"Seen at {FIRST}×{FIRST}": ("reduced", f"Test PSNR of outputs averaged to {FIRST}×{FIRST}, dB"),
}
_STYLE = """
<style>
  .resolution { container-type: inline-size; }
  .resolution > div { --tile: 192px; --gap: 6px; }
  .resolution img { width: calc(3 * var(--tile) + 2 * var(--gap)); height: auto; }
  .resolution .numbers { display: grid; grid-template-columns: repeat(3, var(--tile)); column-gap: var(--gap);
    font-size: 0.8rem; padding-bottom: 3px; }
  /* Where there is no room, half of it; the screens of phones have two or three pixels for one. */
  @container (max-width: 587px) { .resolution > div { --tile: 96px; --gap: 3px; } }
</style>
"""
_EXPLANATION = (
    "- **The same scenes**: a window of a photograph is averaged to 96×96, 64×64 and 32×32 pixels. The same layers are "
    f"trained on each size, with {len(SEEDS)} seeds. All pictures are enlarged to one height here, pixel by pixel.\n"
    "- **Code as it is**: a convolutional code grows with the picture, so every size has equally many numbers per "
    f"pixel. **{BITS} bits per pixel**: these numbers are rounded so that the code takes {BITS} bits per pixel; a "
    f"picture as it is has 24. **Seen at {FIRST}×{FIRST}**: the outputs are averaged to {FIRST}×{FIRST} pixels, and "
    "compared with the scenes of that size.\n"
    f"- **{FIRST}×{FIRST} enlarged**: the small originals enlarged by bicubic interpolation. They lack what only a "
    "larger picture shows.\n"
    "- **Why larger pictures are easier**, pixel by pixel: a pixel covers a smaller part of the scene, so that its "
    "neighbours are more alike.\n"
    "- **Bars** are 95% intervals of the mean over seeds, by Student's t. Times are those of one core, for an "
    "epoch over the same number of pictures."
)


def known(entry: Entry, store: Store) -> Resolution | None:
    """The published study, where the entry is one of its systems."""
    if entry.label not in NAMES:
        return None
    try:
        return resolution.published(store.root)
    except PublishedError:
        return None  # a store of one's own need not have it


@st.fragment
def show(page: Page, name: str, study: Resolution) -> None:
    """What changes in words, the pictures, the figure and the cost."""
    st.markdown(resolution.summary(study))
    left, right = st.columns([6, 5], gap="large")
    with left:
        titles = {scene.title.capitalize(): scene for scene in study.scenes}
        scene = titles[page.segments("Scene", list(titles), "scene")]
        _pictures(name, scene)
    with right:
        measure, title = _MEASURES[page.segments("Measure", list(_MEASURES), "measure")]
        _figure(name, study, measure, title)
        _cost(name, study)
    explain("How to read the resolutions", _EXPLANATION)


def _pictures(name: str, scene: Scene) -> None:
    """The original of every size above the system's output, all enlarged to one height."""
    sheet = tiles(name, scene)
    heads = "".join(f"<div>{side}×{side}</div>" for side in SIDES)
    sizes = ", ".join(f"{side}×{side}" for side in SIDES)
    alt = html.escape(f"{scene.title}, picture {scene.number}, at {sizes}: originals above, outputs of {name} below")
    st.html(
        f'{_STYLE}<div class="resolution"><div><div class="numbers">{heads}</div>'
        f'<img class="pixels" width="{sheet.width}" height="{sheet.height}" alt="{alt}" src="{png.address(sheet)}">'
        "</div></div>"
    )
    st.caption(
        f"Test picture {scene.number} at three resolutions. At the top the original, below the output of {name}."
    )


def tiles(name: str, scene: Scene) -> Image.Image:
    """Two rows of tiles, originals and outputs, the smallest size first, on a transparent ground."""
    stored = Image.open(io.BytesIO(base64.b64decode(scene.sheet))).convert("RGBA")
    step = _SHOWN + _GAP
    sheet = Image.new("RGBA", (len(SIDES) * step - _GAP, 2 * step - _GAP))
    for row, origin in enumerate((0, 1 + NAMES.index(name))):
        right = stored.width
        for column, side in enumerate(SIDES):  # the smallest is stored at the right
            tile = stored.crop((right - side, origin * LAST, right, origin * LAST + side))
            tile = tile.resize((_SHOWN, _SHOWN), Image.Resampling.NEAREST)
            sheet.paste(tile, (column * step, row * step))
            right -= side
    return sheet


def _figure(name: str, study: Resolution, measure: Measure, title: str) -> None:
    """The PSNR of every system by size, the one that the page is about in full strength."""
    figure = go.Figure()
    for other in NAMES:
        cells = [study.cell(other, side) for side in SIDES]
        system = zoo.SYSTEMS[other]
        style = look.style(RunSpec(system.architecture, system.recipe, system.dataset, "", name=other))
        figure.add_scatter(
            x=list(SIDES),
            y=[cell.mean(measure) for cell in cells],
            error_y={"type": "data", "array": [cell.half(measure) for cell in cells], "thickness": 1.5, "width": 5},
            name=other,
            mode="lines+markers",
            line={"color": style.color, "dash": style.dash, "width": 3 if other == name else 1.5},
            marker={"color": style.color, "symbol": style.symbol, "size": 9},
            hovertemplate="%{y:.2f} ± %{error_y.array:.2f} dB at %{x}×%{x}",
        )
    if measure == "psnr":
        enlarged = [(side, height) for side in SIDES if (height := study.reference(side).enlarged) is not None]
        figure.add_scatter(
            x=[side for side, _ in enlarged],
            y=[height for _, height in enlarged],
            name=f"{FIRST}×{FIRST} enlarged",
            mode="lines+markers",
            line={"color": _ENLARGED, "dash": "dot", "width": 1.5},
            hovertemplate=f"%{{y:.2f}} dB at %{{x}}×%{{x}}, the {FIRST}×{FIRST} scenes enlarged",
        )
    figure.update_layout(
        height=_HEIGHT,
        xaxis={"title": "Pixels per side", "tickvals": list(SIDES), "range": [FIRST - 8, LAST + 8], "fixedrange": True},
        yaxis={"title": title, "fixedrange": True},
    )
    alt = f"{title} by size. " + resolution.summary(study)
    figures.show(figure, key="resolution", alt=alt, name=f"resolution-{measure}")
    if measure == "stored":
        jpeg = ", ".join(f"{study.reference(side).jpeg:.1f} dB at {side}×{side}" for side in SIDES)
        st.caption(f"JPEG with as many bits per pixel: {jpeg}.")


def _cost(name: str, study: Resolution) -> None:
    """What each size takes of this system."""
    table = pd.DataFrame(
        {
            "Size": f"{side}×{side}",
            "Code": f"{cell.numbers * side**2:,.0f}",
            "Numbers per pixel": f"{cell.numbers:g}",
            "MACs": amounts.short(cell.macs),
            "Seconds per epoch": f"{study.cost(name, side):.1f}×",
            "PSNR": f"{cell.mean():.2f} dB",
        }
        for side in SIDES
        for cell in [study.cell(name, side)]
    )
    st.dataframe(table, hide_index=True, height="content", alt=f"Code size and cost of {name} at each size")
