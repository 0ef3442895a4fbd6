"""A page's choices, on two small pages: they outlive a visit elsewhere, are the page's own, and give way to a link."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.app.pages import Page
from pages.components import links

NAVIGATION = """
import streamlit as st
st.navigation([st.Page("first.py", default=True), st.Page("second.py")]).run()
"""
# Both have a choice called "level"; the first draws one of its choices in a fragment, and one only on request.
FIRST = """
import streamlit as st
from pages.components import links

page = links.Page("first")
link = page.arrive()
level = st.slider("Level", 0, 9, 1, key=page.key("level"), bind="query-params")

@st.fragment
def part():
    st.selectbox("Colour", ["red", "green"], key=page.key("colour"), bind="query-params")

part()
if level > 5:
    st.checkbox("Loud", key=page.key("loud"), bind="query-params")
page.note(link)
if "redraw" in st.query_params and not st.session_state.get("redrawn"):
    st.session_state["redrawn"] = True
    links.redraw()
"""
SECOND = """
import streamlit as st
from pages.components import links

page = links.Page("second", prefix="s-")
link = page.arrive()
other = links.Page("second").key("level")
st.slider("Level", 0, 9, 2, key=other, bind="query-params")
st.slider("Size", 0, 9, 3, key=page.key("size"), bind="query-params")
page.note(link)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the pages lie."""
    for name, text in (("navigation.py", NAVIGATION), ("first.py", FIRST), ("second.py", SECOND)):
        (tmp_path / name).write_text(text)
    return tmp_path


def opened(folder: Path, **query: str | list[str]) -> AppTest:
    app = AppTest.from_file(folder / "navigation.py", default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def turned(app: AppTest, page: Path, **query: str) -> AppTest:
    """The app after a link to `page`."""
    app.query_params.clear()
    for name, value in query.items():
        app.query_params[name] = value
    app = app.switch_page(str(page)).run()
    assert not app.exception
    return app


def test_a_key_is_the_name_in_the_address(folder: Path) -> None:
    app = opened(folder, level="4", colour="green")
    assert app.slider(key="level").value == 4
    assert app.selectbox(key="colour").value == "green"
    app = turned(app, folder / "second.py", **{"s-size": "7"})
    assert app.slider(key="s-size").value == 7


def test_choices_outlive_a_visit_to_another_page(folder: Path) -> None:
    app = opened(folder)
    app.slider(key="level").set_value(7).run()
    app.checkbox(key="loud").check()
    app.selectbox(key="colour").set_value("green").run()
    app = turned(app, folder / "second.py")
    app = turned(app, folder / "first.py")
    assert app.slider(key="level").value == 7
    assert app.checkbox(key="loud").value
    assert app.selectbox(key="colour").value == "green"


def test_equal_keys_of_two_pages_are_two_choices(folder: Path) -> None:
    app = opened(folder)
    app.slider(key="level").set_value(4).run()
    app = turned(app, folder / "second.py")
    assert app.slider(key="level").value == 2
    app.slider(key="level").set_value(8).run()
    app = turned(app, folder / "first.py")
    assert app.slider(key="level").value == 4
    app = turned(app, folder / "second.py")
    assert app.slider(key="level").value == 8


def test_what_a_link_leaves_out_is_at_its_default(folder: Path) -> None:
    app = opened(folder)
    app.slider(key="level").set_value(4).run()
    app = turned(app, folder / "second.py")
    app = turned(app, folder / "first.py", colour="green")
    assert app.selectbox(key="colour").value == "green"
    assert app.slider(key="level").value == 1


def test_a_link_that_names_no_choice_brings_back_those_of_before(folder: Path) -> None:
    app = opened(folder)
    app.slider(key="level").set_value(4).run()
    app = turned(app, folder / "second.py")
    app = turned(app, folder / "first.py", somebody="else")
    assert app.slider(key="level").value == 4


# What Streamlit does at the worst moment: a run of the page before sets the address that all runs share to its own.
OVERTAKEN = """
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

if "overtaken" not in st.session_state:
    st.session_state["overtaken"] = True
    with get_script_run_ctx().session_state.query_params() as address:
        address.populate_from_query_string("level=4")
"""


def test_a_link_is_followed_though_the_page_before_runs_again_meanwhile(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = folder / "second.py"
    monkeypatch.setattr(links, "PAGES", [Page(str(second), "Second", "")])
    app = opened(folder, level="4")
    second.write_text(OVERTAKEN + SECOND)
    app = turned(app, second, **{"s-size": "7", "utm_source": ""})
    assert app.session_state["overtaken"]
    assert app.slider(key="s-size").value == 7
    assert not app.warning
    app = turned(app, folder / "first.py", level="5")
    assert app.slider(key="level").value == 5


NO_CHOICE = "this page shows no such choice"


@pytest.mark.parametrize(
    ("more", "noted"),
    [
        ({}, ""),
        ({"unknown": "thing"}, f"; unknown = thing ({NO_CHOICE})"),
        ({"loud": "true"}, f"; loud = true ({NO_CHOICE})"),
        ({"loud": ""}, ""),
        ({"redraw": "once"}, f"; redraw = once ({NO_CHOICE})"),
    ],
)
def test_what_cannot_be_had_is_noted_until_a_person_does_something(
    folder: Path, more: dict[str, str], noted: str
) -> None:
    app = opened(folder, colour="blue", level="4", **more)
    assert [warning.value for warning in app.warning] == [
        f"Parts of the link could not be followed: colour = blue (instead: red){noted}."
    ]
    app.slider(key="level").set_value(3).run()
    assert not app.warning
