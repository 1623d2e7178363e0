"""Who may wait: limits by page, by address and in all, turns, and what nobody listens for."""

from __future__ import annotations

import contextlib
import json
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from explorer.ui.gate.admission import CHEAP, MODEL, PATIENCE, RUNS, SIGNS, Admission
from explorer.ui.gate.refusals import Refusal
from tests.ui.talk import ask, at_first, run_index


class FakeQueue:
    """What of Gradio's queue is looked at."""

    def __init__(self) -> None:
        self.active_jobs: list[Any] = [None, None]
        lanes = (MODEL, "light")
        self.event_queue_per_concurrency_id = {name: SimpleNamespace(queue=[]) for name in lanes}
        self.event_ids_to_events: dict[str, Any] = {}
        self.pending_messages_per_session: dict[str, Any] = {}
        self.pending_event_ids_session: dict[str, Any] = {}

    def send_message(self, event: Any, event_message: Any) -> None:
        """Nobody listens."""


class FakeEvent:
    def __init__(self, page: str, address: str, lane: str = MODEL, at: float = 0.0) -> None:
        self._id, self.session_hash, self.concurrency_id, self.enqueue_time = uuid.uuid4().hex, page, lane, at
        self.alive, self.request = True, SimpleNamespace(client=SimpleNamespace(host=address))


def put(queue: FakeQueue, *events: FakeEvent) -> None:
    for event in events:
        queue.event_queue_per_concurrency_id[event.concurrency_id].queue.append(event)
        queue.event_ids_to_events[event._id] = event


def refused(admission: Admission, page: str, address: str, lane: str = MODEL) -> str:
    try:
        with admission.entering(page, address, lane):
            return ""
    except Refusal as refusal:
        return refusal.text if refusal.status == 429 else f"status {refusal.status}"


def test_each_limit_is_told_and_leaves_the_others_room():
    queue = FakeQueue()
    admission = Admission(queue)
    put(queue, *(FakeEvent("page", "1.1.1.1") for _ in range(RUNS.page)))
    assert "of this page" in refused(admission, "page", "1.1.1.1")
    assert not refused(admission, "other", "1.1.1.1")
    assert not refused(admission, "page", "1.1.1.1", "cheap")  # its Stop
    put(queue, *(FakeEvent(f"p{i}", "1.1.1.1") for i in range(RUNS.address - RUNS.page)))
    assert "of your network" in refused(admission, "another", "1.1.1.1")
    assert not refused(admission, "another", "2.2.2.2")
    put(queue, *(FakeEvent(f"q{i}", f"3.3.3.{i}") for i in range(RUNS.all - RUNS.address)))
    assert "later" in refused(admission, "another", "3.3.3.1")
    assert not refused(admission, "another", "2.2.2.2")  # who has no place gets one of those who have most
    assert not refused(admission, "another", "2.2.2.2", "cheap")


def test_what_is_on_its_way_and_at_work_counts_too():
    queue = FakeQueue()
    admission = Admission(queue)
    queue.active_jobs[0] = [FakeEvent("page", "1.1.1.1")]
    with contextlib.ExitStack() as stack:
        for _ in range(RUNS.page - 1):
            stack.enter_context(admission.entering("page", "1.1.1.1", MODEL))
        assert "of this page" in refused(admission, "page", "1.1.1.1")
    assert not refused(admission, "page", "1.1.1.1")


def test_runs_on_their_way_fill_a_server_that_has_had_none():
    """Gradio makes a lane when its first event is in it."""
    queue = FakeQueue()
    queue.event_queue_per_concurrency_id = {}
    admission = Admission(queue)
    with contextlib.ExitStack() as stack:
        for i in range(RUNS.all):
            stack.enter_context(admission.entering(f"p{i}", f"3.3.3.{i}", MODEL))
        assert "later" in refused(admission, "another", "2.2.2.2")


def test_a_page_keeps_few_streams_open():
    admission = Admission(FakeQueue())
    with contextlib.ExitStack() as stack:
        for _ in range(SIGNS.page):
            stack.enter_context(admission.listening("page", "1.1.1.1", answers=False))
        with pytest.raises(Refusal), admission.listening("page", "1.1.1.1", answers=False):
            pass
        with admission.listening("other", "1.1.1.1", answers=True):
            assert admission.counts()["streams"] == SIGNS.page + 1
    assert admission.counts()["streams"] == 0


def test_pages_and_addresses_take_turns():
    queue = FakeQueue()
    admission = Admission(queue)
    greedy = [FakeEvent(f"greedy{i}", "6.6.6.6", at=i) for i in range(4)]
    twice = [FakeEvent("twice", "1.1.1.1", at=10 + i) for i in range(2)]
    late = FakeEvent("late", "2.2.2.2", at=20)
    put(queue, *greedy, *twice, late)
    with admission.entering("x", "9.9.9.9", MODEL):
        pass
    order = queue.event_queue_per_concurrency_id[MODEL].queue
    assert order == [greedy[0], twice[0], late, greedy[1], greedy[2], greedy[3], twice[1]]


def test_a_class_at_one_address_is_served_in_the_order_of_its_presses():
    queue = FakeQueue()
    events = [FakeEvent(f"pupil{i}", "1.1.1.1", at=i) for i in range(30)]
    put(queue, *events)
    with Admission(queue).entering("x", "1.1.1.1", MODEL):
        pass
    assert queue.event_queue_per_concurrency_id[MODEL].queue == events


def test_what_nobody_listens_for_is_dropped():
    queue, forgotten = FakeQueue(), []
    admission = Admission(queue, lambda page, wholly: forgotten.append(page))
    now = time.monotonic()
    old, new, heard = (FakeEvent(page, "1.1.1.1", at=at) for page, at in
                       (("old", now - 2 * PATIENCE), ("new", now), ("heard", now - 2 * PATIENCE)))  # fmt: skip
    put(queue, old, new, heard)
    admission._unheard |= {"old": now - 2 * PATIENCE, "gone": now - 2 * PATIENCE}
    running = FakeEvent("gone", "1.1.1.1", at=now - 2 * PATIENCE)
    queue.active_jobs[0] = [running]
    with admission.listening("heard", "1.1.1.1", answers=True):
        assert admission.drop_unheard(now) == 2
        assert queue.event_queue_per_concurrency_id[MODEL].queue == [new, heard]
        assert (old.alive, running.alive, new.alive, heard.alive) == (False, False, True, True)
    queue.event_queue_per_concurrency_id[MODEL].queue.clear()
    queue.active_jobs[0] = None
    queue.pending_messages_per_session["heard"] = queue.pending_event_ids_session["heard"] = object()
    admission.drop_unheard(time.monotonic() + 2 * PATIENCE)
    assert set(forgotten) == {"old", "gone", "heard"}
    assert not queue.pending_messages_per_session
    assert not admission._unheard


def test_a_closed_server_takes_nothing():
    admission = Admission(FakeQueue())
    admission.closed = True
    with pytest.raises(Refusal, match="restarting"), admission.entering("page", "1.1.1.1", "cheap"):
        pass


# The live server


def payload(demo: Any, session: str, name: str = "Handlers.run") -> bytes:
    index = run_index(demo, name)
    fn = demo.fns[index]
    data = [at_first(block) for block in fn.inputs]
    return json.dumps({"data": data, "fn_index": index, "session_hash": session}).encode()


def test_a_burst_of_one_client_leaves_everybody_elses_stop(demo, url):
    def press(i: int) -> int:
        return ask(f"{url}/gradio_api/queue/join", payload(demo, f"burst{i % 100}"), Content_Type="application/json")[0]

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(press, range(400)))
    assert set(statuses) <= {200, 429}
    session = uuid.uuid4().hex
    began = time.monotonic()
    body = payload(demo, session, "Handlers.stop")
    assert ask(f"{url}/gradio_api/queue/join", body, Content_Type="application/json")[0] == 200
    assert '"success":true' in ask(f"{url}/gradio_api/queue/data?session_hash={session}")[1].replace(" ", "")
    assert time.monotonic() - began < 5


def test_streams_beyond_the_limit_are_refused(url):
    place = urlsplit(url)
    with contextlib.ExitStack() as stack:
        answers = []
        for _ in range(SIGNS.page + 1):
            connection = stack.enter_context(socket.create_connection((place.hostname, place.port), timeout=10))
            connection.sendall(b"GET /gradio_api/heartbeat/many HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answers.append(connection.recv(200).split(b" ")[1])
        assert answers == [b"200"] * SIGNS.page + [b"429"]


def test_a_run_that_nobody_listens_to_gives_its_place_up(demo, url):
    assert CHEAP.all > RUNS.all
    session = uuid.uuid4().hex
    assert ask(f"{url}/gradio_api/queue/join", payload(demo, session), Content_Type="application/json")[0] in (200, 429)
    until = time.monotonic() + 3 * PATIENCE
    while time.monotonic() < until and demo._queue.pending_event_ids_session.get(session):
        time.sleep(0.2)
    assert not demo._queue.pending_event_ids_session.get(session)
