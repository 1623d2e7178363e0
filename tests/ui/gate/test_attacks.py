"""Attacks that a stranger tried on the finished app, each against the live server."""

from __future__ import annotations

import io
import json
import socket
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from explorer.core.errors import InvalidInput
from explorer.pictures.images import as_picture
from explorer.ui.gate.admission import ANSWERS, PAGES, RUNS, SIGNS, Admission
from explorer.ui.gate.lifecycle import CONNECTIONS_EACH, SILENT_SECONDS, Connections
from explorer.ui.gate.origins import PROXIES, Origins
from explorer.ui.gate.upload_store import ADDRESS_BYTES, ALL_BYTES, Uploads
from tests.ui.gate.test_admission import FakeEvent, FakeQueue, put
from tests.ui.gate.test_http_filter import send
from tests.ui.gate.test_lifecycle import FakeConnection
from tests.ui.gate.test_origins import request
from tests.ui.talk import ask, at_first, post_file, run_index


def slow_jpeg(scans: int) -> bytes:
    """A small file that describes its pixels again and again; a decoder goes over all of them each time."""
    file = io.BytesIO()
    Image.new("RGB", (5000, 5000), (90, 90, 90)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + data[-2:]


def test_a_jpeg_of_endless_passes_is_refused_unread(url):
    bomb = slow_jpeg(2000)
    assert len(bomb) < 300_000
    began = time.monotonic()
    with pytest.raises(InvalidInput, match="too many times over"):
        as_picture(bomb)
    status, text = post_file(url, bomb)
    assert status == 400
    assert "too many times over" in text
    assert time.monotonic() - began < 5
    assert as_picture(slow_jpeg(0)).size == (5000, 5000)  # as cameras make them


def test_a_body_of_brackets_costs_nothing(demo, url):
    index = next(i for i, fn in demo.fns.items() if fn.fn and fn.collects_event_data)
    data = [at_first(block) for block in demo.fns[index].inputs]
    for event_data in ([[]] * 60_000, {str(i): i for i in range(15_000)}, [{}] * 3000):
        body = {"data": data, "fn_index": index, "session_hash": "brackets", "event_data": event_data}
        began = time.monotonic()
        status, _ = ask(f"{url}/gradio_api/queue/join", json.dumps(body).encode(), Content_Type="application/json")
        assert status in (400, 413)
        assert time.monotonic() - began < 1
    index = run_index(demo, "Sharing.teach")
    data = [at_first(block) for block in demo.fns[index].inputs]
    place = [block.elem_id for block in demo.fns[index].inputs].index("hide")
    data[place] = ["run"] * 5000
    body = {"data": data, "fn_index": index, "session_hash": "brackets"}
    status, text = ask(f"{url}/gradio_api/queue/join", json.dumps(body).encode(), Content_Type="application/json")
    assert (status, "at most once" in text) == (400, True)


@pytest.mark.parametrize(
    ("path", "headers", "wanted"),
    [
        ("/", {"Origin": "http://["}, 403),
        ("/config", {"Origin": "http://[x]"}, 403),
        ("/?page=../../x", {}, 200),
        ("/config?page=nothing", {}, 200),
        (f"/assets/{'a' * 5000}", {}, 404),
        (f"/static/{'a' * 5000}", {}, 404),
        (f"/gradio_api/file=/{'a' * 5000}", {}, 404),
        ("/gradio_api/upload_progress?upload_id=" + "a" * 100, {}, 400),
    ],
)
def test_what_made_the_server_fail_is_answered(url, path, headers, wanted):
    assert send(url, "GET", path, headers)[0] == wanted


def test_the_words_of_the_libraries_below_are_ours(url):
    for method, path in (("POST", "/gradio_api/cancel/"), ("GET", "/gradio_api/queue/join"), ("PUT", "/config")):
        status, text = send(url, method, path, {"Content-Type": "application/json"}, b"[]" if method != "GET" else b"")
        assert status in (404, 405)
        assert "No such endpoint." in text


def test_a_connection_that_asked_once_is_silent_afterwards_too(url):
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=SILENT_SECONDS + 10) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while b"}" not in connection.recv(4096):
            pass
        connection.sendall(b"G")  # which stops uvicorn's own clock
        began = time.monotonic()
        assert connection.recv(100) == b""
        assert time.monotonic() - began < SILENT_SECONDS + 5


def test_one_address_cannot_hold_all_connections():
    crowd = {FakeConnection(asked=False, address="6.6.6.6") for _ in range(CONNECTIONS_EACH + 50)}
    guest = FakeConnection(asked=False, address="1.1.1.1")
    assert Connections().close_silent(crowd | {guest}, 0.0) == 50
    assert not guest.closed


def test_two_addresses_do_not_fill_the_storage_for_a_third(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("explorer.ui.gate.upload_store.LEAST", 95_000_000)
    uploads = Uploads(tmp_path)
    for number in range(40):
        address = f"6.6.6.{number % 2}"
        with uploads.room(address):
            path = uploads.keep(io.BytesIO(b"%d" % number), "PNG", address)
        uploads.claim(f"page{number}", path)
    assert sum(uploads._used.values()) <= ALL_BYTES
    assert ALL_BYTES - sum(uploads._used.values()) < 110_000_000
    assert max(uploads._used.values()) <= ADDRESS_BYTES
    with uploads.room("1.1.1.1"):
        assert uploads.keep(io.BytesIO(b"a pupil's"), "PNG", "1.1.1.1").is_file()


def test_a_network_of_addresses_is_one_visitor():
    origins = Origins({PROXIES: "127.0.0.1"})
    seen = set()
    for i in range(20):
        scope = request("127.0.0.1", host="x", x_forwarded_for=f"2001:db8:1:2::{i:x}")
        origins.admit(scope)
        seen.add(scope["client"][0])
    assert len(seen) == 1
    scope = request("::ffff:1.2.3.4", host="127.0.0.1")
    origins.admit(scope)
    assert scope["client"][0] == "1.2.3.4"


def test_whoever_has_no_place_gets_one_from_whoever_has_most():
    queue = FakeQueue()
    admission, said = Admission(queue), []
    queue.send_message = lambda event, message: said.append((event.session_hash, message.output["error"]))
    put(queue, *(FakeEvent(f"a{i}", "6.6.6.1", at=i) for i in range(RUNS.address)))
    put(queue, *(FakeEvent(f"b{i}", "6.6.6.2", at=i) for i in range(RUNS.all - RUNS.address)))
    with admission.entering("guest", "1.1.1.1", "model"):
        assert len(queue.event_queue_per_concurrency_id["model"].queue) == RUNS.all - 1
    assert len(said) == 1
    assert "give way" in said[0][1]


def test_a_flood_of_pages_makes_its_own_go_and_nobody_elses():
    forgotten: list[str] = []
    admission = Admission(FakeQueue(), lambda page, wholly: forgotten.append(page) if wholly else None)
    with admission.entering("pupil", "1.1.1.1", "cheap"):
        pass
    with admission.listening("flood0", "6.6.6.6", answers=False):
        for i in range(PAGES + 100):
            with admission.entering(f"flood{i}", "6.6.6.6", "cheap"):
                pass
    assert len(forgotten) == 100
    assert not {"pupil", "flood0"} & set(forgotten)


def test_signs_of_life_leave_room_for_answers():
    admission = Admission(FakeQueue())
    assert ANSWERS.all + SIGNS.all > SIGNS.all
    holds = [admission.listening(f"p{i}", f"6.6.6.{i // SIGNS.address}", answers=False) for i in range(SIGNS.all)]
    for hold in holds:
        hold.__enter__()
    with admission.listening("pupil", "1.1.1.1", answers=True):
        assert admission.counts()["streams"] == SIGNS.all + 1
    for hold in holds:
        hold.__exit__(None, None, None)


def test_the_progress_of_one_upload_has_few_readers(url):
    place, name = urlsplit(url), uuid.uuid4().hex
    sockets, answers = [], []
    for _ in range(SIGNS.page + 1):
        connection = socket.create_connection((place.hostname, place.port), timeout=10)
        sockets.append(connection)
        path = f"/gradio_api/upload_progress?upload_id={name}"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answers.append(connection.recv(200).split(b" ")[1])
    for connection in sockets:
        connection.close()
    assert answers == [b"200"] * SIGNS.page + [b"429"]


def test_a_press_that_would_hold_the_network_for_an_hour_is_refused(demo, url):
    from explorer.core.limits import MAX_PASSES, check_passes

    check_passes(MAX_PASSES)
    with pytest.raises(InvalidInput, match="at most 40000 at a press"):
        check_passes(MAX_PASSES + 1)
