"""An open page without a browser: Gradio's queue protocol, spoken as its frontend speaks it.

Events are found by the element that starts them, as a visitor finds them, so that their numbers may change.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from ledger import Ledger

API = "/gradio_api"


@dataclass(frozen=True)
class Layout:
    """What ``/config`` says of the page: its components by number, and its events."""

    components: dict[int, dict[str, Any]]
    events: list[dict[str, Any]]

    @classmethod
    def read(cls, recipe: dict[str, Any]) -> Layout:
        return cls({part["id"]: part for part in recipe["components"]}, recipe["dependencies"])

    def name(self, component: int) -> str | None:
        return self.components[component]["props"].get("elem_id")

    def started_by(self, element: str, trigger: str) -> list[dict[str, Any]]:
        """The events of the server that an element starts, in the order in which the page starts them."""
        return [event for event in self.events if event["backend_fn"] and self._targets(event, element, trigger)]

    def cancelled_by(self, element: str, trigger: str) -> set[int]:
        """The numbers of the events that an element ends."""
        return {
            number for event in self.events if self._targets(event, element, trigger) for number in event["cancels"]
        }

    def following(self, number: int, *, success: bool) -> list[dict[str, Any]]:
        """The events that the page starts when another has ended."""
        return [
            event
            for event in self.events
            if event["backend_fn"]
            and event["trigger_after"] == number
            and not (event["trigger_only_on_success"] and not success)
            and not (event.get("trigger_only_on_failure") and success)
        ]

    def inputs(self, event: dict[str, Any], values: dict[str, Any]) -> list[Any]:
        """What the page sends: the values given by element, and otherwise those the page came with."""
        found = []
        for number in event["inputs"]:
            part, name = self.components[number], self.name(number)
            start = None if part["type"] == "state" else part["props"].get("value")
            found.append(values.get(name, start) if name else start)
        return found

    def _targets(self, event: dict[str, Any], element: str, trigger: str) -> bool:
        return any(
            number is not None and kind == trigger and self.name(number) == element for number, kind in event["targets"]
        )


@dataclass(eq=False)
class Event:
    """One accepted event and all that was heard of it.

    Attributes:
        shown: What each output has been sent, the last non-empty value of every property, by element.
        first_row: When the first rows came; None before.
        error: The words of its failure.
    """

    id: str
    number: int
    outputs: list[str | None]
    joined: float
    shown: dict[str | None, dict[str, Any]] = field(default_factory=dict)
    started: float | None = None
    first_row: float | None = None
    ended: float | None = None
    cancelled: bool = False
    error: str | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)
    _sent: list[Any] | None = None

    def hear(self, message: dict[str, Any]) -> None:
        """Take in one message of the stream."""
        kind, now = message["msg"], time.monotonic()
        if kind == "process_starts":
            self.started = now
        elif kind == "process_generating" and message["success"]:
            data = message["output"]["data"]
            if self._sent is None:
                self._sent = copy.deepcopy(data)
            else:
                self._sent = [_edited(old, edits) for old, edits in zip(self._sent, data, strict=True)]
            self._show(self._sent, now)
        elif kind == "process_completed":
            self.ended = now
            if not message["success"]:
                self.error = str((message["output"] or {}).get("error") or "")
            elif message["output"].get("data"):
                self._show(message["output"]["data"], now)
            self.done.set()

    def _show(self, data: list[Any], now: float) -> None:
        for name, value in zip(self.outputs, data, strict=False):
            if isinstance(value, dict) and value.get("__type__") == "update":
                parts = {**value, **value.get("props", {})}
                news = {key: part for key, part in parts.items() if key not in ("__type__", "props")}
            else:
                news = {"value": value}
            if self.first_row is None and ("result" in news or "rows" in news):
                self.first_row = now
            self.shown.setdefault(name, {}).update(copy.deepcopy(news))
            if "result" in news:
                self.shown[name].pop("rows", None)  # of the result before


def _edited(old: Any, edits: list[Any]) -> Any:
    """What the page makes of a list of changes to a value it has."""
    value = [copy.deepcopy(old)]
    for action, path, new in edits:
        *way, last = [0, *path]
        place: Any = value
        for step in way:
            place = place[step]
        if action == "append":
            place[last] += new
        elif action == "delete":
            del place[last]
        elif action == "add" and isinstance(place, list):
            place.insert(last, new)
        else:
            place[last] = new
    return value[0]


class Refused(Exception):
    """The server did not take an event, and said why."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{status}: {words}")
        self.status, self.words = status, words


class Page:
    """A visitor's open tab.

    Args:
        http: Shared by all tabs; nothing of a session is in it.
        layout: From ``/config``.
        ledger: Where every request and event is written down.
    """

    def __init__(self, http: httpx.AsyncClient, layout: Layout, ledger: Ledger) -> None:
        self.session = secrets.token_hex(6)[:11]
        self.closed = False
        self._http, self._layout, self._ledger = http, layout, ledger
        self._events: dict[str, Event] = {}
        self._early: dict[str, list[dict[str, Any]]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._heart: asyncio.Task[None] | None = None
        self._followers: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Load the page and keep its heartbeat."""
        began = time.monotonic()
        answer = await self._http.get("/")
        self._ledger.answer("GET /", answer.status_code, answer.text[:200])
        self._ledger.time("page", time.monotonic() - began)
        answer = await self._http.get("/config")
        self._ledger.answer("GET /config", answer.status_code, answer.text[:200])
        self._heart = asyncio.create_task(self._beat())

    async def upload(self, content: bytes, name: str) -> dict[str, Any]:
        """Upload a file.

        Raises:
            Refused: In words.
        """
        began = time.monotonic()
        answer = await self._http.post(f"{API}/upload", files={"files": (name, content, "application/octet-stream")})
        if answer.status_code != 200:
            self._ledger.answer("upload", answer.status_code, answer.text, refusal=True)
            raise Refused(answer.status_code, answer.text)
        self._ledger.time("upload", time.monotonic() - began)
        path = answer.json()[0]
        url = f"{self._http.base_url}{API.lstrip('/')}/file={path}"
        return {
            "path": path,
            "url": url,
            "orig_name": name,
            "size": len(content),
            "mime_type": "image/jpeg",
            "meta": {"_type": "gradio.FileData"},
        }

    async def press(self, element: str, trigger: str, values: dict[str, Any]) -> list[Event]:
        """Start what an element starts; what follows each event is started when it has ended.

        Raises:
            Refused: One of them was not taken.
        """
        events = []
        for event in self._layout.started_by(element, trigger):
            events.append(await self.join(event, values))
        return events

    async def stop(self, element: str, running: Event, values: dict[str, Any]) -> list[Event]:
        """End a run as the page does: its Stop is sent, and Gradio is asked to cancel.

        Returns:
            The events of Stop, all ended, those that follow too.
        """
        assert running.number in self._layout.cancelled_by(element, "click")
        running.cancelled = True
        stop, *_ = self._layout.started_by(element, "click")
        began = time.monotonic()
        event, answer = await asyncio.gather(
            self.join(stop, values, follow=False),
            self._http.post(
                f"{API}/cancel",
                json={"session_hash": self.session, "fn_index": running.number, "event_id": running.id},
            ),
        )
        self._ledger.answer("cancel", answer.status_code, answer.text[:200])
        self._ledger.time("cancel answered", time.monotonic() - began)
        events = [event]
        await event.done.wait()
        for following in self._layout.following(stop["id"], success=event.error is None):
            events.append(await self.join(following, values, follow=False))
            await events[-1].done.wait()
        return events

    async def join(self, event: dict[str, Any], values: dict[str, Any], *, follow: bool = True) -> Event:
        """Put one event into the queue.

        Raises:
            Refused: In words.
        """
        body = {
            "data": self._layout.inputs(event, values),
            "event_data": None,
            "fn_index": event["id"],
            "trigger_id": event["targets"][0][0] if event["targets"] else None,
            "session_hash": self.session,
        }
        # A browser's JSON has no NaN, but a script's has.
        answer = await self._http.post(
            f"{API}/queue/join", content=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
        if answer.status_code != 200:
            words = _detail(answer)
            self._ledger.answer("join", answer.status_code, words, refusal=True)
            raise Refused(answer.status_code, words)
        number = answer.json()["event_id"]
        names = [self._layout.name(output) for output in event["outputs"]]
        found = Event(number, event["id"], names, time.monotonic())
        self._events[number] = found
        self._ledger.accept(found, event["api_name"])
        if self.closed:  # while the answer was on its way
            self._ledger.leave(found)
            return found
        for message in self._early.pop(number, ()):
            self._hear(message)
        if follow and self._layout.following(event["id"], success=True):
            follower = asyncio.create_task(self._follow(found, event["id"], values))
            self._followers.add(follower)
            follower.add_done_callback(self._followers.discard)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        return found

    async def settle(self) -> None:
        """Wait until every event has ended, and what follows them."""
        for event in list(self._events.values()):
            await event.done.wait()
        while self._followers:
            await asyncio.wait(self._followers)

    async def _follow(self, event: Event, number: int, values: dict[str, Any]) -> None:
        await event.done.wait()
        for following in self._layout.following(number, success=event.error is None):
            if not self.closed:
                with contextlib.suppress(Refused):  # it is in the ledger
                    await self.join(following, values)

    async def _read(self) -> None:
        """Read the stream while anything is awaited."""
        while not self.closed and any(not event.done.is_set() for event in self._events.values()):
            try:
                async with self._http.stream(
                    "GET", f"{API}/queue/data", params={"session_hash": self.session}, timeout=60
                ) as stream:
                    if stream.status_code != 200:
                        self._ledger.answer("stream", stream.status_code, "")
                        return
                    async for line in stream.aiter_lines():
                        if line.startswith("data:") and self._message(orjson.loads(line[5:])):
                            break
            except httpx.TransportError as error:
                self._ledger.problem(f"stream: {type(error).__name__} {error}")
                return

    def _message(self, message: dict[str, Any]) -> bool:
        """Hand one message to its event; returns whether the stream is at its end."""
        kind = message["msg"]
        if kind == "unexpected_error":
            self._ledger.problem(f"unexpected_error: {message.get('message')}")
            return True
        if kind == "close_stream":
            return True
        number = message.get("event_id")
        if number in self._events:
            self._hear(message)
        elif number is not None:
            self._early.setdefault(number, []).append(message)
        return False

    def _hear(self, message: dict[str, Any]) -> None:
        event = self._events[message["event_id"]]
        event.hear(message)
        self._ledger.heard(event, message["msg"])

    async def _beat(self) -> None:
        with contextlib.suppress(httpx.TransportError):
            async with self._http.stream("GET", f"{API}/heartbeat/{self.session}", timeout=60) as stream:
                async for _ in stream.aiter_lines():
                    pass

    async def close(self) -> None:
        """Close the tab: both its streams are dropped, whatever is running."""
        self.closed = True
        for event in self._events.values():
            if not event.done.is_set():
                self._ledger.leave(event)
        for task in (self._reader, self._heart):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


def _detail(answer: httpx.Response) -> str:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return answer.text
    return detail if isinstance(detail, str) else json.dumps(detail)
