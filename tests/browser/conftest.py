"""One dashboard and one browser for all browser tests; a window of its own for each."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Request

from tests.browser import started


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard that sees the published runs and no data set."""
    folder = tmp_path_factory.mktemp("dashboard")
    with started.dashboard(folder / "log", {"AECORE_DATA": str(folder / "nothing")}) as served:
        yield served.address
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser; CI must have one."""
    try:
        with started.chromium() as browser:
            yield browser
    except LookupError as error:
        pytest.fail(str(error)) if os.environ.get("CI") else pytest.skip(str(error))


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A window of 1280×800 that must stay free of uncaught errors, failed requests and requests to elsewhere."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    window = context.new_page()
    window.set_default_timeout(60_000)
    problems: list[str] = []
    window.on("pageerror", lambda error: problems.append(str(error)))
    window.on("requestfailed", lambda request: problems.append(request.url) if _is_broken(request) else None)
    window.on("request", lambda request: problems.append(request.url) if _is_elsewhere(request.url) else None)
    yield window
    context.close()
    assert not problems


def _is_broken(request: Request) -> bool:
    # A window that moves on gives up what it was still loading.
    return request.failure != "net::ERR_ABORTED"


def _is_elsewhere(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "data:", "blob:", "ws://127.0.0.1:"))
