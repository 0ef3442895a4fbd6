"""The contrasts of a claim, one below another on a common axis, and what each of them says."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from itertools import groupby

import pandas as pd
import streamlit as st

from aecore.studies import verdict_words
from aecore.studies.contrasts import Measure
from aecore.studies.verdicts import Judged, Judgement
from pages.components.claims import board, intervals, marks
from pages.components.claims.intervals import Scale

# Each column: its heading, its share of the width, and what it is called beside a number on a phone.
_COLUMNS = (
    ("Comparison, from better to worse as the sentence has it", 27, ""),
    ("", 35, ""),
    ("Verdict", 12, ""),
    ("Difference", 10, "difference"),
    ("p, Holm", 6, "p"),
    ("New seed", 6, "new seed"),
    ("Seeds", 8, "seeds"),
)
LEGEND = (
    "Each dot is one seed: the first side minus the second, trained from the same seed. Thick bar: Student's 95% "
    "interval, for seeds planned in advance. Thin bar: the 95% confidence sequence, which stays valid however often "
    "seeds are added; it is wider. Shaded: too small to matter. **p** is adjusted over the comparisons of all "
    "sentences (Holm), **new seed** the chance that the first side is better at one more seed, **e** the e-value: how "
    "strongly all seeds speak against “no difference”, valid at any number of them."
)


def show(judgement: Judgement) -> None:
    """The table of contrasts; those with another measure stand on an axis of their own."""
    tables = (_table(list(rows)) for _, rows in groupby(judgement.contrasts, lambda one: one.contrast.measure))
    board.show("".join(tables), key="forest")
    st.caption(LEGEND)


def csv(judgement: Judgement) -> str:
    """One row per comparison and seed, with the difference in the unit of the measure."""
    rows = [
        (one.contrast.name, one.budget, one.contrast.measure.title, one.contrast.measure.unit, seed, difference)
        for one in judgement.contrasts
        for seed, difference in one.differences.items()
    ]
    columns = ["comparison", "budget", "measure", "unit", "seed", "difference"]
    return str(pd.DataFrame(rows, columns=columns).to_csv(index=False, float_format="%.6g"))


def _table(rows: Sequence[Judged]) -> str:
    measure, scale = rows[0].contrast.measure, intervals.range_of(rows)
    values = intervals.ticks(scale.low, scale.high)
    headings = "".join(
        f'<th style="width:{width}%"><span>{name}</span></th>'
        if name
        else f'<th style="width:{width}%" class="plot"><span>{_axis(scale, values, measure)}</span></th>'
        for name, width, _ in _COLUMNS
    )
    body = "".join(f"<tr>{''.join(_cells(scale, values, one))}</tr>" for one in rows)
    return (
        f'<table aria-label="Comparisons by {measure.title}"><thead><tr>{headings}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _axis(scale: Scale, values: Sequence[float], measure: Measure) -> str:
    unit = f", {measure.unit}" if measure.unit else ""
    labels = [(value, intervals.label(value)) for value in values]
    return f"Difference of {measure.title}{unit}{intervals.axis(scale, labels)}"


def _cells(scale: Scale, values: Sequence[float], judged: Judged) -> Iterable[str]:
    contrast, evidence, verdict = judged.contrast, judged.evidence, marks.of(judged)
    first, second = (html.escape(side.label) for side in contrast.sides)
    equal = f"; equal {' and '.join(contrast.equal)}" if contrast.equal else ""
    free = f"Without {html.escape(contrast.removes)}" if contrast.removes else "The sentence at its word"
    yield (
        f"<td><b>{html.escape(contrast.name)}</b><small>{free}</small>"
        f"<small>{first} − {second}</small>"
        f"<code title='{html.escape(contrast.differ)}'>{html.escape(contrast.differ)}{equal}</code></td>"
    )
    yield f'<td class="plot">{intervals.whole(scale, judged, values)}</td>'
    yield f"<td>{marks.mark(verdict)} {verdict.capitalize()}</td>"
    yield _cell(
        3,
        f"{verdict_words.amount(evidence.mean, contrast.measure)}"
        f"<small>{verdict_words.interval(evidence.bounds, contrast.measure)}</small>"
        if evidence
        else "–",
    )
    yield _cell(4, p_text(judged.adjusted_p) if evidence and evidence.p is not None else "–")
    yield _cell(5, f"{evidence.chance:.0%}" if evidence and evidence.chance is not None else "–")
    e_value = f"<small>e {e_text(evidence.e_value)}, {judged.budget}</small>" if evidence else ""
    yield _cell(6, f"{len(judged.differences)}{e_value}")


def _cell(place: int, text: str) -> str:
    return f'<td data-is="{_COLUMNS[place][2]}">{text}</td>'


def p_text(p: float) -> str:
    """A p-value in two digits."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def e_text(e_value: float) -> str:
    """An e-value in two digits."""
    return "> 10⁶" if e_value > 1e6 else f"{e_value:,.0f}" if e_value >= 10 else f"{e_value:.2g}"
