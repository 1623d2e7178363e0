"""How a request is refused: a status, and one sentence that Gradio's page and a script both show."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


LOST = "Connection errored out. "


class Refusal(Exception):
    """A request that is not passed on.

    Args:
        status: Of HTTP. Gradio's page shows the words of all but 503, which it words itself.
        text: What is wrong and what to do; nothing of what was sent.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text

    @property
    def content(self) -> dict[str, object]:
        """The answer, as Gradio's page and scripts read it."""
        return {"success": False, "detail": self.text}


class Gone(Refusal):
    """A request of a page that was opened before the server was restarted, or whose pictures have gone since.

    Gradio's page says that the connection was lost and loads itself anew, which brings back what its tab has kept.
    """

    def __init__(self, text: str) -> None:
        super().__init__(410, text)

    @property
    def content(self) -> dict[str, object]:
        """With the words by which Gradio's page knows that its server is another."""
        return super().content | {"error": LOST}


async def answer(send: Send, status: int, content: object) -> None:
    """Send a whole response: text as it is, anything else as JSON."""
    if isinstance(content, str):
        body, kind = content.encode(), b"text/plain; charset=utf-8"
    else:
        body, kind = json.dumps(content).encode(), b"application/json"
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
