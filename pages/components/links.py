"""A page's choices: their keys, what the address asks of them, and their return when the page is opened again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qs

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.app.pages import PAGES

MOST_MODELS = 8  # that one page shows
_FOREIGN = ("utm_", "fbclid", "gclid")  # how such names begin: other sites add them to links
_SHOWN, _LINK, REDRAWN, _CHOICES = "page shown", "link followed", "page redrawn", "choices by page"

Asked = dict[str, list[str]]

_keys: defaultdict[str, set[str]] = defaultdict(set)  # by page: of every widget that was drawn on it so far


@dataclass(frozen=True)
class Page:
    """The choices on one page, by the keys of its widgets; `prefix` stands before each of them.

    Streamlit keeps what is bound to the address for the session, by key and on whatever page; here each page has its
    own. Keys should differ between pages all the same: a link from one to another loses a key that both have.
    """

    name: str
    prefix: str = ""

    def key(self, name: str) -> str:
        """The key of a widget, which `bind="query-params"` makes its name in the address too."""
        key = self.prefix + name
        if key not in _keys[self.name]:
            _keys[self.name].add(key)
            st.session_state.pop(key, None)  # whatever it holds, another page's widget put it there
        return key

    def arrive(self) -> Asked:
        """What the address asks for; call it before the page's widgets are drawn.

        Empty but for the first run of a visit. A link speaks of every choice: what it leaves out is at its default. One
        that names no choice, as the navigation's and often the back button's, brings back those of the visit before.
        """
        state = st.session_state
        shown, redrawn = state.get(_SHOWN), state.pop(REDRAWN, False)
        if shown == self.name:
            state[_LINK] = link = state[_LINK] if redrawn else {}
            return link
        self._restore_address()
        state[_SHOWN] = self.name
        state[_LINK] = link = {name: st.query_params.get_all(name) for name in st.query_params}
        choices: dict[str, dict[str, Any]] = state.setdefault(_CHOICES, {})
        if shown:
            choices[shown] = {key: state[key] for key in tuple(_keys[shown]) if key in state}
        before = {} if link.keys() & _keys[self.name] else choices.get(self.name, {})
        for key in _keys[self.name] - before.keys():
            state.pop(key, None)
        if before:
            state.update(before)
            # In a run that the back button began, Streamlit sets every widget to what the address says.
            st.rerun()
        return link

    def _restore_address(self) -> None:
        """Run the page again if the address is not that of the link which was followed.

        Where a run of the page before asks for another one while the link is followed, Streamlit still begins that one,
        which sets the address that all runs of the session share to the page before.
        """
        context = get_script_run_ctx()
        assert context, "a page is drawn by a script run"
        of_others = {key for name, keys in _keys.items() if name != self.name for key in keys}
        asked = {
            name: values
            for name, values in parse_qs(context.query_string, keep_blank_values=True).items()
            if name not in of_others and not name.startswith("embed")  # which Streamlit hides from a page
        }
        if asked.keys() - st.query_params.keys():
            st.switch_page(next(page.path for page in PAGES if page.url == self.name), query_params=asked)

    def segments(self, label: str, options: Sequence[str], name: str, help: str | None = None) -> str:
        """One of the `options`, at first the first, as a row of buttons without a heading."""
        chosen: str = st.segmented_control(
            label,
            options,
            default=options[0],
            key=self.key(name),
            bind="query-params",
            label_visibility="collapsed",
            required=True,
            help=help,
        )
        return chosen

    def note(self, link: Asked) -> None:
        """Say what the link asked for and did not get; call it after the widgets are drawn."""
        lines = []
        for key, wanted in link.items():
            if key.startswith(_FOREIGN):
                continue
            value = st.session_state.get(key)
            chosen = value if isinstance(value, list | tuple) else [value]
            # An address asks for nothing by an empty text, as it has where everything was taken out of a choice.
            unmet = [
                text
                for text in filter(None, dict.fromkeys(wanted))
                if not any(_same(text, choice) for choice in chosen)
            ]
            if unmet:
                if key not in _keys[self.name] or key not in st.session_state:
                    instead = "this page shows no such choice"
                else:
                    instead = f"instead: {'nothing' if value in (None, []) else ', '.join(map(_text, chosen))}"
                lines.append(f"{key} = {', '.join(unmet)} ({instead})")
        if lines:
            st.warning(f"Parts of the link could not be followed: {'; '.join(lines)}.", icon=":material/link_off:")


def choice(page: str, name: str, default: Any) -> Any:
    """What was chosen on another page when it was left, by the page's name and the widget's key."""
    return st.session_state.get(_CHOICES, {}).get(page, {}).get(name, default)


def forget_unless(key: str, options: Container[object]) -> None:
    """Drop the choice of a widget that is not among its `options` any more, so that it begins at its default again.

    Streamlit would show the default too, but leave the old choice in the address.
    """
    if st.session_state.get(key) not in options:
        st.session_state.pop(key, None)


def redraw() -> NoReturn:
    """Run the page again by itself: what was noted of its link, but for what was taken out of it, is noted again."""
    st.session_state[REDRAWN] = True
    st.rerun()


def _same(text: str, value: object) -> bool:
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    if isinstance(value, int | float):
        try:
            return float(text) == value
        except ValueError:
            return False
    return text == value


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
