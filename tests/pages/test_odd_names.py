"""A data set whose name no text can hold: every page that shows its run still opens."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from aecore.runs.store import Store
from pages.app.pages import PAGES, Page
from tests.pages.copies import copied

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.url)
def test_a_folder_named_in_another_encoding_ends_no_page(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = copied(Store(ROOT / "checkpoints").find("dense"), tmp_path, dataset="folder:/pictures/caf\udce9", epochs=3)
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "nothing"))
    st.cache_data.clear()
    st.cache_resource.clear()
    app = AppTest.from_file(ROOT / "pages/app/navigation.py", default_timeout=120)
    app.query_params["run" if page.url == "system" else "models"] = f"dense {own.key[:6]}"
    app.switch_page(str(page.path)).run()
    assert not app.exception
    for element in app.main:
        str(element.proto).encode()
