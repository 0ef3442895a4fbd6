"""Compare: the same pictures and the same noise through every chosen model."""

import streamlit as st

from aecore.datasets import SAMPLE, DatasetError
from aecore.scores import Totals
from aecore.store import Store, StoreError
from pages.components import cached, figures, look, pickers, sheets, tables

look.apply()
st.title("Compare")
runs = Store().listing().runs
wanted = pickers.linked_dataset(runs)
with st.sidebar:
    dataset_name = pickers.dataset(runs, wanted)
    chosen = pickers.models(runs, dataset_name)
    noise, seed = pickers.noise()
try:
    dataset = cached.dataset(dataset_name)
except DatasetError as error:
    st.error(str(error), icon=":material/broken_image:")
    st.stop()
with st.sidebar:
    pictures = pickers.pictures(len(dataset.test))

if dataset_name == SAMPLE:
    st.info(
        "Not CIFAR-10 but an embedded sample: crops of a few photographs that the models were not made for. "
        f"For the real pictures: `python -m aecore data fetch {wanted}`",
        icon=":material/photo_library:",
    )
outputs, histories = {}, {}
for run in chosen:
    try:
        outputs[run.key] = cached.reconstructions(run.key, dataset_name, pictures, noise, seed)
        histories[run.key] = cached.history(run.key)
    except StoreError as error:
        st.error(str(error), icon=":material/healing:")
chosen = [run for run in chosen if run.key in histories]
if not chosen:
    st.info("Choose a model on the left to see what it makes of these pictures.", icon=":material/arrow_back:")
    st.stop()

labels = look.labels(chosen)
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

st.subheader("Error of each picture")
models = {labels[run.key]: outputs[run.key][1] for run in chosen}
tables.per_picture(pictures, classes, noisy_scores if noise.level else None, models)

st.subheader("Loss curves")
figures.loss_curves(chosen, histories, key="losses")
st.caption("Error on the validation pictures after each epoch, a denoiser's under the noise it was trained on.")
