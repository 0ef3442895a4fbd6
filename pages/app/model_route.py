"""The route that serves trained models as ONNX, for the browser to run.

An address names a run by its key and the digest of its weights, so what is at an address never changes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aecore import AecoreError
from aecore.runs.store import WEIGHTS, Run, Store, StoreError
from pages.app.server import below_root

ROUTE = "/models"

MOST_PARAMETERS = 8_000_000  # 32 MB: more would take long to fetch and fill the browser's memory
_HEADERS = {"Cache-Control": "public, immutable, max-age=31536000"}


Part = Literal["model", "encoder", "decoder"]


def address(run: Run, part: Part = "model") -> str | None:
    """Where the app serves a run's model, or a part of it, below its root; None for a light run, for a large model,
    and where a code is rounded: the last digit of a number may decide between two steps, and a browser has others.
    """
    architecture = run.spec.architecture
    if run.is_light or architecture.parameters > MOST_PARAMETERS or architecture.entropy_model:
        return None
    return f"{ROUTE}/{run.key}/{run.digest(WEIGHTS)[:16]}/{part}.onnx"


def route() -> Route:
    """Answers below `ROUTE`, in the folder that the server is told to serve the app from."""
    return Route(below_root(ROUTE + "/{key}/{digest}/{part}.onnx"), _serve)


def _serve(request: Request) -> Response:
    """A model; status 404 and the reason where there is none at this address. Runs in a thread of its own."""
    key, digest, part = (request.path_params[name] for name in ("key", "digest", "part"))
    if part not in get_args(Part):
        raise HTTPException(404, f"A model has no part {part!r}: its parts are {', '.join(get_args(Part))}.")
    try:
        content = exported(key, digest, part)
    except AecoreError as error:
        raise HTTPException(404, str(error)) from None
    return Response(content, media_type="application/octet-stream", headers=_HEADERS)


@lru_cache(maxsize=8)
def exported(key: str, digest: str, part: Part) -> bytes:
    """The ONNX file of a run, or of a part of it.

    Raises an `AecoreError` where the run is damaged, or where its weights no longer have this digest.
    """
    # torch takes seconds to import, and the server starts without it.
    from aecore.reconstructors import onnx_export
    from pages.components import jobs

    jobs.one_core()

    run = Store().find(key)
    if run.key == key and not run.digest(WEIGHTS).startswith(digest):
        raise StoreError(f"{run.name} was replaced by another run since this page was made: load the page again.")
    if address(run, part) != f"{ROUTE}/{key}/{digest}/{part}.onnx":
        raise StoreError("There is no model at this address.")
    model = run.model()
    return onnx_export.export(model) if part == "model" else onnx_export.export_part(model, part)
