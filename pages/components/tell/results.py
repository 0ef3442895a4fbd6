"""What the answers say: the score, where the viewer stops seeing a difference, and which metric judges alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from aecore.data.splits import Dataset
from aecore.studies.agreement import Share
from aecore.studies.answers import Answer
from aecore.studies.discrimination import ABX, CLOSER
from pages.components.tell import judges, own, threshold

_ONLY_YOURS = "These are your answers alone, on this screen. They stay on this machine; nothing is published."


def show(data: Dataset, mode: str) -> None:
    """The results in a mode on the pictures of a data set, as far as there are answers."""
    answers = [answer for answer in own.read() if answer.mode == mode and answer.fingerprint == data.fingerprint]
    if not answers:
        st.caption(f":material/lock: Your score appears here after the first answer. {_ONLY_YOURS}")
        return
    _score(answers, mode)
    left, right = st.columns(2, gap="large")
    with left:
        threshold.show(answers, mode)
    if mode == CLOSER:
        with right:
            judges.show(answers)
    st.caption(f":material/lock: {_ONLY_YOURS}")


def _score(answers: Sequence[Answer], mode: str) -> None:
    share = Share(sum(answer.is_right for answer in answers), len(answers))
    what = "X recognised" if mode == ABX else "Agreement with MSE"
    low, high = share.interval
    seen = "more than chance" if low > 0.5 else "less than chance" if high < 0.5 else "could be chance"
    with st.container(horizontal=True, gap="large"):
        st.metric(what, f"{share.count} of {share.total}", width="content")
        st.metric("Share, 95% interval", f"{share.value:.0%}  ({low:.0%} to {high:.0%})", width="content")
        st.metric("Overall", seen, width="content")
        times = [answer.milliseconds for answer in answers]
        st.metric("Median time", f"{np.median(times) / 1000:.2g} s", width="content")
