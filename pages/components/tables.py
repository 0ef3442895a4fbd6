"""Tables of scores, with units and three significant digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from aecore.measuring.metrics import METRICS
from aecore.measuring.totals import psnr_text

Metric = str  # one of METRICS
_KEY = "table"


def selected() -> int | None:
    """The row of the table that is ticked: known before the table is drawn, as the sheet above it shows the row."""
    rows: list[int] = st.session_state.get(_KEY, {}).get("selection", {}).get("rows", [])
    return rows[0] if rows else None


def per_picture(
    pictures: Sequence[int],
    classes: Sequence[str],
    thumbnails: Sequence[str],
    inputs: Mapping[str, pd.DataFrame],
    models: Mapping[str, pd.DataFrame],
    metric: Metric,
) -> None:
    """One row per picture: a thumbnail, its class, the metric of each of `inputs` and `models`, and the best models.

    By a metric that says yes or no, the last column names the models of which it says yes.
    """
    rule = METRICS[metric]
    numbers = {label: scores[metric].to_numpy() for label, scores in {**inputs, **models}.items()}
    values = np.stack([numbers[label] for label in models])
    best = rule.range[1] if rule.against == "class" else values.max(0) if rule.higher_is_better else values.min(0)
    last = "Read from" if rule.against == "class" else "Best model"
    table = pd.DataFrame(
        {"": list(thumbnails), "Picture": list(pictures), "Class": list(classes)}
        # Infinite where nothing differs, which is said in words.
        | {label: np.where(np.isinf(scores), np.nan, scores) for label, scores in numbers.items()}
        | {last: [", ".join(np.array(list(models))[column]) or "none" for column in (values == best).T]}
    )
    # As many decimals in every row, so that the numbers of a column stand below each other.
    digits = {"psnr": "%.2f", "mse": "%.5f", "legible": "%d"}.get(metric, "%.4f")
    formats = {name: st.column_config.NumberColumn(format=digits, help=rule.meaning) for name in numbers}
    st.dataframe(
        table,
        hide_index=True,
        column_config=formats | {"": st.column_config.ImageColumn(width=44)},
        row_height=40,
        placeholder=psnr_text(np.inf) if metric == "psnr" else "–",
        alt=f"{rule.title} of each picture and model",
        key=_KEY,
        on_select="rerun",
        selection_mode="single-row",
    )
    means = [f"{label} {_mean(mean, digits)}" for label in models if np.isfinite(mean := numbers[label].mean())]
    if means:
        unit = f" in {rule.unit}" if rule.unit else ""
        pooled = "The PSNR above the pictures is computed from their mean MSE, so poor pictures count for more."
        st.caption(f"Mean {rule.title}{unit}: {', '.join(means)}. {pooled if metric == 'psnr' else ''}")


def _mean(mean: float, digits: str) -> str:
    return f"{mean:.0%}" if digits == "%d" else digits % mean


def csv(
    pictures: Sequence[int],
    classes: Sequence[str],
    inputs: Mapping[str, pd.DataFrame],
    models: Mapping[str, pd.DataFrame],
) -> str:
    """All measured metrics of each picture as CSV."""
    columns: dict[str, object] = {"picture": list(pictures), "class": list(classes)}
    for label, scores in {**inputs, **models}.items():
        columns |= {f"{label} {metric}": scores[metric] for metric in scores}
    return pd.DataFrame(columns).to_csv(index=False, float_format="%.6g")
