"""Tables of figures, with their units and three significant digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st


def per_picture(
    pictures: Sequence[int], classes: Sequence[str], noisy: pd.DataFrame | None, models: Mapping[str, pd.DataFrame]
) -> None:
    """A row a picture: its class, the MSE of the noisy input (if it is noisy) and of each model, and the best model."""
    table = pd.DataFrame({"Picture": list(pictures), "Class": list(classes)})
    if noisy is not None:
        table["Noisy input"] = noisy["mse"]
    for label, scores in models.items():
        table[label] = scores["mse"]
    table["Best model"] = table[list(models)].idxmin(axis="columns")
    numbers = {
        name: st.column_config.NumberColumn(format="%.3g", help="Mean squared error of the picture; lower is better")
        for name in ["Noisy input", *models]
    }
    st.dataframe(table, hide_index=True, column_config=numbers, alt="Mean squared error of each picture and model")
