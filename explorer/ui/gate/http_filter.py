"""What reaches the app over HTTP: the few routes it needs, its own pages, checked bodies, as much as there is room for.

Gradio opens routes this app has no use for: it would fetch links for a visitor, run ffmpeg, write deep links to disk,
count visitors, start functions past the queue. They answer 404 here. What does pass is checked before Gradio sees it
(``payloads``, ``origins``, ``admission``), and whatever still goes wrong is answered in words.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import time
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

import gradio as gr

from explorer.core.limits import MAX_UPLOAD_BYTES
from explorer.ui.gate.admission import MODEL, Admission
from explorer.ui.gate.logins import Logins
from explorer.ui.gate.origins import LOGIN, Origins
from explorer.ui.gate.payloads import UNREADABLE, Payloads, session_of
from explorer.ui.gate.refusals import App, Message, Receive, Refusal, Scope, Send, answer
from explorer.ui.gate.upload_store import Uploads

API = "/gradio_api/"
OPEN = re.compile(
    r"/(?:\Z|health\Z|config/?\Z|info/?\Z|theme\.css\Z|robots\.txt\Z|favicon\.ico\Z|manifest\.json\Z|static/|assets/|"
    r"svelte/|browser/\w+/[\w-]+\.(?:js|css)\Z|replay/[\w-]+\.json\Z|"
    r"gradio_api/(?:info/?\Z|startup-events\Z|app_id/?\Z|upload\Z|upload_progress\Z|heartbeat/|queue/(?:join|data)\Z|"
    r"cancel\Z|reset/?\Z|theme\.css\Z|login_check/?\Z|user/?\Z|token/?\Z|file=))"
)
MEMBERS = ("upload", "file=", "queue/", "cancel", "heartbeat/")
"""For those who gave it; what else there is shows nothing of anybody, or Gradio looks itself."""
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""Stands in no address of ours; Starlette's routes end before a line feed, too."""
PUBLIC = re.compile(r"/(?:static|assets|svelte|browser|replay)/|/(?:theme\.css|favicon\.ico|manifest\.json)\Z")
"""Scripts, style and examples: the same for everybody, and what a page needs to say anything."""
LARGEST_UPLOAD = MAX_UPLOAD_BYTES + 2_000_000
"""A file a little over the cap is read, so that the page can be told how large it is."""
LARGEST_JSON = 200_000
"""Twice the largest ``config.json``; to read a megabyte of brackets takes seconds from everybody."""
LONGEST_NAME = 255
"""Of a part of a path, on every disk."""
BODY_SECONDS = 20.0
"""In which the JSON of an event must arrive; for an upload, so long without a byte is too long."""
DRAIN_SECONDS = 5.0
SLOWEST = 10_000
"""Bytes a second that an upload must bring on average, after the first ``BODY_SECONDS``."""
PASSED = "explorer.gate"
"""Says in a request's scope, which no client can write, that the gate has seen it."""
NOT_STARTED = (
    "The app has not been started: its server must run the lifespan of the app it serves, and an app around it that of "
    "the app within. See With a password, or inside an app of yours, in the README."
)
FAILED = "The server failed at this request; it has been noted. Reload the page and try again."

log = logging.getLogger(__name__)


class Gate:
    """ASGI middleware; see the module.

    Args:
        app: What is guarded.
        demo: The app's components.
        admission: Who may wait.
        uploads: The files that were uploaded here.
        origins: Whose word counts.
    """

    def __init__(self, app: App, demo: gr.Blocks, admission: Admission, uploads: Uploads, origins: Origins) -> None:
        self._app, self._admission, self._uploads, self._origins = app, admission, uploads, origins
        self._payloads, self._queue, self._logins = Payloads(demo, uploads.resolve), demo._queue, Logins(demo)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            scope[PASSED] = True
            await self._guarded(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every refusal and every failure becomes a sentence, as long as nothing has been said yet."""
        body = Body(receive)
        words = Words(_path(scope), send, body)
        try:
            await self._passed(scope, body, words)
        except Refusal as refusal:
            await words.refuse(refusal)
        except BaseException:
            await words.refuse(Refusal(500, FAILED))
            raise

    async def _passed(self, scope: Scope, receive: Receive, send: Words) -> None:
        path, login = _path(scope), self._logins.asked and _path(scope).rstrip("/") in LOGIN
        opened = (login or OPEN.match(path)) and not CONTROL.search(path)
        if not opened or max(map(len, path.encode().split(b"/"))) > LONGEST_NAME:
            raise Refusal(404, "No such endpoint.")
        headers = self._origins.admit(scope, public=bool(PUBLIC.match(path)))
        scope["query_string"] = _query(scope["query_string"])
        if headers.get("range", "").count(",") or len(headers.get("range", "")) > 60:
            scope["headers"] = [pair for pair in scope["headers"] if pair[0].lower() != b"range"]
        address = str(scope["client"][0]) if scope.get("client") else ""
        route = path.removeprefix(API).rstrip("/") if path.startswith(API) else ""
        if route.startswith(MEMBERS):
            await self._logins.check(scope)
        if login:
            _check_length(headers, LARGEST_JSON)
            body = await _read(receive)
            await self._logins.take_turn(address, receive)
            await self._app(scope, _replayed(body, receive), self._logins.noting(address, send))
        elif route == "upload":
            _check_length(headers, LARGEST_UPLOAD)
            await self._app(scope, _bounded(receive, LARGEST_UPLOAD, send), send)
        elif route in ("queue/join", "cancel") and scope["method"] == "POST":
            _check_length(headers, LARGEST_JSON)
            await self._event(scope, await _read(receive), receive, send, address)
        elif route in ("queue/data", "upload_progress") or route.startswith("heartbeat/"):
            await self._stream(scope, receive, send, address, route)
        elif route == "reset":
            await answer(send, 200, {"success": True})  # to Gradio it means nothing either
        else:
            _check_length(headers, LARGEST_JSON)
            await self._app(scope, _bounded(receive, LARGEST_JSON, send), send)

    async def _event(self, scope: Scope, body: bytes, receive: Receive, send: Send, address: str) -> None:
        if scope["path"].rstrip("/").endswith("cancel"):
            asked = self._payloads.cancel(body)
            event = self._queue.event_ids_to_events.get(asked["event_id"])
            if event is None or event.session_hash != asked["session_hash"]:
                await answer(send, 200, {"success": True})  # it has ended, or is somebody else's
                return
            asked["fn_index"] = event.fn._id  # with another's, Gradio would wait for the run to end by itself
            await self._app(*_again(scope, asked, receive), send)
            return
        asked, fn, files = self._payloads.event(body)
        lane = str(fn.concurrency_id)
        with self._admission.entering(asked["session_hash"], address, lane if lane == MODEL else "cheap"):
            for file in files:
                self._uploads.claim(asked["session_hash"], file)
            await self._app(*_again(scope, asked, receive), send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send, address: str, route: str) -> None:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if route == "upload_progress":
            page = session_of(query.get("upload_id", [""])[-1])
        elif route == "queue/data":
            page = session_of(query.get("session_hash", [""])[-1])
            if page not in self._queue.pending_messages_per_session:
                raise Refusal(404, "Nothing of this page is waiting; reload it.")
        else:
            page = session_of(route.removeprefix("heartbeat/"))
        with self._admission.listening(page, address, answers=route == "queue/data"):
            await self._app(scope, receive, send)


class Closed:
    """ASGI middleware of the guarded app itself: without its lifespan, which sets the gate, it answers nothing else.

    Args:
        app: What is guarded.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what the gate has let through."""
        if scope["type"] == "http" and PASSED not in scope:
            await answer(send, 503, {"success": False, "detail": NOT_STARTED})
        else:
            await self._app(scope, receive, send)


class Body:
    """What a client sends, and whether that was all.

    Args:
        receive: Of the server.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive, self._whole = receive, False

    async def __call__(self) -> Message:
        """The next part."""
        message = await self._receive()
        self._whole = not message.get("more_body")
        return message

    async def drain(self) -> None:
        """Read what is left of a refused body: its client would be cut off before it could read why."""
        left = LARGEST_UPLOAD
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while left > 0 and not self._whole:
                    left -= len((await self()).get("body", b""))


class Words:
    """Sends on what the app sends, but for the body of a failure, which it says in words.

    Args:
        path: Of the request, within the app.
        send: Of the server.
        body: Of the request; read to its end before it is refused.
    """

    def __init__(self, path: str, send: Send, body: Body) -> None:
        self._path, self._send, self._body = path, send, body
        self._begun = self._failed = False

    async def __call__(self, message: Message) -> None:
        """Send on, or hold back."""
        status = message.get("status", 0)
        own = self._path.startswith((f"{API}file=", f"{API}upload"))
        if status >= 500 and status not in (503, 507):
            await self.refuse(Refusal(500, FAILED))
        elif status in (404, 405, 422) and not own:  # in the words of the libraries below, with what was sent
            await self.refuse(Refusal(status, "No such endpoint." if status != 422 else UNREADABLE))
        elif not self._failed:
            if status >= 400:
                await self._body.drain()
            self._begun = True
            await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Say why, unless an answer has begun."""
        if self._begun:
            return
        self._begun = self._failed = True
        await self._body.drain()
        plain = refusal.status == 404 and not self._path.startswith(f"{API}queue/join")
        await answer(self._send, refusal.status, refusal.text if plain else refusal.content)


def _path(scope: Scope) -> str:
    """What is asked for within the app, wherever a proxy or another app shows it."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


def _query(raw: bytes) -> bytes:
    """An address' query, without what Gradio would look for and not find, and only as UTF-8."""
    try:
        pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, errors="replace", max_num_fields=100)
    except ValueError as error:
        raise Refusal(400, "The address holds more than 100 values; open the app without them.") from error
    return urlencode([pair for pair in pairs if pair[0] not in ("deep_link", "page") and "\0" not in pair[1]]).encode()


def _check_length(headers: dict[str, str], limit: int) -> None:
    said = headers.get("content-length", "0")
    if not said.isascii() or not said.isdigit():
        raise Refusal(400, "The request could not be read.")
    if int(said) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"The request is larger than {limit / 1e6:g} MB; send less.")


async def _read(receive: Receive) -> bytes:
    """The whole body of an event."""
    parts, size = [], 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refusal(400, "The request ended before it was whole.")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > LARGEST_JSON:
                    raise _too_large(LARGEST_JSON)
                if not message.get("more_body"):
                    return b"".join(parts)
    raise Refusal(408, "The request took too long to arrive; try again.")


def _bounded(receive: Receive, limit: int, words: Words) -> Receive:
    """A body that ends where it grows too large or comes too slowly.

    The refusal is said here, before it goes up through an app that would answer it with words of its own.
    """
    began, seen, whole = time.monotonic(), 0, False
    late = Refusal(408, "The file took too long to arrive; try again.")

    async def read() -> Message:
        nonlocal seen, whole
        if whole:
            return await receive()  # waits for the client to go
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await receive()
        except TimeoutError as error:
            await words.refuse(late)
            raise late from error
        seen += len(message.get("body", b""))
        whole = not message.get("more_body")
        slow = (time.monotonic() - began - BODY_SECONDS) * SLOWEST > seen
        if seen > limit or slow:
            refusal = late if slow else _too_large(limit)
            await words.refuse(refusal)
            raise refusal
        return message

    return read


def _again(scope: Scope, content: dict[str, Any], receive: Receive) -> tuple[Scope, Receive]:
    """A request with another body: what was checked."""
    body = json.dumps(content).encode()
    kept = [pair for pair in scope["headers"] if pair[0].lower() not in (b"content-length", b"content-type")]
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return {**scope, "headers": [*kept, *own]}, _replayed(body, receive)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A body that has been read, and then whatever the client says, which is that it has gone."""
    parts = [body]

    async def read() -> Message:
        if parts:
            return {"type": "http.request", "body": parts.pop(), "more_body": False}
        return await receive()

    return read
