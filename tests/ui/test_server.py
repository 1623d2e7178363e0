"""The app over HTTP, as an attacker would use it, and its safety settings against the running server."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from explorer.core.errors import WeightsMissing
from explorer.core.limits import MAX_UPLOAD_BYTES
from explorer.encoders.cards import DEFAULT_ENCODER, load_encoder
from explorer.pictures import examples as presets
from explorer.ui import server
from explorer.ui.gate import static
from explorer.ui.server import SESSIONS, build_app, launch_settings
from tests.ui.talk import ASSETS, ask, post_file, press_run, upload


@pytest.fixture(scope="module")
def uploaded(url) -> dict[str, Any]:
    """The cat, uploaded."""
    picture = (ASSETS / "cat.jpg").read_bytes()
    return upload(url, picture)


def test_the_first_encoder_is_loaded_ahead(monkeypatch, caplog) -> None:
    encoder, passes = load_encoder(DEFAULT_ENCODER), list[tuple[tuple[int, ...], int]]()
    monkeypatch.setattr(type(encoder), "exercise", lambda self, pixels, count: passes.append((pixels.shape, count)))
    server.load_ahead()
    assert passes == [((224, 224, 3), 1)]  # its first pass, which compiles the network behind masks

    def broken(key: str) -> None:
        raise WeightsMissing("Its file is damaged.", code="weights_hash")

    monkeypatch.setattr(server, "load_encoder", broken)
    server.load_ahead()
    assert "could not be loaded ahead: Its file is damaged." in caplog.text


def test_what_an_event_tells_in_turn_is_whole_each_time() -> None:
    """Or a page that hears of several at once would change the first in place, before it has shown it."""
    app, event = build_app(), SimpleNamespace(outputs=[1, 2])

    def send(*data: object, final: bool = False) -> list[object]:
        return app.handle_streaming_diffs(event, [*data], "page", "run", final)

    shown, nothing = {"props": {"result": 1}, "__type__": "update"}, {"__type__": "update"}
    assert send("a", nothing) == ["a", nothing]
    assert send("ab", shown) == [[["replace", [], "ab"]], [["replace", [], shown]]]
    assert send("ab", nothing) == [[], [["replace", [], nothing]]]
    assert send(None, None, final=True) == ["ab", nothing]


def test_a_good_request_is_answered(demo, url, uploaded):
    events = press_run(demo, url, picture=uploaded)
    assert '"success":true' in events.replace(" ", "")
    assert '"plane"' in events


BAD_VALUES = [
    ({"n_masks": 10**9}, "10000"),
    ({"n_masks": float("nan")}, "n_masks must be a whole number"),
    ({"n_masks": float("inf")}, "10000"),
    ({"n_masks": 1e308}, "10000"),
    ({"n_masks": -1}, "10"),
    ({"n_masks": 0}, "10"),
    ({"n_masks": 1000.5}, "n_masks must be a whole number"),
    ({"p_keep": 0}, "0.01"),
    ({"p_keep": 1}, "0.99"),
    ({"p_keep": float("nan")}, "p_keep must be a number"),
    ({"feature_res": 0}, "1"),
    ({"feature_res": 500}, "64"),
    ({"seed": -1}, "seed must be 0 to 4294967295"),
    ({"seed": 2**64}, "seed must be 0 to 4294967295"),
    ({"until": True, "agreement": 2}, "0.99"),
    ({"instrument": '{"selection": {"threshold": NaN}}'}, "threshold must be a number"),
    ({"instrument": '{"selection": {"threshold": "0.1"}}'}, "threshold must be a number"),
    ({"instrument": '{"selection": {"mode": "best"}}'}, "Unknown mode"),
    ({"instrument": '{"selection": {"mode": []}}'}, "Unknown mode"),
    ({"instrument": '{"selection": {"closest": [0.5, 0.1]}}'}, "two shares"),
    ({"instrument": '{"selection": {"evil": 1}}'}, "Unknown SelectionSettings field"),
    ({"instrument": '{"selection": {}, "upto": -1}'}, "could not be read"),
    ({"instrument": "[" * 5000}, "could not be read"),
    ({"instrument": "x" * 20000}, "could not be read"),
    ({"instrument": {"selection": {}}}, "could not be read"),
    ({"encoder": "../../etc"}, "Unknown encoder; choose one of: "),
    ({"encoder": "evil/repo"}, "Unknown encoder; choose one of: "),
    ({"caption": "   "}, "The caption is empty"),
    ({"caption": "\u200b"}, "The caption is empty"),
    ({"caption": "x" * 501}, "The caption has 501 characters; the limit is 500"),
    ({"caption": "a\x00b"}, "not valid text"),
    ({"caption": "\ud800"}, "not valid text"),
    ({"picture": None}, "Add an image first"),
]


@pytest.mark.parametrize(("changed", "message"), BAD_VALUES, ids=[str(c)[:30] for c, _ in BAD_VALUES])
def test_bad_values_get_one_clear_answer(demo, url, uploaded, changed, message):
    events = press_run(demo, url, **({"picture": uploaded} | changed))
    assert message in events
    assert "Traceback" not in events
    assert '"plane"' not in events


@pytest.mark.parametrize("value", ["1000", True, None, [1000]])
def test_values_of_another_kind_are_refused(demo, url, uploaded, value):
    events = press_run(demo, url, picture=uploaded, n_masks=value)
    assert '"success":false' in events.replace(" ", "")
    assert "Traceback" not in events


def test_only_uploaded_files_are_read(demo, url):
    for path in ("/etc/passwd", "../../../../etc/passwd", str(Path(__file__).parents[2] / "app.py")):
        events = press_run(demo, url, picture={"path": path, "meta": {"_type": "gradio.FileData"}})
        assert '"success":false' in events.replace(" ", "")
        assert "root:" not in events


def test_the_server_fetches_no_link(demo, url):
    hits: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(5)
        port = canary.getsockname()[1]

        def listen() -> None:
            try:
                connection, _ = canary.accept()
                hits.append(connection.recv(100))
                connection.close()
            except TimeoutError:
                return

        listener = threading.Thread(target=listen)
        listener.start()
        for link in (f"http://127.0.0.1:{port}/x.png", f"http://127.0.0.1.nip.io:{port}/x.png", "http://[::1]/x.png"):
            events = press_run(demo, url, picture={"path": link, "url": link, "meta": {"_type": "gradio.FileData"}})
            assert '"success":false' in events.replace(" ", ""), link
            ask(f"{url}/gradio_api/file={link}")
            ask(f"{url}/gradio_api/proxy={link}")
        listener.join()
    assert hits == []


def test_a_picture_inside_the_request_is_refused(demo, url):
    data = "data:image/png;base64,iVBORw0KGgo="
    events = press_run(demo, url, picture={"path": "", "url": data, "meta": {"_type": "gradio.FileData"}})
    assert '"success":false' in events.replace(" ", "")
    assert "Traceback" not in events


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../etc/passwd",
        "/gradio_api/file=%2e%2e%2f%2e%2e%2fetc/passwd",
        "/gradio_api/file=/proc/self/environ",
        f"/gradio_api/file={Path(__file__).parents[2] / 'app.py'}",
        "/gradio_api/file=https://example.com/",
        "/gradio_api/file=%68ttps://example.com/",
        "/gradio_api/file=//example.com/",
    ],
)
def test_no_file_of_the_server_can_be_read(url, path):
    status, text = ask(url + path)
    assert status in (403, 404), text[:200]
    assert "root:" not in text
    assert "import" not in text


def test_routes_the_app_does_not_need_are_closed(demo, url):
    closed = [
        "/gradio_api/deep_link",
        "/gradio_api/process_recording",
        "/gradio_api/component_server",
        "/gradio_api/run/run",
        "/gradio_api/run/predict",
        "/gradio_api/api/run",
        "/gradio_api/call/run",
        "/gradio_api/call/v2/run",
        "/gradio_api/proxy=http://127.0.0.1/",
        "/monitoring",
        "/monitoring/summary",
        "/gradio_api/vibe-edit",
        "/gradio_api/dev/reload",
        "/gradio_api/runs",
        "/docs",
        "/nothing",
    ]
    for path in closed:
        for body in (None, b"{}"):
            status, text = ask(url + path, body, Content_Type="application/json")
            assert status == 404, (path, status)
            assert text == "No such endpoint."


def test_other_sites_cannot_use_a_visitor(url):
    for origin in ("https://evil.test", "null"):
        status, _ = ask(f"{url}/gradio_api/queue/join", b"{}", Content_Type="application/json", Origin=origin)
        assert status == 403


def test_a_page_that_is_refused_has_what_it_needs_to_say_so(url):
    """A browser says the origin of scripts and style too, so they would be refused with the clicks: a blank page."""
    page = ask(url)[1]
    script = re.search(r'src="\./(assets/[^"]+\.js)"', page)[1]
    for path in (script, "browser/instrument/instrument.js", "replay/two-espresso.json", "theme.css"):
        assert ask(f"{url}/{path}", Origin="http://explain.test")[0] == 200, path
    for path in ("", "config", "gradio_api/info"):
        assert ask(f"{url}/{path}", Origin="http://explain.test")[0] == 403, path


def test_large_bodies_are_refused(url):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the answer comes before the body is through
        connection.request("POST", "/gradio_api/queue/join", b" " * 1_100_000, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 413
    assert "0.2 MB" in answer.read().decode()
    connection.close()
    status, _ = post_file(url, b"x" * (MAX_UPLOAD_BYTES + 100_000))
    assert status == 413
    status, _ = ask(f"{url}/gradio_api/upload", b"x", Content_Length=str(MAX_UPLOAD_BYTES + 3_000_000))
    assert status == 413  # told before a byte of the body is read


@pytest.mark.parametrize("body", [b"not json", b"[" * 100_000, b"{}", b'{"fn_index": 9999, "data": []}'])
def test_broken_requests_leave_the_server_alive(url, body):
    status, text = ask(f"{url}/gradio_api/queue/join", body, Content_Type="application/json")
    assert status >= 400
    assert "Traceback" not in text
    assert ask(url)[0] == 200


def test_an_unknown_event_can_be_cancelled_without_harm(url):
    body = json.dumps({"session_hash": "a", "fn_index": 0, "event_id": "nobody"}).encode()
    status, _ = ask(f"{url}/gradio_api/cancel", body, Content_Type="application/json")
    assert status == 200


def test_safety_settings_hold_in_the_running_app(demo, url):
    recipe = json.loads(ask(f"{url}/config")[1])
    assert recipe["enable_queue"] is True
    assert demo.api_open is False
    assert demo._queue.max_size is None  # the gate counts, lane by lane
    assert demo.max_file_size == MAX_UPLOAD_BYTES
    assert demo.state_session_capacity == SESSIONS
    assert demo.share is False
    assert demo.ssr_mode is False
    assert demo.show_error is False
    assert demo.allowed_paths == []
    assert demo.analytics_enabled is False
    assert demo.delete_cache is None  # the sweeper is ours
    assert demo.enable_monitoring is False
    assert launch_settings()["run_history"] is False
    assert demo.GRADIO_CACHE != "/tmp/gradio"
    assert all(fn.api_visibility == "private" for fn in demo.fns.values())
    assert {fn.concurrency_id for fn in demo.fns.values() if fn.name == "run"} == {"model"}


# Files a page loads for itself


def fetch(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; the path goes out as it is written."""
    widgets = urlsplit(url)
    connection = http.client.HTTPConnection(widgets.netloc, timeout=30)
    connection.putrequest(method, widgets.path, skip_accept_encoding=True)
    for name, value in {k.replace("_", "-"): v for k, v in headers.items()}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


FOLDERS = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "json": "application/json"}
SERVED = [
    *((f"/browser/{file.parent.name}/{file.name}", file) for file in sorted(static.BROWSER.glob("*/*.*"))),
    *((f"/replay/{file.name}", file) for file in sorted(presets.replay_folder().iterdir())),
]


def test_there_is_something_to_serve():
    endings = {file.suffix for _, file in SERVED}
    assert endings == {".js", ".css", ".json"}


@pytest.mark.parametrize(("path", "file"), SERVED, ids=[path for path, _ in SERVED])
def test_the_pages_own_files_are_served(url, path, file):
    status, headers, body = fetch(url + path)
    assert status == 200
    assert body == file.read_bytes()
    assert headers["content-type"] == FOLDERS[file.suffix[1:]]
    assert headers["cache-control"] == "no-cache"
    assert fetch(url + path, "HEAD")[::2] == (200, b"")
    for tags in (headers["etag"], f'"other", {headers["etag"]}'):
        status, again, body = fetch(url + path, If_None_Match=tags)
        assert (status, body) == (304, b"")
        assert again["etag"] == headers["etag"]
    assert fetch(url + path, If_None_Match='"other"')[0] == 200
    assert fetch(url + path, "POST", Content_Length="0")[0] in (404, 405)
    assert fetch(url + path, "DELETE")[0] in (404, 405)


def test_replays_travel_compressed(url):
    path, file = next((path, file) for path, file in SERVED if path.startswith("/replay/"))
    _, headers, body = fetch(url + path, Accept_Encoding="gzip")
    assert headers["content-encoding"] == "gzip"
    assert len(body) < 0.85 * file.stat().st_size
    assert gzip.decompress(body) == file.read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/browser/instrument/",
        "/browser/instrument/absent.js",
        "/browser/instrument/../server.py",
        "/browser/instrument/..%2fserver.py",
        "/browser/instrument/..%2f..%2f..%2fpyproject.toml",
        "/browser/instrument/%2e%2e/style.css",
        "/browser/instrument/..%5cstyle.css",
        "/browser/instrument/../style.css",
        "/browser/instrument/.hidden.js",
        "/browser/instrument/maths.js%00.css",
        "/browser/instrument/maths.js%0a",
        "/browser/instrument/MATHS.JS",
        "/browser/instrument//etc/passwd",
        "/browser/instrument/server.py",
        "/replay/",
        "/replay/absent.json",
        "/replay/two-espresso",
        "/replay/two-espresso.json.json",
        "/replay/two-espresso.js",
        "/replay/../MANIFEST.json",
        "/replay/..%2fMANIFEST.json",
        "/replay/%2e%2e%2fMANIFEST.json",
        "/replay/TWO-ESPRESSO.json",
        "/replay/.json",
    ],
)
def test_nothing_else_in_those_folders_is(url, path):
    status, _, body = fetch(url + path)
    assert status == 404
    assert len(body) < 100


def test_matplotlib_needs_no_backend() -> None:
    """Gradio imports it at every event, which fails where MPLBACKEND names none."""
    code = (
        "from explorer.ui.server import build_app; build_app()\n"
        "from gradio.utils import MatplotlibBackendMananger as Manager\n"
        "with Manager(): print('alive')"
    )
    environment = {**os.environ, "MPLBACKEND": "nonsense"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "alive", done.stderr[-500:]
