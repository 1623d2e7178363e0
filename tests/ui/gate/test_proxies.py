"""The README's proxies in front of the app: pages, runs, uploads; and words where a proxy says too little."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import ssl
import subprocess
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.ui import proxies
from tests.ui.talk import ASSETS, event_of_run, multipart

PATHS = ["", "/explain"]


@contextlib.contextmanager
def served(monkeypatch: pytest.MonkeyPatch, path: str = "", **environ: str) -> Iterator[Any]:
    """The app on a port of this machine, with settings in its environment."""
    from explorer.ui import build_app, launch

    for name, value in ({"FORWARDED_ALLOW_IPS": "127.0.0.1", "GRADIO_ROOT_PATH": path} | environ).items():
        monkeypatch.setenv(name, value)
    demo = build_app()
    launch(demo, prevent_thread_lock=True, quiet=True)
    yield demo
    demo.close()


class Browser:
    """Speaks to a proxy as a browser does: by the name and the port in its address bar, with the origin of its page."""

    def __init__(
        self, port: int, path: str = "", *, name: str = "localhost", context: ssl.SSLContext | None = None
    ) -> None:
        self._port, self._path, self._context = port, path, context
        self.origin = f"{'https' if context else 'http'}://{name}:{port}"

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
        """Send a request; the answer is still to be read."""
        if self._context is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        else:
            connection = http.client.HTTPSConnection("localhost", self._port, timeout=60, context=self._context)
        sent = {"Host": self.origin.partition("://")[2]} | {k.replace("_", "-"): v for k, v in headers.items()}
        if body is not None:
            sent |= {"Origin": self.origin}
        connection.request("GET" if body is None else "POST", self._path + path, body, sent)
        return connection.getresponse()

    def answer(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        """Status and text."""
        response = self.ask(path, body, **headers)
        return response.status, response.read().decode(errors="replace")

    def works(self, demo: Any) -> None:
        """The whole job: the page and what it loads, an upload, and a run whose answers come as it makes them."""
        status, page = self.answer("/")
        assert status == 200
        assert json.dumps(f"{self.origin}{self._path}") in page  # where the page sends everything
        for path in ("/config", "/browser/instrument/instrument.js", "/replay/two-espresso.json", "/theme.css"):
            assert self.answer(path)[0] == 200, path
        kind, body = multipart((ASSETS / "cat.jpg").read_bytes())
        status, text = self.answer("/gradio_api/upload", body, Content_Type=kind)
        assert status == 200, text
        path = json.loads(text)[0]
        response = self.ask(f"/gradio_api/file={path}")
        assert (response.status, response.read()) == (200, (ASSETS / "cat.jpg").read_bytes())
        session = uuid.uuid4().hex
        picture = {"path": path, "meta": {"_type": "gradio.FileData"}}
        join = event_of_run(demo, session, picture=picture, n_masks=4000)
        status, text = self.answer("/gradio_api/queue/join", join, Content_Type="application/json")
        assert status == 200, text
        stream = self.ask(f"/gradio_api/queue/data?session_hash={session}")
        for line in stream:  # read before the run's end: a proxy that buffers would keep it until then
            if b"process_generating" in line and b" of 4000" in line:
                break
        else:
            pytest.fail("the run's answers came at its end, or never")
        event = json.loads(text)["event_id"]
        cancel = json.dumps({"session_hash": session, "fn_index": 0, "event_id": event}).encode()
        assert self.answer("/gradio_api/cancel", cancel, Content_Type="application/json")[0] == 200


@pytest.mark.parametrize("path", PATHS)
def test_behind_nginx_as_the_readme_has_it(monkeypatch, path):
    config = proxies.under(path, proxies.snippet("nginx"))
    with served(monkeypatch, path) as demo, proxies.nginx(config, demo.server_port) as port:
        Browser(port, path, name="explain.school.example").works(demo)


@pytest.mark.parametrize("path", PATHS)
def test_behind_caddy_as_the_readme_has_it(monkeypatch, path):
    config = proxies.under(path, proxies.snippet("caddy"))
    with served(monkeypatch, path) as demo, proxies.caddy(config, demo.server_port) as port:
        Browser(port, path).works(demo)


def test_behind_nginx_that_speaks_tls(monkeypatch, tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on this machine, which makes the certificate")
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(cafile=str(files[0]))
    with served(monkeypatch) as demo, proxies.nginx(proxies.snippet("nginx"), demo.server_port, files) as port:
        Browser(port, context=context).works(demo)


HEADERS: dict[str, Callable[[int], str]] = {
    "a name without its port": lambda port: "proxy_set_header Host $host;",
    "a name with its port": lambda port: "proxy_set_header Host $host:$server_port;",
    "a list of names": lambda port: f'proxy_set_header X-Forwarded-Host "localhost:{port}, inside.example";',
    "Forwarded": lambda port: f"""proxy_set_header Forwarded 'for=10.0.0.1;host="localhost:{port}";proto=http';""",
    "a port beside the name": lambda port: (
        "proxy_set_header Host $host; proxy_set_header X-Forwarded-Port $server_port;"
    ),
}


@pytest.mark.parametrize("said", HEADERS)
def test_a_proxy_may_say_the_name_in_any_of_these_ways(monkeypatch, said):
    with served(monkeypatch) as demo, proxies.nginx(proxies.BARE, demo.server_port) as bare:
        config = proxies.BARE.replace("proxy_pass", f"{HEADERS[said](bare)} proxy_pass")
        # The port is the one that the browser knows, which need not be the one that nginx listens on.
        with proxies.nginx(config, demo.server_port) as port:
            browser = Browser(port)
            browser.origin = browser.origin if "$" in config else f"http://localhost:{bare}"
            kind, body = multipart((ASSETS / "cat.jpg").read_bytes())
            status, text = browser.answer("/gradio_api/upload", body, Content_Type=kind)
            assert status == 200, text


def test_a_proxy_that_says_no_name_is_answered_in_words_until_it_is_told(monkeypatch):
    for hosts, wanted in (("", 403), ("explain.school.example", 200)):
        with served(monkeypatch, EXPLORER_HOSTS=hosts) as demo, proxies.nginx(proxies.BARE, demo.server_port) as port:
            browser = Browser(port, name="explain.school.example")
            kind, body = multipart((ASSETS / "cat.jpg").read_bytes())
            status, text = browser.answer("/gradio_api/upload", body, Content_Type=kind)
            assert status == wanted, text
            assert wanted == 200 or "set EXPLORER_HOSTS to that name" in text
            browser.origin = "http://evil.test"
            assert browser.answer("/gradio_api/upload", body, Content_Type=kind)[0] == 403
