"""What the app serves of ONNX Runtime Web: under which address, as what, and for how long."""

import asyncio
import gzip
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.types import Message
from streamlit import config

from pages.app import browser_packages
from pages.app.browser_packages import SERVED, WASM
from pages.app.package_route import route

FOLDER = "onnxruntime-web-1.30.0"


def answer(path: str, encodings: str = "", method: str = "GET") -> tuple[int, Headers, bytes]:
    """The status, the headers and the body of the answer."""
    sent: list[Message] = []

    async def receive() -> Message:
        return await asyncio.Event().wait() and {}  # the browser says nothing more

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(b"accept-encoding", encodings.encode())],
    }
    # In a thread of its own: where Playwright has run before, this one has an event loop already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, Starlette(routes=[route()])(scope, receive, send)).result()
    return sent[0]["status"], Headers(raw=sent[0]["headers"]), b"".join(message["body"] for message in sent[1:])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an environment of its own where the package is not installed."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    return tmp_path / "share" / "aecore" / FOLDER


@pytest.fixture
def installed(place: Path) -> Path:
    """The same with a file of each name."""
    place.mkdir(parents=True)
    (place / "package.json").write_text("{}")
    for file in SERVED:
        (place / file).write_bytes(f"content of {file} ".encode() * 10_000)
        (place / f"{file}.gz").write_bytes(gzip.compress((place / file).read_bytes()))
    return place


@pytest.mark.parametrize("file", SERVED)
def test_a_file_is_served_as_what_it_is_and_for_a_year(installed: Path, file: str) -> None:
    kind = {".mjs": "text/javascript; charset=utf-8", ".wasm": "application/wasm"}[Path(file).suffix]
    for encodings in ("", "gzip, deflate, br"):
        status, headers, body = answer(f"/browser-packages/{FOLDER}/{file}", encodings)
        assert (status, headers["content-type"]) == (200, kind)
        assert headers["cache-control"] == "public, immutable, max-age=31536000"
        assert headers["vary"] == "Accept-Encoding"
        assert int(headers["content-length"]) == len(body)
        assert headers.get("content-encoding") == ("gzip" if encodings else None)
        assert (gzip.decompress(body) if encodings else body) == (installed / file).read_bytes()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("base", ["", "app", "/my/app/"])
def test_it_is_served_below_the_base_path_and_only_there(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "get_option", {"server.baseUrlPath": base}.__getitem__)
    below = f"/{base.strip('/')}" if base else ""
    assert answer(below + browser_packages.address(WASM))[0] == 200
    assert answer("/other" + browser_packages.address(WASM))[0] == 404
    assert answer(browser_packages.address(WASM))[0] == (404 if base else 200)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "path",
    [
        "",
        FOLDER,
        f"onnxruntime-web-1.29.0/{WASM}",
        f"{FOLDER}/package.json",
        f"{FOLDER}/{WASM}.gz",
        f"{FOLDER}/{WASM}/",
        f"{FOLDER}/../{FOLDER}/{WASM}",
        f"{FOLDER}//{WASM}",
    ],
)
def test_nothing_else_is_served(path: str) -> None:
    assert answer(f"/browser-packages/{path}")[0] == 404


@pytest.mark.usefixtures("installed")
def test_nothing_is_accepted() -> None:
    assert answer(browser_packages.address(WASM), method="POST")[0] == 405


@pytest.mark.usefixtures("place")
def test_what_is_not_installed_is_not_found() -> None:
    assert [answer(browser_packages.address(file))[0] for file in SERVED] == [404] * len(SERVED)


def test_an_address_is_given_for_what_is_served_only() -> None:
    with pytest.raises(ValueError, match=r"'ort\.js' is not served"):
        browser_packages.address("ort.js")
