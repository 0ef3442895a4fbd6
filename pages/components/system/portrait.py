"""A system's own page, part by part: what it is, its figures, layers, recipe, pictures and downloads."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.errors import StreamlitAPIException

from aecore.data.catalog import CROPS, EXCERPTS, SOURCES, DatasetError
from aecore.files.figures import PublishedError
from aecore.measuring.totals import decibels, psnr_text
from aecore.models.layers import shape_text
from aecore.models.steps import Step
from aecore.runs import bundles, model_cards
from aecore.runs.store import Listing, Run, Store, StoreError
from aecore.studies.contestants import of_run
from aecore.studies.pca_curves import pca_curve
from pages.app.pages import CODE
from pages.components import actions, amounts, downloads, figures, look, previews, readings, whole
from pages.components.downloads import File
from pages.components.entries import LIGHT, Entry, settings
from pages.components.links import Page, forget_unless, redraw
from pages.components.system import legible

DEFAULT = "shallow-strided"
EXPLANATION = (
    "- **The drawing**: every tensor on the way from the picture to its reconstruction, the code in colour. All that "
    "the decoder knows of the picture went through the code.\n"
    "- **Best, median and worst**: the test pictures with the smallest, median and largest mean squared error. "
    "Flat ones are easy; fine texture and hard edges are lost first.\n"
    "- **Compare with**: a second system, drawn to the same scale, and every layer and setting in which the two "
    "differ.\n"
)
# On a phone the figures stand in two columns.
_STYLE = """
<style>
  @media (max-width: 640px) {
    [class*="st-key-key-figures-"] { display: grid; grid-template-columns: 1fr 1fr; row-gap: 0.75rem; }
  }
</style>
"""
_ALBUM = ":material/photo_library:"


def pick(page: Page, everyone: Sequence[Entry]) -> Entry:
    """The system that the page is about. A run's key, folder or label leads to it; for a name that is nobody's, a note
    names the nearest."""
    by_label = {entry.label: entry for entry in everyone}
    run = page.key("run")
    if (wanted := st.query_params.get(run)) and wanted not in by_label:
        if address := _address(page, wanted, everyone):
            with suppress(StreamlitAPIException):  # while the widget holds it, as after the back button
                st.query_params.update({name: str(value) for name, value in address.items()})
                redraw()
            st.session_state.update(address)
        else:
            st.session_state[run] = _nearest(wanted, list(by_label))
    # Without a default of its own, the widget keeps `run=` in the address whatever is shown.
    elif st.session_state.get(run) is None and not wanted:
        st.session_state[run] = DEFAULT
    label = st.selectbox("System", list(by_label), None, key=run, bind="query-params", width=320)
    return by_label[label or DEFAULT]


def of_seed(page: Page, entry: Entry) -> Entry:
    """The entry with the run of one seed in view; a choice where there are several."""
    seeds = [run.spec.seed for run in entry.runs]
    if len(seeds) < 2:
        return entry
    key = page.key("run_seed")
    forget_unless(key, seeds)  # it may be one of another system
    seed = st.selectbox("Seed", seeds, seeds.index(entry.seed), key=key, bind="query-params", width=100)
    return entry.of_seed(seed)


def beside(page: Page, everyone: Sequence[Entry], entry: Entry) -> Entry | None:
    """A second system to lay beside the first, if one is chosen."""
    by_label = {other.label: other for other in everyone if other.label != entry.label}
    label = st.selectbox(
        "Compare with",
        list(by_label),
        None,
        key=page.key("beside"),
        bind="query-params",
        width=320,
        placeholder="Choose a second one",
    )
    return by_label.get(label or "")


def head(entry: Entry, listing: Listing) -> None:
    """Title, story, what the study of 2018 said, and what is wrong with its files."""
    st.title(entry.title)
    system = entry.system
    seed_psnr = f"; {system.seed_psnr} dB on 400 test pictures" if system and system.seed_psnr else ""
    seed = (
        f"  \n:gray[The study of 2018 says: “{system.seed_words}”{seed_psnr}.]" if system and system.seed_words else ""
    )
    st.markdown(entry.story + seed)
    name = entry.run.name if entry.run else entry.label
    for sentence in listing.damaged:
        if re.match(rf"{re.escape(name)}-[0-9a-f]{{12}}/", sentence):
            st.warning(sentence, icon=":material/healing:")
    if entry.run and entry.run.is_light:
        st.info(LIGHT, icon=":material/weight:")
    if entry.run is None:
        st.info(f"Not trained yet: `python -m aecore train {entry.label}`", icon=":material/hourglass_empty:")


def toolbar(entry: Entry) -> None:
    """Compare, train a variant, look into the code, download."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        actions.show(entry)
        if entry.run:
            _code(entry, entry.run)
        if entry.run:
            _download(entry.run)


def _code(entry: Entry, run: Run) -> None:
    missing = "" if entry.architecture.code else "It has no code: a skip connection bypasses every layer."
    seed = {"c-run_seed": str(run.spec.seed)} if len(entry.runs) > 1 else {}
    CODE.link("Code", disabled=LIGHT if run.is_light else missing, **{"c-run": entry.label}, **seed)


def _download(run: Run) -> None:
    missing = f"Missing: {', '.join(run.missing())}" if run.missing() else ""
    obstacle = LIGHT if run.is_light else missing
    downloads.button(
        "Download as .zip",
        File(bundles.file_name(run), "application/zip", partial(_archive, run)),
        type="tertiary",
        disabled=bool(obstacle),
        help=obstacle
        or "Weights, scores, loss curves, a model card, and the model as ONNX. Bring a model, in the gallery, reads it "
        "again.",
    )
    with st.popover("Load it in Python", icon=":material/code:", type="tertiary", disabled=bool(obstacle)):
        st.code(model_cards.snippet(run, bundles.file_name(run)), "python")


def _archive(run: Run) -> bytes:
    """The bundle of a run, made in the thread that answers the click."""
    from pages.components import jobs  # which imports torch

    jobs.one_core()
    return bundles.packed(run)


def key_figures(entry: Entry, store: Store) -> None:
    """What it costs and what it achieves; each term explains itself."""
    summary = entry.architecture.summary()
    st.html(_STYLE)
    with st.container(horizontal=True, gap="medium", key=f"key-figures-{entry.label.replace(' ', '-')}"):
        _metric(
            "Code size",
            amounts.code(entry.architecture),
            "Numbers in the smallest tensor that everything passes through, and their ratio to the picture's. "
            "Above 1× the model need not compress. A dash: a skip connection bypasses every layer, so there is no "
            "code.",
        )
        if entry.run:
            _test_figures(entry, entry.run)
        if known := legible.known(entry, store):
            _metric(
                "Class read",
                readings.percent(known[0].accuracy),
                "From how many reconstructions of the test pictures a small classifier, trained on original pictures, "
                "reads the true class. More below.",
            )
        if pca := _pca(entry, store):
            _metric(
                "PCA, same code",
                pca,
                "Test PSNR of PCA, the best linear autoencoder, with the same code size.",
            )
        parameters, macs = summary.parameters, summary.macs
        _metric("Parameters", amounts.short(parameters), f"Weights and biases, which training adjusts: {parameters:,}.")
        _metric("MACs per picture", amounts.short(macs), f"Multiply-accumulates to reconstruct one picture: {macs:,}.")
        _metric(
            "Receptive field",
            shape_text(summary.rows[-1].receptive_field),
            "The largest window of the input, in pixels, that one output pixel can depend on.",
        )


def _test_figures(entry: Entry, run: Run) -> None:
    noise = f", {look.noise(entry.recipe.noise)}" if entry.recipe.noise else ""
    _metric(
        f"Test PSNR{noise}",
        psnr_text(run.totals.psnr_pooled),
        "Peak signal-to-noise ratio of the mean squared error over all test pictures: −10 log₁₀ MSE. "
        f"3 dB more is half the error. The mean over pictures is {psnr_text(run.totals.psnr_mean)}.",
    )
    if len(entry.runs) > 1:
        _metric(
            f"PSNR of {len(entry.runs)} seeds",
            entry.psnr,
            "The mean of the test PSNR over the seeds, and its sample standard deviation.",
        )
    _metric(
        "Test SSIM",
        f"{run.totals.ssim:.3f}",
        "Structural similarity, at most 1: how alike local brightness, contrast and structure are.",
    )


def _metric(label: str, value: str, meaning: str) -> None:
    st.metric(label, value, width="content", help=meaning)


def pictures(run: Run, *, offers: bool = True) -> None:
    """Its best, median and worst test pictures; or what is stored of it, where its data set is not here.

    Unless it `offers` so, there is no button that fetches the data set: one on a page is enough.
    """
    # torch takes seconds to import, and what needs none is on the page by now.
    from pages.components.system import examples

    if run.is_light:
        st.info("Without its weights only the first test pictures can be shown, as stored.", icon=_ALBUM)
        previews.show(run)
        return
    title = look.dataset_in_markdown(run.spec.dataset)
    title = title[:1].upper() + title[1:]  # it begins a sentence

    def say(text: str) -> None:
        if offers and run.spec.dataset in SOURCES:  # others cannot be fetched
            whole.offer(run.spec.dataset, text)
        else:
            st.caption(text)

    try:
        choice = examples.choose(run)
        if choice is None:
            previews.show(run)
            say(f"{title} is not here: these are its first test pictures, as stored.")
            return
        if choice.dataset in CROPS and run.spec.dataset != choice.dataset:
            shown = look.dataset(choice.dataset)
            say(f"{title} is not here: these pictures are from {shown}, on which it was not trained.")
        elif choice.dataset in EXCERPTS:
            say(f"Best, median and worst of {look.dataset(choice.dataset)}.")
        elif not choice.is_as_trained:
            st.info(
                f"{title} has changed since this run was trained. The errors below "
                "are those of its current pictures; the scores above are those of the old ones.",
                icon=_ALBUM,
            )
        examples.show(run, choice)
    except (StoreError, DatasetError) as error:
        st.error(str(error), icon=":material/broken_image:")
        return
    given = ", its noisy input below it" if run.spec.recipe.noise else ""
    note = f" {look.in_markdown(choice.note)}" if choice.note else ""
    st.caption(
        f"At the top the original{given}, at the bottom the reconstruction; above them their class and MSE.{note}"
    )


def live_code(run: Run) -> None:
    """Its code, to be changed by hand, where it has one and there are pictures to encode."""
    # torch takes seconds to import, and what needs none is on the page by now.
    from pages.components.system import live_code as bench

    try:
        if bench.is_shown(run):
            st.subheader(bench.HEADING)
            bench.show(run)
    except (StoreError, DatasetError) as error:
        st.error(str(error), icon=":material/broken_image:")


def loss_curves(runs: Sequence[Run]) -> None:
    """Their losses by epoch; a damaged file is named and the others are drawn."""
    histories = {}
    for run in runs:
        try:
            histories[run.key] = run.history()
        except StoreError as error:
            st.error(str(error), icon=":material/healing:")
    if shown := [run for run in runs if run.key in histories]:
        # Their styles follow from the order, so that two can be told apart.
        models = [replace(of_run(run), order=order) for order, run in enumerate(shown)] if len(shown) > 1 else shown
        figures.loss_curves(models, histories, key="losses")
        squared = [run.spec.recipe for run in shown if run.spec.recipe.loss == "mse"]
        st.caption(
            "Thick lines: MSE on the validation pictures after each epoch. "
            + "Thin lines: MSE on the training pictures during the epoch" * bool(squared)
            + ", with the weights before they are averaged" * any(recipe.average for recipe in squared)
            + ". " * bool(squared)
            + "Denoisers are measured under their training noise."
            + " Dotted: each penalty, before it is weighted." * any(run.spec.architecture.penalties for run in shown)
        )


def _part(position: int, code: Step | None) -> str:
    if code is None:
        return "–"  # a skip connection bypasses every layer: none is before a code or after it
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
    downloads.button(
        "Layers as CSV",
        downloads.table(f"layers-{entry.label.replace(' ', '-')}.csv", lambda: table.to_csv(index=False)),
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
    size = entry.architecture.code_size
    if entry.recipe.noise or entry.run is None or size is None or entry.architecture.entropy_model:
        return None
    try:
        error = pca_curve(entry.dataset, store.root).at(size)
    except PublishedError:
        return None  # the gallery, whose line it is, says what is wrong
    return psnr_text(decibels(error)) if error is not None else None


def _address(page: Page, wanted: str, everyone: Sequence[Entry]) -> dict[str, str | int]:
    """What the address should say to show the run of this key (four digits or more), folder or label."""
    for entry in everyone:
        for run in entry.runs:
            names = (look.label(run.spec), run.path.name)
            if wanted in names or (len(wanted) >= 4 and run.key.startswith(wanted)):
                seed = {page.key("run_seed"): run.spec.seed} if run != entry.run else {}
                return {page.key("run"): entry.label} | seed
    return {}


def _nearest(wanted: str, labels: Sequence[str]) -> str:
    """What to show for a name that is nobody's, with a note."""
    near = difflib.get_close_matches(wanted.lower(), labels, cutoff=0.5)
    shown = near[0] if near else DEFAULT
    hint = f"the nearest names are {', '.join(near)}" if near else "no name comes near it"
    st.warning(f"There is no system or run {wanted!r} here; {hint}. Shown: {shown}.", icon=":material/link_off:")
    return shown
