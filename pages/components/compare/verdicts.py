"""Is the difference real? One line per pair of models, with its interval."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from aecore.measuring.intervals import FEWEST_PAIRS, Difference, paired_differences
from aecore.measuring.metrics import METRICS
from pages.components import look


def show(models: Mapping[str, pd.DataFrame], metric: str) -> None:
    """Say for each pair which model does better on these pictures by a metric, or that no difference is shown."""
    values = pd.DataFrame({label: scores[metric] for label, scores in models.items()})
    exact = [str(label) for label in values if not np.isfinite(values[label]).all()]
    if exact:
        st.caption(
            f"{look.listed(exact)}: some pictures have no error. Their {METRICS[metric].title} is infinite, so it has "
            f"no mean."
        )
        values = values.drop(columns=exact)
    if len(values.columns) < 2:
        st.caption("Choose at least two models to see whether their difference is real.")
    elif len(values) < FEWEST_PAIRS:
        st.caption(f"Choose at least {FEWEST_PAIRS} pictures: {len(values)} are too few for an interval.")
    else:
        lines = [f"- {sentence(difference, metric)}" for difference in paired_differences(values)]
        with st.container(height=220 if len(lines) > 8 else "content", border=False, gap=None):
            st.markdown("\n".join(lines))
        st.caption(
            "Each pair is judged by itself. Seeds are not varied: a verdict speaks only of the two trained models that "
            "it names."
        )


def sentence(difference: Difference, metric: str) -> str:
    """The verdict on one pair by a metric, in words."""
    rule, unit = METRICS[metric], " dB" if metric == "psnr" else ""
    if not difference.is_shown:
        return (
            f"{difference.first} and {difference.second}: **no difference shown** :gray[(mean {rule.title} "
            f"{_signed(difference.mean, metric)}{unit}, 95% interval {_interval(difference, metric)})]"
        )
    better, worse = difference.first, difference.second
    if (difference.mean > 0) != rule.higher_is_better:
        better, worse = worse, better
    how = "higher" if rule.higher_is_better else "lower"
    return (
        f"**{better}** does better than {worse} :gray[(mean {rule.title} {how} by "
        f"{_size(abs(difference.mean), metric)}{unit}, 95% interval {_interval(difference, metric)})]"
    )


def _interval(difference: Difference, metric: str) -> str:
    low, high = difference.low or 0.0, difference.high or 0.0
    if difference.is_shown:
        low, high = sorted((abs(low), abs(high)))
        return f"{_size(low, metric)} to {_size(high, metric)}"
    return f"{_signed(low, metric)} to {_signed(high, metric)}"


def _size(number: float, metric: str) -> str:
    return f"{number:.2f}" if metric == "psnr" else f"{number:.2g}"


def _signed(number: float, metric: str) -> str:
    return ("−" if number < 0 else "+") + _size(abs(number), metric)
