"""Every page of the navigation, without a browser: opened by its record."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.app.pages import PAGES, Page

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.url)
def test_every_page_opens(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_DATA", str(tmp_path))
    app = AppTest.from_file(ROOT / "pages/app/navigation.py", default_timeout=120)
    app.switch_page(str(page.path)).run()
    assert not app.exception
    assert app.title


def test_every_page_has_a_record() -> None:
    written = {path for folder in ("explore", "experiment") for path in (ROOT / "pages" / folder).glob("*.py")}
    assert {page.path for page in PAGES} == written
