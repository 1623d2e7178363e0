"""The server from its start to its end: watched while it runs, true about itself, polite when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
from gradio.queueing import Queue
from gradio.server_messages import ProcessCompletedMessage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .admission import Admission

SILENT_SECONDS = 10.0
"""How long a connection may be open before it has asked for something."""
STUCK_SECONDS = 60.0
"""How long a client may read nothing of an answer."""
STALLED_SECONDS = 30.0
"""How long a cheap event may wait before the server calls itself unwell."""
FULL = 0.8
"""Share of the open files allowed, above which silent connections are closed at once."""
LAST_WORDS_SECONDS = 5.0
"""What runs get to end in, once the server has been told to."""
RESTARTING = "The server is restarting; try again in a minute."
SETTLED = 143
"""The exit status of whoever is told twice: 128 + SIGTERM."""

log = logging.getLogger(__name__)


class Caretaker:
    """Looks after a running server from within its event loop.

    Args:
        demo: The app, launched.
        admission: Who waits.
        end_runs: Lets every run end at its next step, and no other begin.
        make_room: Forgets what has not been used for its time; called once a minute.
        tidy: Removes what the server wrote for itself.
    """

    def __init__(
        self,
        demo: gr.Blocks,
        admission: Admission,
        *,
        end_runs: Callable[[], None],
        make_room: Callable[[], None],
        tidy: Callable[[], None],
    ) -> None:
        self._demo, self._admission = demo, admission
        self._end_runs, self._make_room, self._tidy = end_runs, make_room, tidy
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connections = Connections()

    @property
    def queue(self) -> Queue:
        """Gradio's, which it makes anew now and then before it is launched."""
        return self._demo._queue

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look after the server for as long as it runs."""
        self._loop = asyncio.get_running_loop()
        _be_deaf_to_the_gone(self.queue)
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()

    def health(self, request: Request) -> Response:
        """Whether events are answered: 200, or 503 and why not. What waits is told by number alone."""
        counts: dict[str, Any] = dict(self._admission.counts())
        if self._admission.closed:
            status = "restarting"
        elif self.queue.stopped or self._admission.oldest_wait() > STALLED_SECONDS:
            status = "stalled"
        else:
            status = "ok"
        return JSONResponse({"status": status, **counts}, 200 if status == "ok" else 503)

    def serve(self) -> None:
        """Wait for SIGTERM or Ctrl-C, end politely, and leave the process; a second signal ends it at once."""
        told = threading.Event()

        def tell(*_: object) -> None:
            if told.is_set():
                os._exit(SETTLED)
            told.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, tell)
        while not told.wait(1.0):
            pass
        with contextlib.suppress(OSError):  # nobody may be reading any more
            print("Ending: runs are told, then the server closes.", flush=True)
        self.close()
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(0)  # threads of the network may still be in native code, which a slower exit would abort

    def close(self) -> None:
        """Take nothing new, let what runs say its last words, close the server and remove its files."""
        self._admission.closed = True
        self._end_runs()
        self._call(self._end_waiting())
        until = time.monotonic() + LAST_WORDS_SECONDS
        while time.monotonic() < until and self._admission.counts()["runs"]:
            time.sleep(0.05)
        time.sleep(0.2)  # for the last words to reach the clients
        if self._demo.server is not None:
            self._demo.server.config.timeout_graceful_shutdown = 1
        self._demo.close(verbose=False)
        self._tidy()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the server's event loop, and wait for it."""
        if self._loop is None or not self._loop.is_running():
            work.close()
            return
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=LAST_WORDS_SECONDS)

    async def _end_waiting(self) -> None:
        """Tell everybody who still waits for a turn that there will be none."""
        for lane in self.queue.event_queue_per_concurrency_id.values():
            for event in lane.queue:
                words = {"error": RESTARTING, "visible": True, "duration": 10}
                self.queue.send_message(event, ProcessCompletedMessage(output=words, title="Error", success=False))
                self.queue.event_ids_to_events.pop(event._id, None)
            lane.queue.clear()

    async def _watch(self) -> None:
        """Once a second; a fault in one look must not end the watch."""
        for second in itertools.count(1):
            await asyncio.sleep(1.0)
            looks: list[Callable[[], Any]] = [self._revive, self._admission.drop_unheard, self._close_silent]
            if second % 60 == 0:
                looks.append(self._make_room)
            for look in looks:
                try:
                    look()
                except (RuntimeError, KeyError, AttributeError, ValueError, OSError):
                    log.exception("The server could not look after itself")

    def _revive(self) -> None:
        """Start Gradio's queue anew where its task has died; what waits is still there."""
        queue = self.queue
        for name, lane in queue.event_queue_per_concurrency_id.items():
            at_work = sum(1 for job in queue.active_jobs if job and job[0].concurrency_id == name)
            lane.current_concurrency = at_work
        if queue.stopped and not self._admission.closed and self._demo.is_running:
            log.error("Gradio's queue had stopped; it is started anew")
            queue.stopped = False
            queue.start()  # type: ignore[no-untyped-call]

    def _close_silent(self) -> None:
        server = self._demo.server
        if server is not None:
            self._connections.close_silent(server.server_state.connections)


class Connections:
    """Closes connections that hold a place and ask for nothing, or do not read what they asked for."""

    def __init__(self) -> None:
        self._seen: WeakKeyDictionary[Any, tuple[float, int]] = WeakKeyDictionary()

    def close_silent(self, connections: set[Any], now: float | None = None) -> int:
        """Look at all connections, and close those that have been silent too long; returns how many.

        Args:
            connections: Of uvicorn's server.
            now: The monotonic clock; as it stands when None.
        """
        now, closed = time.monotonic() if now is None else now, 0
        allowed = SILENT_SECONDS if len(connections) < FULL * open_files() else 0.0
        for connection in list(connections):
            unread = connection.transport.get_write_buffer_size()
            since, before = self._seen.get(connection, (now, -1))
            asked = connection.cycle is not None
            if asked and (not unread or unread != before):
                since = now
            self._seen[connection] = since, unread
            if now - since > (STUCK_SECONDS if asked else allowed):
                connection.transport.abort()
                closed += 1
        return closed


def open_files() -> int:
    """How many files and connections this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def allow_more_files(wanted: int = 65_536) -> None:
    """Raise the limit on open files as far as this process may; every open page holds two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def health_route(caretaker: Caretaker) -> Route:
    """``/health``, for whoever restarts servers that are not well."""
    return Route("/health", caretaker.health)


def _be_deaf_to_the_gone(queue: Queue) -> None:
    """Let nothing be said to pages that are gone: Gradio's queue would end for everybody over the first of them."""
    send = queue.send_message

    def to_the_present(event: Any, event_message: Any) -> None:
        if event.session_hash in queue.pending_messages_per_session:
            send(event, event_message)

    vars(queue)["send_message"] = to_the_present
