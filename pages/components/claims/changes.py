"""What new seeds did to a claim's interval: before and after, on one axis."""

from __future__ import annotations

from typing import Any

import streamlit as st

from aecore.studies import verdict_words
from aecore.studies.contrasts import Budget, Claim, Measure
from aecore.studies.verdicts import Judged
from pages.components.claims import board, intervals, marks

_BEFORE = "claims before"  # in the session: the contrast as it stood when runs were asked for


def begin(claim: Claim, budget: Budget, own: Judged, *, again: bool = False) -> None:
    """Remember how the claim stands; what is remembered already stays unless it begins `again`."""
    before: dict[Any, Judged] = st.session_state.setdefault(_BEFORE, {})
    if again or (claim.name, budget) not in before:
        before[claim.name, budget] = own


def show(claim: Claim, budget: Budget, own: Judged) -> None:
    """The interval before and after, once there are more seeds."""
    before: Judged | None = st.session_state.get(_BEFORE, {}).get((claim.name, budget))
    if before is None or own.evidence is None or len(own.differences) == len(before.differences):
        return
    rows = [one for one in (before, own) if one.evidence]
    scale = intervals.range_of(rows, with_zero=False)
    values = intervals.ticks(scale.low, scale.high, about=5)
    drawn = "".join(
        f"<span>{name}, {len(one.differences)} seeds</span><span>{intervals.whole(scale, one, values)}</span>"
        for name, one in (("Before", before), ("After", own))
    )
    axis = intervals.axis(scale, [(value, intervals.label(value)) for value in values])
    with st.container(border=True):
        st.markdown(sentence(before, own))
        content = f'<div class="before-after">{drawn}<span></span><span>{axis}</span></div>'
        board.show(content, key="before and after")


def sentence(before: Judged, after: Judged) -> str:
    """What the new seeds did to the intervals, and to the verdict."""
    new, old, measure = after.evidence, before.evidence, after.contrast.measure
    assert new is not None, "it is only said of what has seeds"
    count = len(after.differences) - len(before.differences)
    said = [f"**{count} seed{'s' * (count > 1)} more.**"]
    if old:
        for title, was, now in (
            ("Confidence sequence", old.sequence, new.sequence),
            ("Student's interval", old.interval, new.interval),
        ):
            if was and now:
                said.append(f"{title}: {_width(was, now, measure)}.")
    if old and new.sequential and not old.sequential:
        said.append(
            "From now on the confidence sequence counts: it is the price of having looked at the result before."
        )
    verdict, verdict_before = marks.of(after), marks.of(before)
    stays = verdict == verdict_before
    said.append(f"The verdict stays: {verdict}." if stays else f"The verdict was: {verdict_before}. Now: {verdict}.")
    return " ".join(said)


def _width(was: tuple[float, float], now: tuple[float, float], measure: Measure) -> str:
    """Both intervals and how much narrower or wider the second is."""
    share = (now[1] - now[0]) / (was[1] - was[0]) - 1 if was[1] > was[0] else 0.0
    how = f"{abs(share):.0%} {'narrower' if share < 0 else 'wider'}"
    bounds = f"{verdict_words.interval(was, measure)} → {verdict_words.interval(now, measure)} {measure.unit}".rstrip()
    return f"{bounds}, **{how}**"
