"""Tables of figures, with their units and three significant digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st


def per_picture(
    pictures: Sequence[int], classes: Sequence[str], noisy: pd.DataFrame, models: Mapping[str, pd.DataFrame]
) -> None:
    """A row a picture: its class, the noisy input's MSE, each model's, and which model is best."""
    table = pd.DataFrame({"Picture": list(pictures), "Class": list(classes), "Noisy input": noisy["mse"]})
    for label, scores in models.items():
        table[label] = scores["mse"]
    table["Best"] = table[list(models)].idxmin(axis="columns")
    numbers = {
        name: st.column_config.NumberColumn(format="%.5f", help="Mean squared error of the picture, lower is better")
        for name in ["Noisy input", *models]
    }
    st.dataframe(table, hide_index=True, column_config=numbers, alt="Mean squared error of each picture and model")
