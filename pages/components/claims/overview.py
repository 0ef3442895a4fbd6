"""The list of claims: a row per sentence with its verdict, its interval and its seeds."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence

import streamlit as st

from aecore.studies import verdict_words
from aecore.studies.verdicts import Judged, Judgement
from pages.components.claims import board, intervals, marks
from pages.components.claims.intervals import Scale

ADDRESS = "claim"  # in the address: the claim that is opened
_INTRODUCTION = (
    "The study of 2018 ends: “my sample sizes are far too small to be sure of any of my above conclusions”. Here each "
    "of its sentences is a comparison of two ways of training, repeated from several random seeds. Ten thousand test "
    "pictures measure one trained network almost exactly, but another seed trains another network: so seeds are "
    "counted, not pictures."
)
_LEGEND = (
    "Dot: the mean difference over seeds. Bar: its 95% interval. Shaded: too small to matter (below 0.1 dB, or 2 "
    "percentage points). The axis is linear near zero and logarithmic beyond, and the sentence's side is better to "
    "the right. Open a row for its comparisons, confounds and pictures."
)
_FEWEST = 10  # times the smallest difference that matters: the axis reaches at least this far
_REACH = 1.3


def tally(judgements: Sequence[Judgement]) -> None:
    """How many sentences have which verdict, and what a verdict is."""
    counts = Counter(marks.of(judgement.own) for judgement in judgements)
    shown = "".join(
        f"<span>{marks.mark(verdict)} <b>{counts[verdict]}</b> {verdict}</span>"
        for verdict in marks.in_order()
        if counts[verdict]
    )
    board.show(f'<div class="tally">{shown}</div>', key="claims-tally")
    st.caption(_INTRODUCTION)


def rows(judgements: Sequence[Judgement]) -> None:
    """The list. A click on a row opens its claim on this page."""

    def opened(name: str) -> None:
        st.query_params[ADDRESS] = name

    scale = scale_of(judgements)
    listed = "".join(_row(scale, judgement) for judgement in judgements)
    board.show(_head(scale) + listed, key="claims-list", opened=opened)
    st.caption(_LEGEND)


def scale_of(judgements: Sequence[Judgement]) -> Scale:
    """The common axis: differences in multiples of the smallest that matters, so that dB and points share it."""
    far = max((abs(_times(judgement.own)) for judgement in judgements), default=0.0)
    far = _REACH * max(far, _FEWEST)
    return Scale(-far, far, bend=1.0)


def _times(judged: Judged) -> float:
    return judged.evidence.mean / judged.contrast.measure.smallest if judged.evidence else 0.0


def _head(scale: Scale) -> str:
    labels = [(0.0, "0")]
    for times, text in ((1, "0.1"), (10, "1"), (100, "10")):
        if times < scale.high:
            last = 10 * times >= scale.high
            labels += [(-times, f"−{text}"), (times, f"+{text}" + " dB" * last)]
    return (
        '<div class="row head"><span class="verdict">Verdict</span><span class="words">The study says</span>'
        f'<span class="plot">{intervals.axis(scale, labels)}</span><span class="numbers">Difference, 95% interval'
        '</span><span class="seeds">Seeds</span></div>'
    )


def _row(scale: Scale, judgement: Judgement) -> str:
    own, claim = judgement.own, judgement.claim
    verdict, measure = marks.of(own), own.contrast.measure
    numbers, seeds = "–", "–"
    if own.evidence:
        numbers = verdict_words.amount(own.evidence.mean, measure)
        if own.evidence.bounds:
            numbers += f"<small>{verdict_words.interval(own.evidence.bounds, measure)}</small>"
        seeds = f"{judgement.seeds} seed{'s' * (judgement.seeds > 1)}<small>{judgement.budget} budget</small>"
    decided = "" if verdict not in ("undecided", marks.UNTRAINED) else " is-open"
    return (
        f'<a class="row{decided}" href="?{ADDRESS}={claim.name}" data-claim="{claim.name}">'
        f'<span class="verdict">{marks.mark(verdict)}{verdict.capitalize()}</span>'
        f'<span class="words">{html.escape(claim.words, quote=False)}</span>'
        f'<span class="plot">{intervals.small(scale, own, measure.smallest)}</span>'
        f'<span class="numbers">{numbers}</span><span class="seeds">{seeds}</span></a>'
    )
