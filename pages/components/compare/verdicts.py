"""Is the difference real? One line per pair of models, with its interval."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from aecore.measuring.intervals import FEWEST_PAIRS, Difference, paired_differences


def show(models: Mapping[str, pd.DataFrame]) -> None:
    """Say for each pair which model has the lower error on these pictures, or that no difference is shown."""
    errors = pd.DataFrame({label: scores["mse"] for label, scores in models.items()})
    if len(errors.columns) < 2:
        st.caption("Choose at least two models to see whether their difference is real.")
    elif len(errors) < FEWEST_PAIRS:
        st.caption(f"Choose at least {FEWEST_PAIRS} pictures: {len(errors)} are too few for an interval.")
    else:
        lines = [f"- {sentence(difference)}" for difference in paired_differences(errors)]
        with st.container(height=220 if len(lines) > 8 else "content", border=False, gap=None):
            st.markdown("\n".join(lines))
        st.caption(
            "Each pair is judged by itself. Seeds are not varied: a verdict speaks only of the two trained models that "
            "it names."
        )


def sentence(difference: Difference) -> str:
    """The verdict on one pair, in words."""
    if not difference.is_shown:
        return (
            f"{difference.first} and {difference.second}: **no difference shown** "
            f":gray[(MSE {_signed(difference.mean)}, 95% interval {_interval(difference)})]"
        )
    better, worse = difference.first, difference.second
    if difference.mean > 0:
        better, worse = worse, better
    return (
        f"**{better}** has a lower error than {worse} "
        f":gray[(MSE lower by {abs(difference.mean):.2g}, 95% interval {_interval(difference)})]"
    )


def _interval(difference: Difference) -> str:
    low, high = difference.low or 0.0, difference.high or 0.0
    if difference.is_shown:
        low, high = sorted((abs(low), abs(high)))
        return f"{low:.2g} to {high:.2g}"
    return f"{_signed(low)} to {_signed(high)}"


def _signed(number: float) -> str:
    return f"{number:+.2g}".replace("-", "−")
