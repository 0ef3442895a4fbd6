"""A system's own page, part by part: what it is, its figures, its layers, its recipe, what is to be had of it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from functools import partial
from math import log10
from typing import Any

import pandas as pd
import streamlit as st

from aecore.files.figures import PublishedError
from aecore.models.layers import shape_text
from aecore.models.steps import Step
from aecore.runs.store import Listing, Run, Store, StoreError
from aecore.studies.pca_curves import pca_curve
from pages.components import actions, amounts, figures, look, previews
from pages.components.entries import Entry, settings
from pages.components.system import downloads

DEFAULT = "shallow-strided"
KEYS = ("run", "beside")
EXPLANATION = (
    "- **The drawing**: every tensor on the way from the picture to its reconstruction, the code in colour. All that "
    "the decoder knows of the picture went through the code.\n"
    "- **Best, median and worst**: the test pictures with the least, a middling and the largest mean squared error. "
    "Flat ones are easy; fine texture and hard edges are lost first.\n"
    "- **Beside**: a second system, drawn to the same scale, and every layer and setting in which the two differ."
)
_ALBUM = ":material/photo_library:"


def pick(everyone: Sequence[Entry], asked: Sequence[str]) -> Entry:
    """The system that the page is about; what a link asks for in vain is answered by the nearest names."""
    by_label = {entry.label: entry for entry in everyone}
    for wanted in asked:
        if wanted not in by_label:
            st.session_state["run"] = _instead(wanted, everyone)
    # Without a default of its own, the widget keeps `run=` in the address whatever is shown.
    if not asked and st.session_state.get("run") is None:
        st.session_state["run"] = DEFAULT
    label = st.selectbox("System", list(by_label), None, key="run", bind="query-params", width=320)
    return by_label[label or DEFAULT]


def beside(everyone: Sequence[Entry], entry: Entry) -> Entry | None:
    """A second system to lay beside the first, if one is chosen."""
    by_label = {other.label: other for other in everyone if other is not entry}
    label = st.selectbox(
        "Beside", list(by_label), None, key="beside", bind="query-params", width=320, placeholder="Choose a second one"
    )
    return by_label.get(label or "")


def head(entry: Entry, listing: Listing) -> None:
    """Title, story, what the seed said, and what is wrong with its files."""
    st.title(entry.title)
    system = entry.system
    seed_psnr = f", at {system.seed_psnr} dB on 400 test pictures" if system and system.seed_psnr else ""
    seed = (
        f"  \n:gray[The study of 2018 on it: “{system.seed_words}”{seed_psnr}.]" if system and system.seed_words else ""
    )
    st.markdown(entry.story + seed)
    name = entry.run.name if entry.run else entry.label
    for sentence in listing.damaged:
        if re.match(rf"{re.escape(name)}-[0-9a-f]{{12}}/", sentence):
            st.warning(sentence, icon=":material/healing:")
    if entry.run is None:
        st.info(f"Not trained yet: `python -m aecore train {entry.label}`", icon=":material/hourglass_empty:")


def toolbar(entry: Entry) -> None:
    """Compare, train a variant, download."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        actions.show(entry)
        if entry.run:
            missing = entry.run.missing()
            st.download_button(
                "Weights and manifest",
                partial(downloads.archive, entry.run),
                f"{entry.run.path.name}.zip",
                "application/zip",
                on_click="ignore",
                icon=":material/download:",
                type="tertiary",
                disabled=bool(missing),
                help=f"Missing: {', '.join(missing)}"
                if missing
                else "A zip of run.json, weights, loss curves and scores",
            )


def key_figures(entry: Entry, store: Store) -> None:
    """What it costs and what it achieves; each term explains itself."""
    architecture, run = entry.architecture, entry.run
    summary = architecture.summary()
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Code size",
            f"{summary.code_size:,} · {summary.code_ratio:.2g}×",
            width="content",
            help="Numbers in the smallest tensor that everything passes through, and their ratio to the picture's. "
            "Above 1× nothing need be compressed.",
        )
        if run:
            noise = f", {entry.recipe.noise}" if entry.recipe.noise else ""
            st.metric(
                f"Test PSNR{noise}",
                f"{run.totals.psnr_pooled:.1f} dB",
                width="content",
                help="Peak signal-to-noise ratio of the mean squared error over all test pictures: −10 log₁₀ MSE. "
                f"3 dB more is half the error. The mean over pictures is {run.totals.psnr_mean:.1f} dB.",
            )
            st.metric(
                "Test SSIM",
                f"{run.totals.ssim:.3f}",
                width="content",
                help="Structural similarity, at most 1: how alike local brightness, contrast and structure are.",
            )
        if pca := _pca(entry, store):
            st.metric(
                "PCA, same code",
                pca,
                width="content",
                help="Test PSNR of principal components, the best linear autoencoder, with as many numbers.",
            )
        st.metric(
            "Parameters",
            amounts.short(summary.parameters),
            width="content",
            help=f"Numbers that training sets: {summary.parameters:,}.",
        )
        st.metric(
            "MACs a picture",
            amounts.short(summary.macs),
            width="content",
            help=f"Multiply-accumulates to reconstruct one picture: {summary.macs:,}.",
        )
        st.metric(
            "Receptive field",
            shape_text(summary.rows[-1].receptive_field),
            width="content",
            help="The window of the picture, in pixels, that one pixel of the output depends on, at most.",
        )


def pictures(run: Run) -> None:
    """Its best, median and worst test pictures; or what is stored of it, where its data set is not here."""
    # What needs no torch is on the page by now: importing it takes seconds.
    from aecore.data.catalog import SAMPLE, DatasetError
    from pages.components.system import examples

    fetch = f"`python -m aecore data fetch {run.spec.dataset}` gets the real ones."
    try:
        choice = examples.choose(run)
        if choice is None:
            st.info(
                f"{look.dataset(run.spec.dataset)} is not here: its first test pictures, as stored. {fetch}",
                icon=_ALBUM,
            )
            previews.show(run)
            return
        if choice.dataset == SAMPLE and run.spec.dataset != SAMPLE:
            st.info(
                f"Not {look.dataset(run.spec.dataset)} but the embedded sample, which it was not made for. {fetch}",
                icon=_ALBUM,
            )
        examples.show(run, choice)
    except (StoreError, DatasetError) as error:
        st.error(str(error), icon=":material/broken_image:")
        return
    given = ", what it was given in the middle" if run.spec.recipe.noise else ""
    st.caption(f"The picture above{given}, the reconstruction below; its class and its mean squared error.")


def loss_curves(runs: Sequence[Run]) -> None:
    """Their losses by epoch; a damaged file is named and the others are drawn."""
    histories = {}
    for run in runs:
        try:
            histories[run.key] = run.history()
        except StoreError as error:
            st.error(str(error), icon=":material/healing:")
    if shown := [run for run in runs if run.key in histories]:
        figures.loss_curves(shown, histories, key="losses")
        st.caption(
            "Mean squared error after each epoch: thick on the validation pictures, thin on those it learns from. "
            "A denoiser's is under the noise it is trained on."
        )


def _part(position: int, code: Step) -> str:
    if code.bypasses:
        return "–"  # a skip goes past every layer: none is before a code or after it
    return "encoder" if position < code.position else "code" if position == code.position else "decoder"


def layers(entry: Entry) -> None:
    """The layer table, and the same as CSV."""
    summary = entry.architecture.summary()
    code = entry.architecture.code
    table = pd.DataFrame(
        {
            "Layer": str(row.step.layer),
            "Part": _part(row.step.position, code),
            "Output": shape_text(row.step.output_shape),
            "Parameters": row.step.parameters,
            "MACs": row.step.macs,
            "Receptive field": shape_text(row.receptive_field),
        }
        for row in summary.rows
    )
    columns: dict[str, Any] = {
        "Layer": st.column_config.TextColumn(width=150),
        **{name: st.column_config.NumberColumn(format="localized") for name in ("Parameters", "MACs")},
    }
    st.dataframe(table, hide_index=True, column_config=columns, height="content", alt=f"Layers of {entry.label}")
    st.download_button(
        "Layers as CSV",
        table.to_csv(index=False),
        f"layers-{entry.label.replace(' ', '-')}.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
        type="tertiary",
    )


def recipe(entry: Entry) -> None:
    """How it is trained, and where it was."""
    rows = settings(entry)
    if entry.run:
        where = entry.run.environment
        rows["Trained"] = f"{entry.run.finished[:10]}, {entry.run.seconds:,.0f} s on {where['device']}"
        rows["Key"] = entry.run.key[:12]
    table = pd.DataFrame({"Setting": list(rows), "Value": list(rows.values())})
    st.dataframe(table, hide_index=True, height="content", alt=f"Recipe of {entry.label}")


def _pca(entry: Entry, store: Store) -> str | None:
    """The PSNR of PCA with as many numbers, where one is known and the comparison is fair."""
    if entry.recipe.noise or entry.run is None:
        return None
    try:
        error = pca_curve(entry.dataset, store.root).at(entry.architecture.code_size)
    except PublishedError:
        return None  # the gallery, whose line it is, says what is wrong
    return f"{-10 * log10(error):.1f} dB" if error else None


def _instead(wanted: str, everyone: Sequence[Entry]) -> str:
    """What to show for a link to `wanted`: the run of that key, or the nearest name, with a note."""
    for entry in everyone:
        if entry.run and len(wanted) >= 4 and (entry.run.key.startswith(wanted) or entry.run.path.name == wanted):
            return entry.label
    labels = [entry.label for entry in everyone]
    near = difflib.get_close_matches(wanted.lower(), labels, cutoff=0.5)
    shown = near[0] if near else DEFAULT
    hint = f"the nearest names are {', '.join(near)}" if near else "no name comes near it"
    st.warning(f"There is no system or run {wanted!r} here; {hint}. Shown: {shown}.", icon=":material/link_off:")
    return shown
