"""The route that serves what `browser_packages` installed."""

from __future__ import annotations

from pathlib import PurePath

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from pages.app import browser_packages
from pages.app.server import below_root

_TYPES = {".mjs": "text/javascript", ".wasm": "application/wasm"}
# What is at an address never changes, since the package's version is part of it.
_HEADERS = {"Cache-Control": "public, immutable, max-age=31536000", "Vary": "Accept-Encoding"}


def route() -> Route:
    """Answers below `browser_packages.ROUTE`, in the folder that the server is told to serve the app from."""
    return Route(below_root(browser_packages.ROUTE + "/{path:path}"), _serve)


async def _serve(request: Request) -> FileResponse:
    """A file of the package, or status 404: for another name, another version, and where it is not installed."""
    asked = f"{browser_packages.ROUTE}/{request.path_params['path']}"
    file = {browser_packages.address(file): file for file in browser_packages.SERVED}.get(asked)
    folder = browser_packages.folder()
    if file is None or folder is None:
        raise HTTPException(404)
    headers = dict(_HEADERS)
    # Streamlit's server would otherwise compress it at each request.
    compressed = "gzip" in request.headers.get("accept-encoding", "")
    if compressed:
        headers["Content-Encoding"] = "gzip"
    path = folder / (f"{file}.gz" if compressed else file)
    return FileResponse(path, headers=headers, media_type=_TYPES[PurePath(file).suffix])
