"""What Bytes offers to choose: the data set, the coders and the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import streamlit as st

from aecore.data import catalog
from aecore.data.catalog import CROPS, EXCERPTS, SOURCES
from aecore.models.layers import Shape
from aecore.studies import packing
from aecore.studies.contestants import Contestant
from pages.components import links, look, whole

PAGE = links.Page("bytes", "b-")
DEFAULT = ("JPEG", "WebP", "AVIF", "PCA", "compress-64", "compress-256", "compress-rates")
COUNT = 4  # pictures at first: they are in view without scrolling
SMALLEST, LARGEST = 8, 3072  # bytes
FIRST = 144  # 1.1 bits per pixel
# Eight steps between a number and its double: each is 7 to 13% more than the one before.
BUDGETS = tuple(
    step << octave for octave in range(9) for step in range(SMALLEST, 2 * SMALLEST) if step << octave <= LARGEST
)


def dataset() -> str:
    """The data set whose test pictures are packed; an excerpt stands in under the same title."""
    names = packing.data_sets()
    shown = {SOURCES[name].title: catalog.here(name) or name for name in names if name in SOURCES}
    shown |= {look.crops(name): name for name in names if name in CROPS}
    title = st.selectbox(
        "Pictures from",
        list(shown),
        key=PAGE.key("data"),
        bind="query-params",
        help="Settings were chosen and published for CIFAR-10 only. Other pictures of its size are packed at the same "
        "settings.",
    )
    name = shown[title]
    if name in EXCERPTS:
        excerpt = EXCERPTS[name]
        whole.offer(
            excerpt.whole,
            f"These are {excerpt.title}, which come with the dashboard. PCA needs the training pictures too.",
        )
    return name


def coders(offered: Sequence[Contestant]) -> list[Contestant]:
    """Up to eight of those `offered`, in the order of choice."""
    by_label = {one.label: one for one in offered if not one.missing}
    chosen = st.multiselect(
        "Coders",
        list(by_label),
        [label for label in DEFAULT if label in by_label],
        key=PAGE.key("coders"),
        bind="query-params",
        max_selections=links.MOST_MODELS,
        placeholder="Type to search; up to eight",
        help="\n".join(
            [
                *(f"- **{label}**: {one.knowledge}" for label, one in by_label.items()),
                *(f"- {one.missing}" for one in offered if one.missing),
            ]
        ),
    )
    full = " Take one out to add another." if len(chosen) == links.MOST_MODELS else ""
    st.caption(f"{len(chosen)} of at most {links.MOST_MODELS} chosen.{full}")
    return [replace(by_label[label], order=order) for order, label in enumerate(chosen)]


def budget() -> int:
    """The slider: how many bytes a picture may take, on a logarithmic scale."""
    return int(
        st.select_slider(
            "Bytes per picture, at most",
            BUDGETS,
            FIRST,
            key=PAGE.key("budget"),
            bind="query-params",
            help="The most that the stream of one picture may take. Each step is 7 to 13% more than the one before.",
        )
    )


def in_words(budget: int, shape: Shape) -> str:
    """A budget in bits per pixel, and beside the bytes of the raw pixels."""
    raw, pixels = prod(shape), prod(shape[1:])
    share = f"{raw / budget:.3g}× smaller than" if budget < raw else "as many as"
    return (
        f"{budget:,} bytes are {8 * budget / pixels:.3g} bits per pixel, {share} the {raw:,} bytes of the raw pixels."
    )
