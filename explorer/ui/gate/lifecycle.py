"""The server from its start to its end: watched while it runs, true about itself, polite when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import math
import os
import resource
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
from gradio.queueing import Queue
from gradio.server_messages import ProcessCompletedMessage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from explorer.ui.gate.admission import Admission
from explorer.ui.gate.origins import household
from explorer.ui.memory.heap import give_back

SILENT_SECONDS = 10.0
"""How long a connection may be open before it has asked for something."""
STUCK_SECONDS = 60.0
"""How long a client may read nothing of an answer."""
STALLED_SECONDS = 30.0
"""How long a cheap event may wait before the server calls itself unwell."""
FULL = 0.8
MOST_CONNECTIONS, CONNECTIONS_EACH = 6000, 1000
"""Silent connections are closed at once beyond this share of the open files allowed, or this many in all or of one
address."""
UNREAD = 300
"""Messages that a page may leave unread before it counts as gone."""
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
        logging.getLogger("asyncio").addFilter(Seldom())
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
        """Wait for SIGTERM or Ctrl-C, end politely, and leave the process; a second signal ends it at once.

        Signals are for the main thread alone: in another, wait until somebody closes the app.
        """
        if threading.current_thread() is not threading.main_thread():
            while self._demo.is_running:
                time.sleep(0.2)
            return
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
        try:
            asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=LAST_WORDS_SECONDS)
        except TimeoutError:
            log.warning("The server was too busy to tell everybody that it ends")

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
            for look in looks if second % 60 else [*looks, self._tidy_up]:
                try:
                    look()
                except (RuntimeError, KeyError, AttributeError, ValueError, OSError):
                    log.exception("The server could not look after itself")

    def _tidy_up(self) -> None:
        """Forget what is old, and give its memory back; aside, as it takes a moment."""

        def work() -> None:
            self._make_room()
            give_back()

        threading.Thread(target=work, name="tidy", daemon=True).start()

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
        server = getattr(self._demo, "server", None)  # another app's looks after its own connections
        if server is not None:
            self._connections.close_silent(server.server_state.connections)


class Connections:
    """Closes connections that hold a place and ask for nothing, or do not read what they asked for."""

    def __init__(self) -> None:
        self._seen: WeakKeyDictionary[Any, tuple[float, int]] = WeakKeyDictionary()

    def close_silent(self, connections: set[Any], now: float | None = None) -> int:
        """Look at all connections, and close those that have been silent too long; returns how many.

        Where an address has more than its share, or all together have too many, its longest silent go at once.

        Args:
            connections: Of uvicorn's server.
            now: The monotonic clock; as it stands when None.
        """
        now = time.monotonic() if now is None else now
        silent: dict[str, list[tuple[float, Any]]] = defaultdict(list)
        goes: list[Any] = []
        for connection in list(connections):
            since, asked = self._silence(connection, now)
            if now - since > (STUCK_SECONDS if asked else SILENT_SECONDS):
                goes.append(connection)
            elif not asked:
                silent[household(str((connection.client or ("", 0))[0]))].append((since, connection))
        left = len(connections) - len(goes) - min(MOST_CONNECTIONS, int(FULL * open_files()))
        for of_one in sorted(silent.values(), key=len, reverse=True):
            of_one.sort(key=lambda pair: pair[0])
            count = max(len(of_one) - CONNECTIONS_EACH, min(left, len(of_one)), 0)
            goes += [connection for _, connection in of_one[:count]]
            left -= count
        for connection in goes:
            connection.transport.abort()
        return len(goes)

    def _silence(self, connection: Any, now: float) -> tuple[float, bool]:
        """Since when a connection has been silent, and whether it waits for an answer."""
        unread = connection.transport.get_write_buffer_size()
        since, before = self._seen.get(connection, (now, -1))
        asked = connection.cycle is not None and not connection.cycle.response_complete
        if asked and (not unread or unread != before):
            since = now
        self._seen[connection] = since, unread
        return since, asked


class Seldom(logging.Filter):
    """Lets one line in ten seconds through: what a flood makes the server say would fill the disk."""

    def __init__(self) -> None:
        super().__init__()
        self._last = -math.inf

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is written."""
        if "accept() out of system resource" not in record.getMessage():
            return True
        now = time.monotonic()
        due = now - self._last > 10
        if due:
            self._last = now
        return due


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
        messages = queue.pending_messages_per_session.get(event.session_hash)
        if messages is None:
            return
        if messages.qsize() < UNREAD:
            send(event, event_message)
        else:
            event.alive = False

    vars(queue)["send_message"] = to_the_present
