"""Which systems the gallery shows, and in which order; each choice is in the page's address."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf

import streamlit as st

from aecore.models import zoo
from aecore.studies.contestants import OWN
from pages.components import look
from pages.components.entries import Entry
from pages.components.links import Page

_FAMILY, _DATASET, _NORM, _SEARCH = _NAMES = ("family", "dataset", "bn", "search")
_SORT = "sort"
_WITH, _WITHOUT = "Batch norm", "No batch norm"
_ORDERS: Mapping[str, Callable[[Entry], float]] = {
    "As in the study": lambda entry: 0,
    "Highest PSNR": lambda entry: -entry.group.psnr if entry.group else inf,
    "Smallest code": lambda entry: entry.architecture.code_size or inf,
    "Fewest parameters": lambda entry: entry.architecture.parameters,
}


def show(page: Page, entries: Sequence[Entry]) -> tuple[list[Entry], str]:
    """The entries that every choice fits, in order, and the data set that the figure is about. No choice means all."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        text = st.text_input(
            "Search",
            key=page.key(_SEARCH),
            bind="query-params",
            placeholder="Search names and layers",
            label_visibility="collapsed",
            icon=":material/search:",
            width=230,
        )
        order = st.selectbox(
            "Order", list(_ORDERS), key=page.key(_SORT), bind="query-params", label_visibility="collapsed", width=190
        )
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        known = list(dict.fromkeys(system.family for system in zoo.SYSTEMS.values()))
        families = _pills("Family", page.key(_FAMILY), [*known, *[OWN] * any(entry.is_own_run for entry in entries)])
        names = list(dict.fromkeys(entry.dataset for entry in entries))
        # CIFAR-10 first: the warm-up on MNIST opens the zoo, but is not what it is about.
        names.sort(key=lambda name: name != "cifar10")
        chosen = _pills("Data set", page.key(_DATASET), [_title(name) for name in names])
        norms = _pills("Batch norm", page.key(_NORM), [_WITH, _WITHOUT])
    datasets = [name for name in names if _title(name) in chosen] or names
    words = text.lower().split()
    tests: list[Callable[[Entry], bool]] = [
        lambda entry: not families or entry.family in families,
        lambda entry: entry.dataset in datasets,
        lambda entry: not norms or (_WITH if entry.has_batch_norm else _WITHOUT) in norms,
        lambda entry: all(word in _searched(entry) for word in words),
    ]
    shown = [entry for entry in entries if all(test(entry) for test in tests)]
    return sorted(shown, key=_ORDERS[order]), datasets[0]


def _searched(entry: Entry) -> str:
    return f"{entry.label} {entry.title} {entry.story} {entry.architecture}".lower()


def empty(page: Page) -> None:
    """Say that no system fits, and offer the way back."""
    st.info("No system fits all of these choices.", icon=":material/filter_alt_off:")
    st.button("Show all systems", icon=":material/restart_alt:", on_click=_clear, args=[page])


def _clear(page: Page) -> None:
    for name in _NAMES:
        st.session_state[page.key(name)] = "" if name == _SEARCH else []


def _pills(label: str, key: str, options: list[str]) -> list[str]:
    draw = partial(st.pills, selection_mode="multi", bind="query-params", label_visibility="collapsed")
    return list(draw(label, options, key=key, wrap=True))


def _title(dataset: str) -> str:
    title = look.dataset(dataset)
    return title[0].upper() + title[1:]
