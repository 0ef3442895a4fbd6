"""What class a classifier reads from the reconstructions, which it confuses, and what a linear probe reads from the
code."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from aecore.files.figures import PublishedError
from aecore.runs.store import Store
from aecore.studies.legibility import PROBED, Legibility, Reading
from pages.components import figures, readings
from pages.components.entries import Entry
from pages.components.readings import percent

HEADING = "Is the class still legible?"
EXPLANATION = (
    "- **Class read**: a small classifier, trained once on the original training pictures, reads the class of every "
    "reconstruction. The share that it reads rightly says how much of what makes a cat a cat is left. It was not "
    "trained on reconstructions, so damage that is new to it counts as well.\n"
    "- **From the code**: a linear probe (multinomial logistic regression) reads the class from the code instead. It "
    f"shows how much of the class is there without a decoder. It learns from {PROBED:,} training pictures. With ten "
    "classes 10% is chance.\n"
)
_WRITTEN = 0.05  # the least share that is written into its square
_HEIGHT = 400


def known(entry: Entry, store: Store) -> tuple[Reading, Legibility] | None:
    """The reading of the run in view among those of its data set, None where it is not published."""
    try:
        legible = readings.published(entry.dataset, store.root)
    except PublishedError:
        return None  # the gallery says what is wrong
    reading = readings.of(entry, legible)
    return (reading, legible) if legible and reading else None


def show(entry: Entry, reading: Reading, legible: Legibility) -> None:
    """The figures of one model, its worst confusion in words, and the shares of all classes as a square."""
    words, square = st.columns([2, 3], gap="large")
    with words:
        _figures(reading, legible)
        st.markdown(sentence(reading, legible))
    with square:
        _confusion(entry, reading, legible)


def _figures(reading: Reading, legible: Legibility) -> None:
    originals = legible.original
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "From the output",
            percent(reading.accuracy),
            width="content",
            help=f"The share of the {legible.pictures:,} test pictures whose class is read from the model's output.",
        )
        st.metric("From the originals", percent(originals.accuracy), width="content")
        if reading.accuracy_given is not None:
            st.metric("From its noisy input", percent(reading.accuracy_given), width="content")
        if reading.probe is not None and originals.probe is not None:
            st.metric(
                "From the code",
                percent(reading.probe),
                width="content",
                help=f"By a linear probe; from the pixels of the originals it reads {percent(originals.probe)}.",
            )


def sentence(reading: Reading, legible: Legibility) -> str:
    """How much is lost, and which confusion grows the most."""
    low, high = (f"{100 * end:.1f}".replace("-", "−") for end in (reading.low, reading.high))
    drop = f"{100 * abs(reading.drop):.1f} percentage points"
    if reading.low <= 0 <= reading.high:
        text = f"No drop against the originals is shown (95% interval {low} to {high} percentage points)."
    else:
        what = "lower" if reading.drop > 0 else "higher"
        text = (
            f"The share of pictures whose class is read is {drop} {what} than on the originals (95% interval of the "
            f"drop {low} to {high})."
        )
    worst = legible.worst(reading)
    if worst:
        text += (
            f" The confusion that grows the most: **{worst.true}** is read as **{worst.read}** in {worst.here:.0%} of "
            f"its pictures, on the originals in {worst.on_originals:.0%}."
        )
    return text


def _confusion(entry: Entry, reading: Reading, legible: Legibility) -> None:
    """The share of the pictures of each class that is read as each class."""
    here, originals = (_shares(one) for one in (reading, legible.original))
    figure = go.Figure(
        go.Heatmap(
            z=here,
            x=legible.classes,
            y=legible.classes,
            customdata=originals,
            colorscale="Cividis",
            zmin=0,
            zmax=1,
            text=[[f"{share:.0%}" if share >= _WRITTEN else "" for share in row] for row in here],
            texttemplate="%{text}",
            hovertemplate="%{y} read as %{x}: %{z:.1%}<br>on the originals %{customdata:.1%}<extra></extra>",
            showscale=False,
            xgap=1,
            ygap=1,
        )
    )
    figure.update_layout(
        height=_HEIGHT,
        xaxis={"title": "class read", "side": "bottom", "tickangle": -40, "fixedrange": True, "showgrid": False},
        yaxis={"title": "true class", "autorange": "reversed", "fixedrange": True, "showgrid": False},
    )
    label = entry.label
    figures.show(
        figure,
        key=f"confusion-{label.replace(' ', '-')}",
        alt=f"Share of the pictures of each class that is read as each class from the output of {label}. "
        + sentence(reading, legible).replace("**", ""),
        name=f"confusion-{label.replace(' ', '-')}",
    )


def _shares(reading: Reading) -> list[list[float]]:
    return [[count / max(sum(row), 1) for count in row] for row in reading.counts]
