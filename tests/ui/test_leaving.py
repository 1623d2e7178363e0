"""Runs that are stopped, left, or read too slowly: their place is free at once, and nobody else is touched."""

from __future__ import annotations

import hashlib
import io
import json
import re
import socket
import threading
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from tests.ui.talk import ASSETS, DEFAULTS, ask, press_run, run_index, upload

IDLE_SECONDS = 15.0
"""The promise for a page that has gone; a stopped run ends after a batch."""
LONG = 10_000


@pytest.fixture(scope="module")
def uploaded(demo, url) -> dict[str, Any]:
    """The cat, and an encoder that is loaded."""
    picture = upload(url, (ASSETS / "cat.jpg").read_bytes())
    assert '"plane"' in press_run(demo, url, picture=picture)
    return picture


def join(demo: Any, url: str, page: str, **changed: Any) -> str:
    """Press Run without listening; the name of the event."""
    index = run_index(demo)
    values = DEFAULTS | {name.replace("_", "-"): value for name, value in changed.items()}
    data = [values.get(block.elem_id) for block in demo.fns[index].inputs]
    body = json.dumps({"data": data, "fn_index": index, "session_hash": page}).encode()
    status, text = ask(f"{url}/gradio_api/queue/join", body, Content_Type="application/json")
    assert status == 200, text
    return str(json.loads(text)["event_id"])


class Reader(threading.Thread):
    """Listens to a page's answers until they end or it is told to leave."""

    def __init__(self, url: str, page: str) -> None:
        super().__init__(daemon=True)
        self.text, place = "", urlsplit(url)
        self._connection = socket.create_connection((place.hostname, place.port), timeout=60)
        ask_for = f"GET /gradio_api/queue/data?session_hash={page} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n"
        self._connection.sendall(ask_for.encode())
        self.start()

    def run(self) -> None:
        try:
            while part := self._connection.recv(65536):
                self.text += part.decode(errors="replace")
                if "close_stream" in self.text:
                    return
        except OSError:
            return

    def ends(self) -> list[bool]:
        """Whether each run that has ended did so well."""
        ended = re.findall(r'"msg":"process_completed".*?"success":(true|false)', self.text)
        return [word == "true" for word in ended]

    def until(self, words: str) -> None:
        for _ in range(600):
            if words in self.text:
                return
            time.sleep(0.05)
        pytest.fail(f"no {words} in {self.text[-300:]}")

    def leave(self) -> None:
        """As when the client is killed."""
        self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def at_work(demo: Any) -> bool:
    return any(job for job in demo._queue.active_jobs)


def idle_after(demo: Any) -> float:
    """Seconds until nothing is at work."""
    began = time.monotonic()
    while at_work(demo) and time.monotonic() - began < 4 * IDLE_SECONDS:
        time.sleep(0.05)
    return time.monotonic() - began


def cancel(demo: Any, url: str, page: str, event: str) -> int:
    body = json.dumps({"session_hash": page, "fn_index": run_index(demo), "event_id": event}).encode()
    return ask(f"{url}/gradio_api/cancel", body, Content_Type="application/json")[0]


def test_a_run_that_is_stopped_leaves_its_place_every_time(demo, url, uploaded):
    for seed in range(10):
        page = uuid.uuid4().hex
        event = join(demo, url, page, picture=uploaded, n_masks=LONG, seed=1000 + seed)
        reader = Reader(url, page)
        reader.until("process_generating")
        assert cancel(demo, url, page, event) == 200
        assert idle_after(demo) < 5
        reader.join(5)
        assert "close_stream" in reader.text  # the page is told
    assert not demo._queue.event_ids_to_events
    assert all(lane.current_concurrency == 0 for lane in demo._queue.event_queue_per_concurrency_id.values())
    assert '"plane"' in press_run(demo, url, picture=uploaded)


def test_nobody_elses_run_can_be_stopped(demo, url, uploaded):
    page, other = uuid.uuid4().hex, uuid.uuid4().hex
    event = join(demo, url, page, picture=uploaded, n_masks=160, seed=2000)
    reader = Reader(url, page)
    reader.until("process_generating")
    for stranger, name in ((other, event), (other, "f" * 32)):
        assert cancel(demo, url, stranger, name) == 200
    reader.join(60)
    assert reader.ends() == [True]


def test_a_client_that_is_killed_leaves_its_place(demo, url, uploaded):
    page = uuid.uuid4().hex
    join(demo, url, page, picture=uploaded, n_masks=LONG, seed=3000)
    reader = Reader(url, page)
    reader.until("process_generating")
    reader.leave()
    assert idle_after(demo) < IDLE_SECONDS
    assert not demo._queue.event_ids_to_events


def test_a_client_that_does_not_read_holds_up_nobody(demo, url, uploaded):
    page, place = uuid.uuid4().hex, urlsplit(url)
    join(demo, url, page, picture=uploaded, n_masks=160, seed=4000)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        slow.connect((place.hostname, place.port))
        path = f"/gradio_api/queue/data?session_hash={page}"
        slow.sendall(f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
        assert '"plane"' in press_run(demo, url, picture=uploaded, seed=4001)
        slow.settimeout(30)
        text = b""
        while b"close_stream" not in text:  # it gets all of it in the end
            part = slow.recv(65536)
            assert part, text[-300:]
            text += part
    assert re.search(rb'"msg":"process_completed".*"success":true', text)


# Two pages at once


def sha256(data: bytes) -> str:
    """What a result calls its picture."""
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def test_two_pages_never_mix(demo, url):
    pictures = [(ASSETS / name).read_bytes() for name in ("cat.jpg", "espresso.jpg")]
    names, pages = [sha256(data) for data in pictures], [uuid.uuid4().hex for _ in pictures]
    for seed, (page, data) in enumerate(zip(pages, pictures, strict=True)):
        join(demo, url, page, picture=upload(url, data), n_masks=60, seed=5000 + seed)
    readers = [Reader(url, page) for page in pages]
    for reader, own, other in zip(readers, names, reversed(names), strict=True):
        reader.join(60)
        assert own in reader.text
        assert other not in reader.text


def test_two_runs_of_one_page_are_each_whole(demo, url, uploaded):
    page = uuid.uuid4().hex
    for seed in (6000, 6001):
        join(demo, url, page, picture=uploaded, n_masks=40, seed=seed)
    reader = Reader(url, page)
    reader.join(60)
    results = re.findall(r'"seed":\s*(600\d)', reader.text)
    assert set(results) == {"6000", "6001"}
    assert results == sorted(results)  # one after the other, never in turns
    assert reader.ends() == [True, True]
