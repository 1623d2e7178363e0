"""A server from its start to its end, in a process of its own: health, a queue that died, signals, silent clients."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from explorer.ui.gate.lifecycle import SETTLED, SILENT_SECONDS, STUCK_SECONDS, Connections
from tests.ui.talk import ASSETS, ask, at_first, run_index, upload

ROOT = Path(__file__).parents[3]
ENDED = 10.0
"""Seconds in which a server that is told to end has ended."""


@dataclass
class Process:
    """A server and where it answers."""

    popen: subprocess.Popen[bytes]
    url: str
    temporary: Path

    def events(self) -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]]]:
        recipe = json.loads(ask(f"{self.url}/config")[1])
        return recipe["dependencies"], {part["id"]: part for part in recipe["components"]}


@contextlib.contextmanager
def serving(folder: Path, *, files: int = 0, command: Sequence[str] = ("app.py",), **environ: str) -> Iterator[Process]:
    """The app as ``make run`` starts it, on a free port.

    Args:
        folder: For its temporary files.
        files: How many files it may have open; as many as this process when 0.
        command: What Python runs.
        environ: More of its environment.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    settings = {"GRADIO_SERVER_PORT": str(port), "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"} | environ
    kept = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
    limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))) if files else None
    log = (folder / "log").open("ab")
    popen = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=kept | settings, stdout=log, stderr=log, preexec_fn=limit
    )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until and popen.poll() is None:
            with contextlib.suppress(OSError):
                if ask(f"{url}/health")[0] == 200:
                    break
            time.sleep(0.2)
        else:
            pytest.fail(f"The server did not start: {(folder / 'log').read_text()[-2000:]}")
        yield Process(popen, url, temporary)
    finally:
        if popen.poll() is None:
            popen.kill()
        popen.wait()
        log.close()


def press(process: Process, session: str, picture: dict[str, Any], masks: int) -> tuple[int, str]:
    """Press Run with an uploaded picture, compared with a caption."""
    events, widgets = process.events()
    place = {part["props"].get("elem_id"): number for number, part in widgets.items()}
    run = next(e for e in events if [place["run"], "click"] in e["targets"] and place["instrument"] in e["outputs"])
    changed = {"picture": picture, "kind": "a caption", "caption": "a cat", "encoder": "conse-lite0", "n-masks": masks}
    data = [
        changed.get(widgets[n]["props"].get("elem_id"), None if widgets[n]["type"] in ("state", "image") else
                    widgets[n]["props"].get("value")) for n in run["inputs"]
    ]  # fmt: skip
    body = json.dumps({"data": data, "fn_index": run["id"], "session_hash": session}).encode()
    return ask(f"{process.url}/gradio_api/queue/join", body, Content_Type="application/json")


class Listener(threading.Thread):
    """Reads the answers of a page until they end."""

    def __init__(self, url: str, session: str) -> None:
        super().__init__(daemon=True)
        self.url, self.session, self.text, self.whole = url, session, "", False
        self.start()

    def run(self) -> None:
        place = urlsplit(self.url)
        with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
            path = f"/gradio_api/queue/data?session_hash={self.session}"
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            while part := connection.recv(65536):
                self.text += part.decode(errors="replace")
        self.whole = self.text.endswith("\r\n0\r\n\r\n")


def test_a_server_that_is_told_to_end_does_so_politely(tmp_path: Path):
    with serving(tmp_path) as process:
        picture = upload(process.url, (ASSETS / "cat.jpg").read_bytes())
        assert list(process.temporary.iterdir())
        sessions = [uuid.uuid4().hex for _ in range(40)]
        for session in sessions:
            assert press(process, session, picture, 10_000)[0] == 200
        listeners = [Listener(process.url, session) for session in sessions]
        until = time.monotonic() + 60
        while '"process_generating"' not in listeners[0].text and time.monotonic() < until:
            time.sleep(0.1)
        began = time.monotonic()
        process.popen.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with contextlib.suppress(OSError):  # it may have closed its door already
            assert ask(f"{process.url}/health")[0] == 503
        assert process.popen.wait(ENDED + 5) == 0
        assert time.monotonic() - began < ENDED
        for listener in listeners:
            listener.join(5)
            assert "restarting" in listener.text
            assert listener.whole, listener.text[-300:]
        assert list(process.temporary.iterdir()) == []
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_second_signal_ends_it_at_once(tmp_path: Path):
    with serving(tmp_path) as process:
        picture = upload(process.url, (ASSETS / "cat.jpg").read_bytes())
        session = uuid.uuid4().hex
        press(process, session, picture, 10_000)
        listener = Listener(process.url, session)
        until = time.monotonic() + 60
        while '"process_generating"' not in listener.text and time.monotonic() < until:
            time.sleep(0.1)
        process.popen.send_signal(signal.SIGTERM)
        time.sleep(0.05)
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(5) in (SETTLED, 0)


def test_a_killed_server_leaves_nothing_for_long(tmp_path: Path):
    with serving(tmp_path) as process:
        upload(process.url, (ASSETS / "cat.jpg").read_bytes())
        process.popen.kill()
        process.popen.wait()
        left = set(process.temporary.iterdir())
        assert left
    with serving(tmp_path) as process:
        assert left.isdisjoint(process.temporary.iterdir())


def test_a_crowd_of_silent_clients_does_not_shut_the_others_out(tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3000:
        pytest.skip("this process may not open enough connections itself")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3000), hard))
    try:
        with serving(tmp_path, files=1024) as process, contextlib.ExitStack() as stack:
            place = urlsplit(process.url)
            for i in range(1100):
                connection = stack.enter_context(socket.socket())
                connection.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    connection.connect((place.hostname, place.port))
                if i % 3 == 0:
                    with contextlib.suppress(OSError):
                        connection.send(b"GET / HTTP/1.1\r\nHost: lo")  # and no more
            began = time.monotonic()
            assert ask(process.url)[0] == 200
            assert ask(f"{process.url}/health")[0] == 200
            assert time.monotonic() - began < 15
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# In this process


def test_health_tells_the_truth_and_a_dead_queue_comes_back(demo, url):
    assert json.loads(ask(f"{url}/health")[1])["status"] == "ok"
    demo._queue.stopped = True  # as when its task dies
    assert ask(f"{url}/health")[0] == 503
    until = time.monotonic() + 10
    while demo._queue.stopped and time.monotonic() < until:
        time.sleep(0.1)
    status, text = ask(f"{url}/health")
    assert (status, json.loads(text)["status"]) == (200, "ok")
    assert not stop_press(demo, url)


def test_a_page_that_goes_while_it_waits_ends_nobodys_queue(demo, url):
    """Gradio's queue speaks to every page that waits, and ended over the first that was gone."""
    session = uuid.uuid4().hex
    index = run_index(demo)
    data = [at_first(block) for block in demo.fns[index].inputs]
    body = json.dumps({"data": data, "fn_index": index, "session_hash": session}).encode()
    assert ask(f"{url}/gradio_api/queue/join", body, Content_Type="application/json")[0] == 200
    demo._queue.pending_messages_per_session.pop(session, None)
    assert not stop_press(demo, url)
    assert not demo._queue.stopped


def stop_press(demo: Any, url: str) -> str:
    """Press Stop; what is wrong with the answer."""
    session = uuid.uuid4().hex
    index = run_index(demo, "Handlers.stop")
    body = json.dumps({"data": [None], "fn_index": index, "session_hash": session}).encode()
    status, text = ask(f"{url}/gradio_api/queue/join", body, Content_Type="application/json")
    events = ask(f"{url}/gradio_api/queue/data?session_hash={session}")[1]
    return "" if status == 200 and '"success":true' in events.replace(" ", "") else f"{status} {text} {events}"


class FakeConnection:
    def __init__(self, *, asked: bool, unread: int = 0, address: str = "1.1.1.1") -> None:
        self.cycle = SimpleNamespace(response_complete=False) if asked else None
        self.client = (address, 5)
        self.unread, self.closed = unread, False
        self.transport = SimpleNamespace(get_write_buffer_size=lambda: self.unread, abort=self.abort)

    def abort(self) -> None:
        self.closed = True


def test_only_silent_and_stuck_connections_are_closed():
    silent, working, stuck, slow = (
        FakeConnection(asked=False), FakeConnection(asked=True),
        FakeConnection(asked=True, unread=9), FakeConnection(asked=True, unread=9),
    )  # fmt: skip
    found, all_of_them = Connections(), {silent, working, stuck, slow}
    found.close_silent(all_of_them, 0.0)
    found.close_silent(all_of_them, SILENT_SECONDS + 1)
    assert [c.closed for c in (silent, working, stuck, slow)] == [True, False, False, False]
    slow.unread = 5
    found.close_silent(all_of_them, STUCK_SECONDS)
    found.close_silent(all_of_them, STUCK_SECONDS + 1)
    assert [c.closed for c in (working, stuck, slow)] == [False, True, False]
