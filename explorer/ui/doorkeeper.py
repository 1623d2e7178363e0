"""What reaches the app over HTTP: the few routes it needs, small bodies, its own pages.

Gradio opens routes this app has no use for: it would fetch links for a visitor, run ffmpeg, write deep
links to disk, count visitors, start functions past the queue. They answer 404 here.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from ..caps import MAX_UPLOAD_BYTES

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

OPEN = re.compile(
    r"/(?:$|config/?$|info/?$|theme\.css$|robots\.txt$|favicon\.ico$|manifest\.json$|static/|assets/|svelte/|"
    r"instrument/[\w-]+\.(?:js|css)$|replay/[\w-]+\.json$|"
    r"gradio_api/(?:info/?$|startup-events$|app_id/?$|upload$|upload_progress$|heartbeat/|queue/(?:join|data)$|cancel$|reset/?$|"
    r"theme\.css$|login_check/?$|user/?$|token/?$|file=(?!(?:https?|ftp):)))",
    re.IGNORECASE,
)
LARGEST_BODY = MAX_UPLOAD_BYTES + 2_000_000
LARGEST_JSON = 1_000_000


class Doorkeeper:
    """ASGI middleware; see the module."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if not OPEN.match(scope["path"].removeprefix(scope.get("root_path", ""))):
            await _answer(send, 404, "No such endpoint.")
        elif scope["method"] not in ("GET", "HEAD") and _foreign(headers):
            await _answer(send, 403, "Requests from other sites are not accepted.")
        else:
            await self._bounded(scope, receive, send, headers)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str]) -> None:
        """Pass on, counting the body, and stop reading where it grows too large."""
        limit = LARGEST_BODY if scope["path"].endswith("/upload") else LARGEST_JSON
        if int(headers.get("content-length") or 0) > limit:
            await _answer(send, 413, f"The request is larger than {limit // 1_000_000} MB; upload a smaller file.")
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            return {"type": "http.disconnect"} if seen > limit else message

        await self._app(scope, counted, send)


def _foreign(headers: dict[str, str]) -> bool:
    """Whether a browser says that another site's page sent this."""
    origin = headers.get("origin")
    if origin is None or headers.get("sec-fetch-site") in ("same-origin", "same-site", "none"):
        return False
    hosts = {headers.get("host"), headers.get("x-forwarded-host")}
    return urlsplit(origin).netloc not in hosts


async def _answer(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
