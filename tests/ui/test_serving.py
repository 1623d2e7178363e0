"""Ways to serve the app that are not ours alone: a password, inside another app, in a thread, by Gradio itself."""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import gradio as gr
import pytest
import uvicorn
from fastapi import FastAPI

from explorer.core.errors import InvalidInput
from explorer.ui import build_app, launch, mount
from explorer.ui.gate import logins
from explorer.ui.server import KEPT
from tests.ui.proxies import free_port
from tests.ui.talk import ASSETS, ask, event_of_run, multipart, post_file, press_run, upload

# A password

AUTH = ("teacher", "sesame")


@pytest.fixture(scope="module")
def locked():
    demo = build_app()
    launch(demo, prevent_thread_lock=True, quiet=True, auth=AUTH)
    yield demo
    demo.close()


def log_in(url: str, name: str, password: str) -> tuple[int, str]:
    """Status, and the cookie that was given."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=30)
    body = urlencode({"username": name, "password": password})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{place.netloc}"}
    connection.request("POST", f"{place.path}/login", body, headers)
    answer = connection.getresponse()
    answer.read()
    given = [value for name, value in answer.getheaders() if name.lower() == "set-cookie"]
    connection.close()
    return answer.status, "; ".join(cookie.partition(";")[0] for cookie in given)


def test_who_knows_the_password_gets_in_and_works(locked):
    url = locked.local_url.rstrip("/")
    status, cookie = log_in(url, *AUTH)
    assert status == 200
    kind, body = multipart((ASSETS / "cat.jpg").read_bytes())
    status, text = ask(f"{url}/gradio_api/upload", body, Content_Type=kind, Cookie=cookie)
    assert status == 200, text
    path = json.loads(text)[0]
    assert ask(f"{url}/gradio_api/file={path}", Cookie=cookie)[0] == 200
    session = uuid.uuid4().hex
    join = event_of_run(locked, session, picture={"path": path, "meta": {"_type": "gradio.FileData"}})
    assert ask(f"{url}/gradio_api/queue/join", join, Content_Type="application/json", Cookie=cookie)[0] == 200
    assert '"plane"' in ask(f"{url}/gradio_api/queue/data?session_hash={session}", Cookie=cookie)[1]
    assert ask(f"{url}/logout", Cookie=cookie)[0] == 302
    assert ask(f"{url}/gradio_api/file={path}", Cookie=cookie)[0] == 401


def test_nobody_else_gets_anything(locked):
    url = locked.local_url.rstrip("/")
    assert log_in(url, "teacher", "wrong")[0] == 400
    assert '"auth_required":true' in ask(url)[1].replace(" ", "")
    assert post_file(url, b"x") == (401, json.dumps({"success": False, "detail": logins.LOG_IN}))
    session = uuid.uuid4().hex
    for path, body in (
        ("queue/join", event_of_run(locked, session)),
        ("cancel", b"{}"),
        (f"queue/data?session_hash={session}", None),
        (f"heartbeat/{session}", None),
        ("upload_progress?upload_id=a", None),
        ("file=/etc/passwd", None),
    ):
        for cookie in ("", "access-token-unsecure-x=guess"):
            status, text = ask(f"{url}/gradio_api/{path}", body, Content_Type="application/json", Cookie=cookie)
            assert status == 401, (path, text)
    assert ask(f"{url}/config")[0] == 401


def test_guessing_waits_in_a_line(locked, monkeypatch):
    naps: list[float] = []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)

    monkeypatch.setattr(logins, "sleep", sleep)
    url = locked.local_url.rstrip("/")
    for _ in range(logins.FREE + 2):
        assert log_in(url, "teacher", "guess")[0] == 400
    assert logins.PAUSE in naps
    assert log_in(url, *AUTH)[0] == 200  # who knows it, waits and gets in


def test_another_site_cannot_log_a_visitor_in_or_out(locked):
    url = locked.local_url.rstrip("/")
    body = urlencode({"username": AUTH[0], "password": AUTH[1]}).encode()
    headers = {"Content_Type": "application/x-www-form-urlencoded", "Origin": "http://evil.test"}
    assert ask(f"{url}/login", body, **headers)[0] == 403
    assert ask(f"{url}/logout", Sec_Fetch_Site="cross-site")[0] == 403


# Inside another app


class Server(threading.Thread):
    """An app on a port of this machine."""

    def __init__(self, app: FastAPI, lifespan: Literal["auto", "off"] = "auto") -> None:
        super().__init__(daemon=True)
        self.port = free_port()
        config = uvicorn.Config(app, port=self.port, log_level="error", proxy_headers=False, lifespan=lifespan)
        self.server = uvicorn.Server(config)

    def run(self) -> None:
        self.server.run()

    def __enter__(self) -> Server:
        self.start()
        while not self.server.started:
            assert self.is_alive()
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = self.server.force_exit = True
        self.join(timeout=30)


@pytest.mark.parametrize("path", ["/", "/explain"])
def test_mounted_it_is_whole(path, caplog):
    app, demo = FastAPI(), build_app()

    @app.get("/api/hello")
    def hello() -> str:
        return "there"

    mount(app, path, demo)
    with Server(app) as served:
        home = f"http://127.0.0.1:{served.port}"
        url = home + path.rstrip("/")
        page = ask(f"{url}/")[1]
        assert ".instrument-root" in page  # the style
        assert ask(f"{home}/api/hello")[1] == '"there"'
        assert ask(f"{url}/browser/instrument/instrument.js")[0] == 200
        assert json.loads(ask(f"{url}/health")[1])["status"] == "ok"
        picture = upload(url, (ASSETS / "cat.jpg").read_bytes())
        assert '"plane"' in press_run(demo, url, picture=picture)
        assert ask(f"{url}/gradio_api/file=/nothing")[1].startswith("That file is not here")
        for closed in ("gradio_api/run/run", "monitoring", "login", *(["docs"] if path != "/" else [])):  # else theirs
            assert ask(f"{url}/{closed}") == (404, "No such endpoint."), closed
        assert ask(f"{url}/gradio_api/queue/join", b"{}", Origin="http://evil.test")[0] == 403
        assert post_file(url, b"not a picture")[0] == 415
        time.sleep(1.5)  # the caretaker looks once a second
    assert "could not look after itself" not in caplog.text


def test_mounted_with_a_password(monkeypatch):
    app, demo = FastAPI(), build_app()
    mount(app, "/explain", demo, auth=AUTH)
    with Server(app) as served:
        url = f"http://127.0.0.1:{served.port}/explain"
        assert post_file(url, b"x")[0] == 401
        status, cookie = log_in(url, *AUTH)
        assert status == 200
        kind, body = multipart((ASSETS / "cat.jpg").read_bytes())
        assert ask(f"{url}/gradio_api/upload", body, Content_Type=kind, Cookie=cookie)[0] == 200


# Without its gate


@pytest.mark.parametrize("outer", [False, True])
def test_without_its_lifespan_it_serves_nothing(outer):
    app = FastAPI()
    mount(app, "/explain")
    if outer:
        within, app = app, FastAPI()
        app.mount("/outer", within)
    with Server(app, "auto" if outer else "off") as served:
        url = f"http://127.0.0.1:{served.port}{'/outer' if outer else ''}/explain"
        for path in ("/", "/config", "/health", "/gradio_api/info", "/gradio_api/queue/join", "/login"):
            for body in (None, b"{}"):
                status, text = ask(f"{url}{path}", body)
                assert status == 503, (path, text)
                assert "must run the lifespan" in text


def test_gradio_alone_does_not_serve_it():
    demo = build_app()
    with pytest.raises(InvalidInput, match=r"explorer\.ui\.mount"):
        gr.mount_gradio_app(FastAPI(), demo, "/explain")
    with pytest.raises(InvalidInput, match=r"explorer\.ui\.launch"):
        demo.launch(prevent_thread_lock=True)
    with gr.Blocks():
        with pytest.raises(InvalidInput, match=r"explorer\.ui\.mount"):
            demo.render()
        with pytest.raises(InvalidInput, match=r"explorer\.ui\.mount"):
            build_app()


def test_gradio_alone_does_not_serve_it_afterwards_either():
    demo = build_app()
    launch(demo, prevent_thread_lock=True, quiet=True)
    demo.close()
    with pytest.raises(InvalidInput, match=r"explorer\.ui\.launch"):
        demo.launch(prevent_thread_lock=True)
    app, demo = FastAPI(), build_app()
    mount(app, "/explain", demo)
    with pytest.raises(InvalidInput, match=r"explorer\.ui\.mount"):
        gr.mount_gradio_app(app, demo, "/bare")


@pytest.mark.parametrize("setting", KEPT)
def test_no_setting_leads_past_the_gate(setting):
    demo = build_app()
    for serve in (lambda **more: launch(demo, **more), lambda **more: mount(FastAPI(), "/", demo, **more)):
        with pytest.raises(InvalidInput, match=f"{setting} would lead past"):
            serve(**{setting: True})


def test_another_app_is_refused():
    with gr.Blocks() as other:
        gr.Textbox()
    with pytest.raises(InvalidInput, match="build_app"):
        launch(other)
    with pytest.raises(InvalidInput, match="build_app"):
        mount(FastAPI(), "/", other)


def test_workers_of_gradio_do_not_serve_files_beside_the_gate(monkeypatch):
    monkeypatch.setenv("GRADIO_NUM_WORKERS", "1")
    demo = build_app()
    launch(demo, prevent_thread_lock=True, quiet=True)
    assert getattr(demo, "_static_worker_pool", None) is None
    demo.close()


# Not in the main thread


def test_in_a_thread_it_serves_until_it_is_closed():
    demo, failures = build_app(), []

    def serve() -> None:
        try:
            launch(demo, quiet=True)
        except (ValueError, RuntimeError) as error:
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    while thread.is_alive() and not (demo.is_running and demo.app.startup_events_triggered):
        time.sleep(0.05)
    assert failures == []
    url = demo.local_url.rstrip("/")
    assert ask(f"{url}/health")[0] == 200
    assert thread.is_alive()
    demo.close()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert failures == []


def test_at_a_prompt_it_returns_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.ps1", ">>> ", raising=False)
    demo = build_app()
    result: Any = launch(demo, quiet=True)
    assert ask(f"{result[1].rstrip('/')}/health")[0] == 200
    demo.close()
