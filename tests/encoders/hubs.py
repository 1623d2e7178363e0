"""A Hugging Face Hub of our own for tests, its cache, and files that are no weights."""

from __future__ import annotations

import hashlib
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import save_file

REVISION = "a" * 40


def empty_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a Hub that refuses connections at once."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    point_hub_to(monkeypatch, "http://127.0.0.1:1")
    return folder


def point_hub_to(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)


def put_in_cache(hub: Path, content: Path, repository: str = "nobody/tiny", revision: str = REVISION,
                 file: str = "open_clip_model.safetensors") -> None:  # fmt: skip
    """Lay a weights file in the Hub's cache as the Hub's client does: a link to a blob without a suffix."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    for name in ("blobs", "refs", f"snapshots/{revision}"):
        (folder / name).mkdir(parents=True)
    shutil.copy(content, folder / "blobs/abc")
    (folder / "refs/main").write_text(revision)
    (folder / f"snapshots/{revision}/{file}").symlink_to(folder / "blobs/abc")


class FakeHub(http.server.BaseHTTPRequestHandler):
    """As much of the Hugging Face Hub as its client needs: ``held`` by path."""

    held: dict[str, bytes]
    asked: list[str]
    status = 404
    share = 1.0
    """How much of a body is sent before the connection breaks off."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.asked.append(f"{self.command} {self.path}")
        content = self.held.get(self.path)
        self.send_response(self.status if content is None else 200)
        self.send_header("X-Repo-Commit", REVISION)
        if content is None:
            self.send_header("X-Error-Code", "EntryNotFound" if self.status == 404 else "")
        self.send_header("ETag", f'"{hashlib.sha256(self.path.encode()).hexdigest()}"')
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if body:
            self.wfile.write((content or b"")[: int(len(content or b"") * self.share)])

    def log_message(self, *_: Any) -> None:
        pass


def serve_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeHub]]:
    """A Hub on this machine that holds nothing yet."""
    handler = type("Hub", (FakeHub,), {"held": {}, "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    point_hub_to(monkeypatch, f"http://127.0.0.1:{server.server_port}")
    yield handler
    server.shutdown()
    server.server_close()


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.path),)


def spoil(kind: str, good: Path, path: Path) -> None:
    """Write something to ``path`` that is no network's weights; ``good`` has some."""
    if kind == "text":
        path.write_text("hello")
    elif kind == "empty file":
        path.touch()
    elif kind == "cut short":
        path.write_bytes(good.read_bytes()[:5000])
    elif kind == "no tensors":
        torch.save({}, path) if path.suffix == ".pt" else save_file({}, path)
    elif kind == "a list":
        torch.save([torch.zeros(3)], path)
    elif kind == "other network":
        state = {"conv1.weight": torch.zeros(3, 3), "fc.bias": torch.zeros(7)}
        torch.save(state, path) if path.suffix == ".pt" else save_file(state, path)
    elif kind == "TorchScript":
        torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), str(path))
