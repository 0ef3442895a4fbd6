"""What the web server adds to pages, and what it passes on untouched."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.types import Message
from streamlit import config

from pages.app.server import AddedScript

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "live.webp"  # of more than one chunk


def answer(response: Response, accept: str, path: str = "/") -> tuple[Headers, bytes]:
    """The headers and the body of what a browser gets that asks for `accept` at a `path`."""
    sent: list[Message] = []

    async def receive() -> Message:
        return await asyncio.Event().wait() and {}  # the browser says nothing more

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [(b"accept", accept.encode())]}
    # In a thread of its own: where Playwright has run before, this one has an event loop already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, AddedScript(response)(scope, receive, send)).result()
    assert sent[-1].get("more_body", False) is False
    return Headers(raw=sent[0]["headers"]), b"".join(message["body"] for message in sent[1:])


def page() -> Response:
    return StreamingResponse(iter(["<html><head>", "<title>Compare</title></head></html>"]), media_type="text/html")


def test_a_file_in_several_chunks_is_passed_on_as_it_is() -> None:
    assert FILE.stat().st_size > 2 * FileResponse.chunk_size
    for accept in ("text/html", "*/*"):
        assert answer(FileResponse(FILE), accept)[1] == FILE.read_bytes()


def test_a_page_in_several_chunks_gets_the_script_once() -> None:
    headers, body = answer(page(), "text/html")
    assert body.startswith(b"<html><head><script>")
    assert body.endswith(b"</script><title>Compare</title></head></html>")
    assert int(headers["content-length"]) == len(body)
    assert b"<script>" not in answer(page(), "*/*")[1]


@pytest.mark.parametrize(
    ("asked", "base", "address", "root"),
    [
        ("/", "", "/", ""),
        ("/compare", "", "/compare", ""),
        ("/compare/", "", "/compare/", ""),
        ("/compare", "", "/ecosystem/compare", "/ecosystem"),  # a proxy that cuts its own folder off
        ("/", "", "/train/", "/train"),
        ("/train/", "train", "/train/", "/train"),  # a folder that the server knows of
        ("/train", "/train/", "/train", "/train"),
        ("/my/app/system", "my/app", "/my/app/system", "/my/app"),
    ],
)
def test_the_root_is_the_address_without_what_the_server_was_asked_for(
    asked: str, base: str, address: str, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "get_option", {"server.baseUrlPath": base}.__getitem__)
    (below,) = re.findall(rb"location\.pathname\.length - (\d+)\)", answer(page(), "text/html", asked)[1])
    assert address[: len(address) - int(below)].removesuffix("/") == root
