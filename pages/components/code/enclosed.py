"""The pictures that the lasso on the map of codes encloses: a table, a file, and a link that opens them on Compare."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from aecore.data.catalog import CROPS, EXCERPTS, SOURCES
from aecore.data.index_lists import text_of
from aecore.data.splits import Dataset
from aecore.runs.store import Run
from pages.app.pages import COMPARE
from pages.components import cached, downloads, look
from pages.components.pickers import MOST_PICTURES

MOST_ROWS = 200  # of the table: each has a thumbnail
_NAMED = 3  # classes in the sentence


def show(run: Run, data: Dataset, lasso: tuple[int, ...], psnr: NDArray[np.float32]) -> None:
    """One row per picture, those with the lowest PSNR first."""
    if not lasso:
        return
    label = look.label(run.spec)
    table = rows(data, lasso, psnr)
    st.markdown(f"**{look.in_markdown(summary(data, lasso))}**")
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        few = [int(number) for number in table["Picture"][:MOST_PICTURES]]
        name = "Open them on Compare" if len(lasso) <= MOST_PICTURES else f"Open the first {MOST_PICTURES} on Compare"
        COMPARE.link(name, models=[label], pictures="Numbers", numbers=text_of(few), **_in_address(data))
        downloads.button(
            "Table",
            downloads.table(
                f"codes-{label.replace(' ', '-')}.csv", lambda: table.to_csv(index=False, float_format="%.6g")
            ),
            type="tertiary",
            help="Number, class and PSNR of every picture in the lasso, as a CSV file",
        )
    first = table[:MOST_ROWS]
    pictures = tuple(int(number) for number in first["Picture"])
    st.dataframe(
        # Infinite where nothing differs, which is said in words.
        first.replace({"PSNR": {np.inf: np.nan}}).assign(**{"": cached.thumbnails(data.name, pictures)})[
            ["", *first.columns]
        ],
        hide_index=True,
        column_config={
            "": st.column_config.ImageColumn(width=44),
            "PSNR": st.column_config.NumberColumn(
                format="%.2f dB", help=f"Of {label}'s output, under the noise that it was trained with"
            ),
        },
        row_height=40,
        height=440 if len(first) > 10 else "content",
        placeholder="–",
        alt="The pictures in the lasso, with class and PSNR",
    )
    if len(table) > MOST_ROWS:
        st.caption(f"The {MOST_ROWS} pictures with the lowest PSNR; the file has all {len(table):,}.")


def rows(data: Dataset, lasso: tuple[int, ...], psnr: NDArray[np.float32]) -> pd.DataFrame:
    """Number, class and PSNR of each picture, by rising PSNR."""
    chosen = list(lasso)
    table = pd.DataFrame(
        {"Picture": chosen, "Class": cached.classes(data.name, lasso), "PSNR": psnr[chosen].astype(np.float64)}
    )
    return table.sort_values("PSNR", kind="stable", ignore_index=True)


def summary(data: Dataset, lasso: tuple[int, ...]) -> str:
    """How many there are, and of which classes most."""
    count = len(lasso)
    classes = Counter(cached.classes(data.name, lasso)).most_common()
    shares = [f"{name} ({number:,})" for name, number in classes[:_NAMED]]
    if rest := count - sum(number for _, number in classes[:_NAMED]):
        shares.append(f"others ({rest:,})")
    return f"{count:,} picture{'s' * (count != 1)} in the lasso: {look.listed(shares)}"


def _in_address(data: Dataset) -> dict[str, str]:
    """What Compare calls the data set, if it offers it by a name of its own."""
    if data.name in CROPS:
        return {"data": look.crops(data.name)}
    name = EXCERPTS[data.name].whole if data.name in EXCERPTS else data.name
    return {"data": SOURCES[name].title} if name in SOURCES else {}
