"""Which systems the gallery shows: by family, data set and batch norm, each in the page's address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from aecore.models import zoo
from pages.components import look
from pages.components.entries import Entry
from pages.components.links import Page

_FAMILY, _DATASET, _NORM = _NAMES = ("family", "dataset", "bn")
_WITH, _WITHOUT = "Batch norm", "No batch norm"


def show(page: Page, entries: Sequence[Entry]) -> tuple[list[Entry], str]:
    """The entries that every choice fits, and the data set that the figure is about. No choice means all."""
    with st.container(horizontal=True, gap="medium"):
        known: list[str] = list(dict.fromkeys(system.family for system in zoo.SYSTEMS.values()))
        families = _pills("Family", page.key(_FAMILY), known)
        names = list(dict.fromkeys(entry.dataset for entry in entries))
        # CIFAR-10 first: the warm-up on MNIST opens the zoo, but is not what it is about.
        names.sort(key=lambda name: name != "cifar10")
        chosen = _pills("Data set", page.key(_DATASET), [_title(name) for name in names])
        norms = _pills("Batch norm", page.key(_NORM), [_WITH, _WITHOUT])
    datasets = [name for name in names if _title(name) in chosen] or names
    tests: list[Callable[[Entry], bool]] = [
        lambda entry: not families or (entry.system is not None and entry.system.family in families),
        lambda entry: entry.dataset in datasets,
        lambda entry: not norms or (_WITH if entry.has_batch_norm else _WITHOUT) in norms,
    ]
    return [entry for entry in entries if all(test(entry) for test in tests)], datasets[0]


def empty(page: Page) -> None:
    """Say that no system fits, and offer the way back."""
    st.info("No system fits all of these choices.", icon=":material/filter_alt_off:")
    st.button("Show all systems", icon=":material/restart_alt:", on_click=_clear, args=[page])


def _clear(page: Page) -> None:
    for name in _NAMES:
        st.session_state[page.key(name)] = []


def _pills(label: str, key: str, options: list[str]) -> list[str]:
    draw = partial(st.pills, selection_mode="multi", bind="query-params", label_visibility="collapsed")
    return list(draw(label, options, key=key, wrap=True))


def _title(dataset: str) -> str:
    title = look.dataset(dataset)
    return title[0].upper() + title[1:]
