"""A real dashboard in a process of its own, and a real Chromium: for the browser tests and the screenshots."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, sync_playwright

from aecore.scheduling import supervision

ROOT = Path(__file__).parents[2]
STOPPING = 20.0  # seconds
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--no-first-run"]


class Dashboard(NamedTuple):
    """A running dashboard."""

    address: str
    pid: int


@contextmanager
def dashboard(
    log: Path,
    environment: Mapping[str, str],
    module: Sequence[str] = ("streamlit",),
    port: int | None = None,
    python: str = sys.executable,
) -> Iterator[Dashboard]:
    """A dashboard that runs with `environment` added and writes to `log`; `module` is what `python` runs it with.

    It listens at a free `port` unless one is given.
    """
    if port is None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    command = [python, "-m", *module, "run", "dashboard.py", "--server.headless=true"]
    with log.open("w") as output:
        server = subprocess.Popen(
            [*command, f"--server.port={port}"],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    base = environment.get("STREAMLIT_SERVER_BASE_URL_PATH")
    address = f"http://127.0.0.1:{port}" + (f"/{base}" if base else "")
    try:
        _wait_for(f"{address}/_stcore/health")
        yield Dashboard(address, server.pid)
    finally:
        server.terminate()
        try:
            server.wait(STOPPING)
        except subprocess.TimeoutExpired:  # uvicorn waits without end for connections that the browser keeps open
            server.kill()
            server.wait()


def until_nobody_works(store: Path) -> None:
    """Wait for the supervisor of a store to end, which it does when no run is left."""
    for _ in range(300):
        if not supervision.held(store):
            return
        time.sleep(0.1)
    raise TimeoutError("the supervisor did not end within half a minute after its last run")


def executable() -> str:
    """The system's Chromium, since playwright's own cannot be downloaded everywhere; `LookupError` if there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise LookupError("No Chromium is here: apt-get install chromium.")
    return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, started anew; raises `LookupError` as `executable`."""
    path = executable()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


def _wait_for(address: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"{address} did not answer within a minute")
