"""Which systems the gallery shows: by family, data set and batch norm, each in the page's address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from aecore.models import zoo
from pages.components import look
from pages.components.entries import Entry

KEYS = ("family", "dataset", "bn")
_WITH, _WITHOUT = "Batch norm", "No batch norm"


def show(entries: Sequence[Entry]) -> tuple[list[Entry], str]:
    """The entries that every choice fits, and the data set that the figure is about. No choice means all."""
    with st.container(horizontal=True, gap="medium"):
        families = _pills("Family", KEYS[0], list(dict.fromkeys(system.family for system in zoo.SYSTEMS.values())))
        names = list(dict.fromkeys(entry.dataset for entry in entries))
        # CIFAR-10 first: the warm-up on MNIST opens the zoo, but is not what it is about.
        names.sort(key=lambda name: name != "cifar10")
        chosen = _pills("Data set", KEYS[1], [_title(name) for name in names])
        norms = _pills("Batch norm", KEYS[2], [_WITH, _WITHOUT])
    datasets = [name for name in names if _title(name) in chosen] or names
    tests: list[Callable[[Entry], bool]] = [
        lambda entry: not families or (entry.system is not None and entry.system.family in families),
        lambda entry: entry.dataset in datasets,
        lambda entry: not norms or (_WITH if entry.has_batch_norm else _WITHOUT) in norms,
    ]
    return [entry for entry in entries if all(test(entry) for test in tests)], datasets[0]


def clear() -> None:
    """Take every choice back."""
    for key in KEYS:
        st.session_state[key] = []


def empty() -> None:
    """Say that no system fits, and offer the way back."""
    st.info("No system fits all of these choices.", icon=":material/filter_alt_off:")
    st.button("Show all systems", icon=":material/restart_alt:", on_click=clear)


def _pills(label: str, key: str, options: list[str]) -> list[str]:
    draw = partial(st.pills, selection_mode="multi", bind="query-params", label_visibility="collapsed")
    return list(draw(label, options, key=key, wrap=True))


def _title(dataset: str) -> str:
    title = look.dataset(dataset)
    return title[0].upper() + title[1:]
