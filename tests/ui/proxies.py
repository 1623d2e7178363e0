"""Proxies in front of the app, set up by the README's own words."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CADDY = shutil.which("caddy")
BARE = "server { listen 80; location / { proxy_pass http://127.0.0.1:7860; } }"
"""What nginx's beginners write: it passes on no name."""


def snippet(language: str) -> str:
    """The README's block of a language."""
    found = re.search(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"the README shows no {language}"
    return found[1]


def under(path: str, config: str) -> str:
    """The same under a path, as the comment in it says; as it is where there is none."""
    if not path:
        return config
    config = config.replace("location / {", f"location {path}/ {{").replace(":7860;", ":7860/;")
    return re.sub(r"( +)(reverse_proxy \S+).*\n", rf"\1handle_path {path}/* {{\n\1    \2\n\1}}\n", config)


@contextlib.contextmanager
def nginx(config: str, upstream: int, certificate: tuple[Path, Path] | None = None) -> Iterator[int]:
    """Run nginx on a free port, with the server of a configuration in front of a port of this machine."""
    if NGINX is None:
        pytest.skip("no nginx on this machine: apt-get install nginx-light")
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="nginx-"))
    listen = f"listen 127.0.0.1:{port}"
    if certificate is not None:
        listen += f" ssl; ssl_certificate {certificate[0]}; ssl_certificate_key {certificate[1]}"
    server = config.replace("listen 80", listen).replace("127.0.0.1:7860", f"127.0.0.1:{upstream}")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {places}\n{server}\n}}"
    )
    with _running([NGINX, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"], port, folder):
        yield port


@contextlib.contextmanager
def caddy(config: str, upstream: int) -> Iterator[int]:
    """The same with Caddy, over plain HTTP."""
    if CADDY is None:
        pytest.skip("no Caddy on this machine: apt-get install caddy")
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="caddy-"))
    site = config.replace("explain.school.example", f"http://localhost:{port}")
    site = site.replace("127.0.0.1:7860", f"127.0.0.1:{upstream}")
    (folder / "Caddyfile").write_text(f"{{\n    admin off\n    default_bind 127.0.0.1\n}}\n{site}")
    with _running([CADDY, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"], port, folder):
        yield port


@contextlib.contextmanager
def _running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    log = folder / "log"
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=home)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
