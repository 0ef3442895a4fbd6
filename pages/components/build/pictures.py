"""What a network makes of test pictures: untrained, and in a look at how it learns."""

from __future__ import annotations

import streamlit as st

from aecore.data import catalog
from aecore.models.architecture import Architecture
from aecore.models.layers import shape_text
from aecore.models.recipe import Recipe, RunSpec
from aecore.models.zoo import Start
from aecore.runs import execution, looks
from pages.components import cached, jobs, look, previews


def dataset_for(start: Start) -> str | None:
    """A data set whose test pictures are here and have the right shape: the system's own, if it can be."""
    names = catalog.with_shape(start.architecture.input_shape)
    names.sort(key=lambda name: name != start.dataset)
    return next(filter(None, map(catalog.here, names)), None)


def untrained(start: Start) -> None:
    """Test pictures above what the network makes of them before it has learned anything."""
    dataset = dataset_for(start)
    shape = start.architecture.input_shape
    if dataset is None:
        st.caption(f"No data set here has pictures of {shape_text(shape)}.")
        return
    preview = _untrained(str(start.architecture), dataset)
    previews.rows([("original", preview, 0), ("untrained", preview, 1)], shape[1])
    st.caption(f"Test pictures of {look.dataset(dataset)}; the weights are drawn at random, seed 0.")


@st.cache_data(max_entries=64, show_spinner=False)
def _untrained(line: str, dataset: str) -> bytes:
    jobs.one_core()
    spec = RunSpec(Architecture.parse(line), Recipe(), dataset, "")
    return execution.preview(looks.untrained(spec), cached.dataset(dataset))
