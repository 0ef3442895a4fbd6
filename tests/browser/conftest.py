"""One dashboard and one browser for all browser tests; a window of its own for each."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from aecore.runs.store import Store
from aecore.scheduling.queue import Queue
from tests.browser import started

# Nothing here says how fast: a busy machine must not fail.
expect.set_options(timeout=60_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; pytest passes those of all folders."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard that sees the published runs and no data set."""
    folder = tmp_path_factory.mktemp("dashboard")
    with started.dashboard(folder / "log", {"AECORE_DATA": str(folder / "nothing")}) as served:
        yield served.address
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard with a store of its own, where runs may be launched; no data set is there."""
    folder = tmp_path_factory.mktemp("workshop")
    store = folder / "checkpoints"
    for name in ("shallow-maxpool", "dense"):
        path = Store().find(name).path
        shutil.copytree(path, store / path.name)
    environment = {"AECORE_DATA": str(folder / "nothing"), "AECORE_CHECKPOINTS": str(store)}
    with started.dashboard(folder / "log", environment) as served:
        yield served.address
    queue = Queue(Store(store))
    for entry in queue.entries():
        queue.cancel(entry.id)
    started.until_nobody_works(store)
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
    """A window of 1280×800 that must stay free of errors, failed requests and requests to elsewhere."""
    with _window(chromium) as opened:
        yield opened


@pytest.fixture
def other(chromium: Browser) -> Iterator[Page]:
    """Another such window, of another visitor."""
    with _window(chromium) as opened:
        yield opened


@contextmanager
def _window(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    window = context.new_page()
    window.set_default_timeout(60_000)
    problems: list[str] = []
    window.on("pageerror", lambda error: problems.append(str(error)))
    window.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
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
