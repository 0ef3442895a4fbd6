"""Compare: the same pictures and the same noise through every chosen model."""

import streamlit as st

from aecore.datasets import DatasetError
from aecore.scores import Totals
from aecore.store import Store, StoreError
from pages.components import cached, figures, look, pickers, sheets, tables

look.apply()
runs = Store().listing().runs
with st.sidebar:
    dataset_name = pickers.dataset(runs)
    chosen = pickers.models(runs, dataset_name)
    noise, seed = pickers.noise()
    try:
        dataset = cached.dataset(dataset_name)
    except DatasetError as error:
        st.error(str(error), icon=":material/broken_image:")
        st.stop()
    pictures = pickers.pictures(len(dataset.test))

st.title("Compare")
if dataset_name == "sample":
    st.info(
        "These are crops of a few photographs that come with the program, not CIFAR-10, and the models were not made "
        "for them. `python -m aecore data fetch cifar10` gets the real pictures.",
        icon=":material/photo_library:",
    )
if not chosen:
    st.info("Choose a model on the left to see what it makes of these pictures.", icon=":material/arrow_back:")
    st.stop()

labels = look.labels(chosen)
outputs = {}
for run in chosen:
    try:
        outputs[run.key] = cached.reconstructions(run.key, dataset_name, pictures, noise, seed)
    except StoreError as error:
        st.error(str(error), icon=":material/healing:")
chosen = [run for run in chosen if run.key in outputs]
noisy_pixels, noisy_scores = cached.corrupted(dataset_name, pictures, noise, seed)
classes = [dataset.classes[dataset.test.labels[picture]] for picture in pictures]

columns = [sheets.Column("input", "", cached.originals(dataset_name, pictures))]
if noise.level:
    columns.append(sheets.Column("noisy", f"{Totals.of(noisy_scores).psnr_pooled:.1f} dB", noisy_pixels))
for run in chosen:
    pixels, scores = outputs[run.key]
    note = f"{Totals.of(scores).psnr_pooled:.1f} dB"
    columns.append(sheets.Column(labels[run.key], note, pixels, look.style(run).color))
sheets.show(columns, classes)
st.caption("Under each name: PSNR in dB of these pictures' mean squared error, pooled; higher is better.")

left, right = st.columns([3, 2], gap="large")
with left:
    st.subheader("Error of each picture")
    tables.per_picture(pictures, classes, noisy_scores, {labels[run.key]: outputs[run.key][1] for run in chosen})
with right:
    st.subheader("Loss curves")
    figures.loss_curves(chosen, {run.key: cached.history(run.key) for run in chosen})
