"""What the web server does beside Streamlit's own."""

from __future__ import annotations

from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

_SCRIPT = (Path(__file__).parent / "first_page.js").read_text()


class AddedScript:
    """Adds a script to the page that the browser loads first: where the app's root is, and `first_page.js`.

    Streamlit's browser side cannot know whether `/compare` is a page or the folder that the whole app is served from,
    and asks for the server's state in that folder first: two failed requests in the browser's console for every deep
    link.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self._app(scope, receive, send)
            return
        # Compressed text could not be added to.
        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        script = _script(scope).encode()
        start: Message = {}  # of a response in HTML, sent when the length of its body is known
        body = b""

        async def add(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_html(message):
                start = message
            elif start and message["type"] == "http.response.body":
                body += message.get("body", b"")
                if not message.get("more_body"):
                    body = body.replace(b"<head>", b"<head>" + script, 1)
                    MutableHeaders(raw=start["headers"])["content-length"] = str(len(body))
                    await send(start)
                    await send({**message, "body": body})
            else:
                await send(message)

        await self._app({**scope, "headers": headers}, receive, add)


def _is_html(start: Message) -> bool:
    return "text/html" in Headers(raw=start["headers"]).get("content-type", "")


def _script(scope: Scope) -> str:
    """What tells the browser the root: its own address without what this server was asked for below its base path.

    So it does not matter which folder a proxy serves the app from, and whether the server is told of it.
    """
    base = f"/{config.get_option('server.baseUrlPath').strip('/')}".rstrip("/")
    below = len(scope.get("raw_path", scope["path"].encode())) - len(base)
    return f"""<script>
  const root = location.pathname.slice(0, location.pathname.length - {below}).replace(/\\/$/, "");
  window.__streamlit = {{ BACKEND_BASE_URL: location.origin + root }};
{_SCRIPT}</script>"""


def below_root(route: str) -> str:
    """The path of a route of ours, in the folder that the server is told to serve the app from."""
    folder = config.get_option("server.baseUrlPath").strip("/")
    return f"/{folder}{route}" if folder else route
