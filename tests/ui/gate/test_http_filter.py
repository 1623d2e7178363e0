"""The gate against the live server: foreign pages, files of the server, links, and bodies that are none."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from explorer.ui.gate import refusals, upload_store
from explorer.ui.gate.http_filter import OPEN
from explorer.ui.memory import temp_folder
from tests.ui.talk import ASSETS, ask, press_run, run_index, upload

EVIL = "https://evil.test"


def send(url: str, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, str]:
    """One request with exactly these headers."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body or None)
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    connection.close()
    return answer.status, text


def join(url: str, body: Any) -> tuple[int, str]:
    return ask(f"{url}/gradio_api/queue/join", json.dumps(body).encode(), Content_Type="application/json")


@pytest.fixture(scope="module")
def uploaded(url: str) -> dict[str, Any]:
    return upload(url, (ASSETS / "cat.jpg").read_bytes())


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A picture on the server that nobody uploaded."""
    path = tmp_path / "exam.png"
    Image.new("RGB", (64, 64), (250, 3, 77)).save(path)
    return path


# 1.1 Files of the server


SHAPES = [
    lambda path: {"path": path},
    lambda path: {"path": path, "meta": {"_type": "gradio.FileData"}},
    lambda path: {"path": path, "meta": None, "url": None, "size": 1, "orig_name": "x.png"},
    lambda path: {"path": path, "url": f"/gradio_api/file={path}", "meta": {"_type": "gradio.FileData"}},
    lambda path: path,
    lambda path: [path],
    lambda path: {"path": {"path": path}},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_no_picture_that_was_not_uploaded_is_read(demo, url, secret: Path, shape):
    for side in ("picture", "reference"):
        events = press_run(demo, url, kind="another picture", **{side: shape(str(secret))})
        assert '"plane"' not in events
        assert str(secret.parent) not in events
    answers = {press_run(demo, url, picture=shape(path)) for path in (str(secret), "/etc", "/etc/absent", "/dev/zero")}
    assert len(answers) == 1, answers  # files, folders and what is absent cannot be told apart


def test_links_and_pipes_inside_the_upload_folder_are_not_followed(demo, url, uploaded, secret: Path):
    folder = Path(uploaded["path"]).parent
    link, pipe = folder / "link.png", folder / "pipe.png"
    link.symlink_to(secret)
    os_mkfifo(pipe)
    try:
        for path in (link, pipe, folder, folder / "absent.png", folder / ".." / ".." / secret.name):
            began = time.monotonic()
            assert '"plane"' not in press_run(demo, url, picture={"path": str(path)})
            assert time.monotonic() - began < 5
            assert ask(f"{url}/gradio_api/file={path}")[0] in (403, 404)
    finally:
        link.unlink()
        pipe.unlink()


def test_a_page_from_before_a_restart_is_told_so_that_it_loads_anew(demo, url, uploaded):
    """In the words on which Gradio's page does so, whether the picture was uploaded or an example."""
    import gradio

    path = Path(uploaded["path"])
    before = path.parents[2].parent / f"{temp_folder.PREFIX}before"
    for gone in (before.joinpath(*path.parts[-3:]), before / "examples" / "cat.jpg", path.parent / "picture.webp"):
        answer = json.loads(press_run(demo, url, picture={"path": str(gone), "meta": {"_type": "gradio.FileData"}}))
        assert answer == {"success": False, "detail": upload_store.REFUSED, "error": refusals.LOST}, gone
    pages = (Path(gradio.__file__).parent / "templates" / "frontend" / "assets").glob("index-*.js")
    assert any(f"`{refusals.LOST}`" in page.read_text(encoding="utf-8") for page in pages)


def os_mkfifo(path: Path) -> None:
    import os

    os.mkfifo(path)


def test_descriptors_of_the_process_block_nobody(demo, url):
    for number in range(12):
        assert '"success":false' in press_run(demo, url, picture={"path": f"/proc/self/fd/{number}"}).replace(" ", "")
    assert ask(url)[0] == 200


# 1.2 Names of pages


@pytest.mark.parametrize("name", ["", None, 7, [], {}, "a b", "x" * 65, "a<gradio-sep>b", "../x", "\ud800", "é", "a\n"])
def test_a_name_that_is_none_is_refused_and_the_queue_goes_on(demo, url, name):
    index = run_index(demo)
    body = {"data": [None] * len(demo.fns[index].inputs), "fn_index": index, "session_hash": name}
    status, text = join(url, body)
    assert status == 400
    assert json.loads(text)["detail"]
    light = next(i for i, fn in demo.fns.items() if getattr(fn.fn, "__qualname__", "") == "Handlers.stop")
    status, text = join(url, {"data": [None], "fn_index": light, "session_hash": uuid.uuid4().hex})
    assert status == 200
    assert not demo._queue.stopped


# 1.3 Links


@pytest.fixture
def canary() -> Iterator[tuple[str, list[bytes]]]:
    """An address that notes who asks for it."""
    hits: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        done = threading.Event()

        def listen() -> None:
            while not done.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                hits.append(connection.recv(100))
                connection.close()

        listener = threading.Thread(target=listen)
        listener.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", hits
        done.set()
        listener.join()


def test_no_input_of_any_event_makes_the_server_fetch(demo, url, canary):
    address, hits = canary
    links = (f"http://{address}/x.png", f"HTTP://{address}/x.png", f"//{address}/x.png", f"ftp://{address}/x")
    values = [{"path": link, "url": link, "meta": {"_type": "gradio.FileData"}} for link in links]
    wraps = [lambda v: v, lambda v: {"deep": [[v]]}, lambda v: [v], lambda v: {"options": {"x": v}}]
    tried = 0
    for index, fn in demo.fns.items():
        for place in range(len(fn.inputs) if fn.fn else 0):
            value, wrap = values[tried % 4], wraps[tried // 4 % 4]
            data: list[Any] = [None] * len(fn.inputs)
            data[place] = wrap(value)
            status, _ = join(url, {"data": data, "fn_index": index, "session_hash": f"canary{tried // 50}"})
            assert status == 400 or type(fn.inputs[place]).__name__ == "State", (index, place)
            tried += 1
        if fn.fn and fn.collects_event_data:
            body = {"data": [None] * len(fn.inputs), "fn_index": index, "session_hash": "canary", "event_data": value}
            assert join(url, body)[0] == 400
    assert tried > 500
    ask(f"{url}/gradio_api/file=http://{address}/x.png")
    assert hits == []


def test_a_picture_given_again_to_its_input_is_no_way_round(demo, url, canary, uploaded):
    """Gradio makes a component anew when an event updates it."""
    address, hits = canary
    session = uuid.uuid4().hex
    index = next(i for i, fn in demo.fns.items() if getattr(fn.fn, "__qualname__", "") == "Handlers.choose_kind")
    join(url, {"data": ["another picture", "conse-lite0"], "fn_index": index, "session_hash": session})
    ask(f"{url}/gradio_api/queue/data?session_hash={session}")
    for path in (f"http://{address}/x.png", "/etc/hostname"):
        assert '"plane"' not in press_run(demo, url, page=session, picture=uploaded, reference={"path": path})
    assert hits == []


# 1.4 Other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": EVIL, "X-Forwarded-Host": "evil.test"},
        {"Origin": EVIL, "X-Forwarded-Host": "evil.test", "X-Forwarded-For": "127.0.0.1"},
        {"Origin": EVIL, "Forwarded": "host=evil.test"},
        {"Origin": EVIL, "Sec-Fetch-Site": "same-site"},
        {"Origin": EVIL, "Sec-Fetch-Site": "none"},
        {"Origin": EVIL, "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.test", "Origin": EVIL},  # a name of theirs that leads here
        {"Host": "evil.test"},
        {"Host": "127.0.0.1.evil.test", "Origin": "http://127.0.0.1.evil.test"},
    ],
)
def test_other_sites_cannot_use_a_visitor(url, headers):
    for method, path in (
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/cancel"),
        ("GET", "/gradio_api/queue/data?session_hash=abc"),
        ("GET", "/gradio_api/heartbeat/abc"),
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("OPTIONS", "/gradio_api/queue/join"),
    ):
        asked = headers | ({"Access-Control-Request-Method": "POST"} if method == "OPTIONS" else {})
        status, text = send(url, method, path, asked, b"{}" if method == "POST" else b"")
        assert status in (403, 421), (method, path)
        assert EVIL not in text


def test_no_answer_allows_another_site_to_read_it(url):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request("GET", "/config", headers={"Origin": EVIL, "Host": "192.168.1.5:7860"})
    answer = connection.getresponse()
    assert answer.status == 403
    assert answer.getheader("Access-Control-Allow-Origin") is None
    connection.close()


def test_a_link_to_the_page_may_be_followed(url):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert send(url, "GET", "/", headers)[0] == 200
    own = {"Origin": url, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
    assert send(url, "POST", "/gradio_api/reset", own, b'{"event_id": "x"}')[0] == 200


def test_the_page_names_itself_by_no_forwarded_host(url):
    text = ask(f"{url}/config", X_Forwarded_Host="evil.test", X_Forwarded_Proto="https")[1]
    assert "evil.test" not in text


# 12. Bodies that are none


def test_wrong_bodies_get_words_and_never_500(demo, url):
    index = run_index(demo)
    count = len(demo.fns[index].inputs)
    good = {"data": [None] * count, "fn_index": index, "session_hash": "words"}
    bodies: list[tuple[Any, str]] = [
        (good | {"data": []}, f"Expected {count} inputs, got 0."),
        (good | {"data": [None] * (count + 1)}, f"Expected {count} inputs, got {count + 1}."),
        (good | {"data": None}, "could not be read"),
        (good | {"data": {"0": 1}}, "could not be read"),
        (good | {"fn_index": 9999}, "No such endpoint."),
        (good | {"fn_index": -1}, "No such endpoint."),
        (good | {"fn_index": "0"}, "No such endpoint."),
        (good | {"fn_index": True}, "No such endpoint."),
        (good | {"fn_index": None}, "No such endpoint."),
        (good | {"fn_index": 1e400}, "No such endpoint."),
        ([], "could not be read"),
        ("text", "could not be read"),
        (None, "could not be read"),
    ]
    for body, words in bodies:
        status, text = join(url, body)
        assert status in (400, 404), body
        assert words in json.loads(text)["detail"], body


NUMBERS = ["1000", True, None, [1000], {"value": 1000}, "NaN", ""]


@pytest.mark.parametrize("value", NUMBERS, ids=map(str, NUMBERS))
def test_numbers_of_another_kind_are_refused_in_words(demo, url, uploaded, value):
    for name, words in (
        ("n_masks", "n_masks must be a whole number from 10 to 10000."),
        ("p_keep", "p_keep must be a number from 0.01 to 0.99."),
        ("seed", "seed must be a whole number from 0 to 4294967295."),
    ):
        assert words in press_run(demo, url, picture=uploaded, **{name: value})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"caption": ["a"]}, "must be text"),
        ({"caption": 5}, "must be text"),
        ({"seed": 1.5}, "seed must be a whole number from 0 to 4294967295."),
        ({"n_masks": 10**400}, "n_masks must be 10 to 10000, got a number with hundreds of digits."),
        ({"n_masks": 1e308}, "n_masks must be 10 to 10000, got 1e+308."),
        ({"caption": {"path": "/etc/passwd"}}, "must be text"),
        ({"encoder": ["conse-lite0"]}, "Unknown encoder; choose one of: "),
        ({"encoder": {"a": 1}}, "Unknown encoder; choose one of: "),
        ({"kind": None}, "choose one of: another picture, a caption"),
        ({"until": "yes"}, "must be true or false"),
        ({"instrument": 7}, "could not be read"),
        ({"picture": "data:image/png;base64,xx"}, "That file was not uploaded here"),
        ({"picture": {"path": "", "url": "data:image/png;base64,xx"}}, "Pictures inside a request are not accepted"),
        ({"picture": {"path": "http://x.test/x.png"}}, "Image links are not accepted; upload the file."),
    ],
)
def test_values_of_another_kind_are_refused_in_words(demo, url, uploaded, changed, words):
    assert words in press_run(demo, url, **({"picture": uploaded} | changed))


def test_every_kind_of_input_has_a_rule(demo):
    """What brings values into an event and has no rule here would be refused always."""
    import gradio as gr

    from explorer.ui.gate.payloads import CAPS, RULES

    blocks = {block for fn in demo.fns.values() for block in fn.inputs}
    assert all(isinstance(block, (gr.State, gr.Image, *RULES)) for block in blocks)
    numbers = [block for block in blocks if isinstance(block, (gr.Slider, gr.Number))]
    assert all(any(str(block.elem_id).endswith(end) for end in CAPS) for block in numbers)


RAW = [
    ("GET", "/gradio_api/queue/data", 400),
    ("GET", "/gradio_api/queue/data?session_hash=", 400),
    ("GET", "/gradio_api/queue/data?session_hash=nobody", 404),
    ("GET", "/gradio_api/heartbeat/%20", 400),
    ("GET", "/gradio_api/heartbeat/" + "x" * 200, 400),
    ("POST", "/gradio_api/queue/join", 404),
    ("GET", "/?" + "&".join(f"a{i}=1" for i in range(1000)), 400),
    ("POST", "/gradio_api/cancel", 400),
    ("PUT", "/gradio_api/queue/join", 405),
    ("GET", "/gradio_api/queue/join", 405),
    ("GET", "/gradio_api/file=", 403),
    ("GET", "/gradio_api/file=%00", 403),
    ("GET", "/static/..%2f..%2fetc/passwd", 403),
    ("GET", "/assets/%00", 403),
    ("GET", "/svelte/..%2f..", 403),
    ("GET", "/?deep_link=../../etc", 200),
    ("GET", "/?__theme=%00%ff", 200),
    ("POST", "/", 405),
    ("GET", "/gradio_api/upload", 405),
]


@pytest.mark.parametrize(("method", "path", "wanted"), RAW, ids=[path[:40] for _, path, _ in RAW])
def test_odd_requests_are_answered_in_words(url, method, path, wanted):
    status, text = send(url, method, path, {"Content-Type": "application/json"}, b"{}" if method == "POST" else b"")
    assert status == wanted or (wanted == 403 and status in (400, 404)), text[:200]
    assert "Traceback" not in text
    assert "root:x" not in text


@pytest.mark.parametrize(
    "ranges",
    [
        "bytes=" + ",".join(f"{i}-{i}" for i in range(5000)),
        "bytes=0-0,5-5",
        "bytes=9999999-",
        "bytes=-",
        "x",
        "bytes=5-1",
    ],
)
def test_any_range_of_a_file_is_answered(url, uploaded, ranges):
    status, _ = send(url, "GET", f"/gradio_api/file={uploaded['path']}", {"Range": ranges})
    assert status in (200, 206, 400, 416)


def test_a_body_that_never_comes_is_not_waited_for(url, monkeypatch):
    from explorer.ui.gate import http_filter

    monkeypatch.setattr(http_filter, "BODY_SECONDS", 0.5)
    for path in ("/gradio_api/queue/join", "/gradio_api/upload"):
        with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=10) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            connection.sendall(f"{head}Content-Length: 5000\r\n\r\n--x".encode())
            assert b" 408 " in connection.recv(1000)


# Routes


LET_IN = [
    "/",
    "/assets/*",
    "/config",
    "/favicon.ico",
    "/gradio_api/app_id",
    "/gradio_api/cancel",
    "/gradio_api/file=*",
    "/gradio_api/heartbeat/*",
    "/gradio_api/info",
    "/gradio_api/login_check",
    "/gradio_api/queue/data",
    "/gradio_api/queue/join",
    "/gradio_api/reset",
    "/gradio_api/startup-events",
    "/gradio_api/theme.css",
    "/gradio_api/token",
    "/gradio_api/upload",
    "/gradio_api/upload_progress",
    "/gradio_api/user",
    "/health",
    "/browser/*/*",
    "/manifest.json",
    "/replay/*",
    "/robots.txt",
    "/static/*",
    "/svelte/*",
    "/theme.css",
]
"""What the gate lets through, each looked at."""
LEFT_OUT = [
    "/gradio_api/api/*",
    "/gradio_api/call/*",
    "/gradio_api/call/*/*",
    "/gradio_api/call/v2/*",
    "/gradio_api/call/v2/*/*",
    "/gradio_api/component_server",
    "/gradio_api/custom_component/*/*/*/*",
    "/gradio_api/deep_link",
    "/gradio_api/dev/reload",
    "/gradio_api/file/*",
    "/gradio_api/openapi.json",
    "/gradio_api/process_recording",
    "/gradio_api/proxy=*",
    "/gradio_api/queue/status",
    "/gradio_api/run/*",
    "/gradio_api/runs",
    "/gradio_api/stream/*",
    "/gradio_api/stream/*/*/*/*.*",
    "/gradio_api/stream/*/*/*/playlist-file",
    "/gradio_api/stream/*/*/*/playlist.m3u8",
    "/gradio_api/stream/*/close",
    "/gradio_api/undo-vibe-edit",
    "/gradio_api/vibe-code",
    "/gradio_api/vibe-edit",
    "/gradio_api/vibe-starter-queries",
    "/login",
    "/logout",
    "/monitoring",
    "/monitoring/*",
    "/monitoring/summary",
    "/openapi.json",
    "/pwa_icon",
    "/pwa_icon/*",
]
"""What Gradio and FastAPI open besides."""


def test_gradio_opens_no_route_that_was_not_looked_at(demo):
    """A new version of Gradio that opens a route fails here first: look at it, then let it in or leave it out."""
    paths = {
        re.sub(r"[{].*?[}]", "*", getattr(route, "path", "") or "").rstrip("/") for route in _flat(demo.app.routes)
    }
    assert {path or "/" for path in paths} == {*LET_IN, *LEFT_OUT}


def test_only_what_was_let_in_is_reached(url):
    for path in LET_IN:
        assert OPEN.match(path.replace("*/*", "instrument/x.js").replace("*", "x.json")), path
    for path in LEFT_OUT:
        for asked in (path, f"{path}/", path.upper(), f"/{path}"):
            status, text = send(url, "GET", asked.replace("*", "x"), {})
            assert (status, text) == (404, "No such endpoint."), asked


@pytest.mark.parametrize("end", ["%0a", "%0d", "%00", "%0a?session_hash=abc"])
def test_nothing_is_reached_by_a_path_with_a_control_character(url, end):
    for path in LET_IN:
        asked = path.replace("*/*", "instrument/instrument.js").replace("*", "x.json").rstrip("/") or "/"
        for method, body in (("GET", b""), ("POST", b"{}")):
            answer = send(url, method, asked + end, {"Content-Type": "application/json"}, body)
            assert answer[0] == 404, (method, asked, answer)
            assert "No such endpoint." in answer[1]


def _flat(routes: Any) -> Iterator[Any]:
    for route in routes:
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if inner:
            yield from _flat(inner)
        else:
            yield route
