"""The files that a page loads for itself: the instrument's scripts and style, and the presets' results."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from explorer.results.wire import replay_of
from explorer.ui.gate import transfers
from explorer.ui.gate.upload_store import Uploads

BROWSER = Path(__file__).parents[1] / "browser"
TYPES = {"js": "text/javascript", "css": "text/css", "json": "application/json"}


def routes(uploads: Uploads) -> list[Route]:
    """``/browser/<folder>/<file>`` and ``/replay/<preset>.json``; for GET and HEAD, and nothing else in their folders.

    Those of uploaded files stand beside them: all that goes before Gradio's own.
    """
    return [
        *transfers.routes(uploads),
        Route("/browser/{folder}/{name}", _browser),
        # Most of a result is text of six bits a character.
        Route("/replay/{name}", _replay, middleware=[Middleware(GZipMiddleware, compresslevel=6)]),
    ]


def _browser(request: Request) -> Response:
    folder, name = request.path_params["folder"], request.path_params["name"]
    named = re.fullmatch("[a-z]+", folder) and re.fullmatch(r"[a-z][a-z0-9_-]*\.(js|css)", name)
    path = BROWSER / folder / name
    return _answer(request, path if named and path.is_file() else None)


def _replay(request: Request) -> Response:
    name = request.path_params["name"]
    return _answer(request, replay_of(name.removesuffix(".json")) if name.endswith(".json") else None)


def _answer(request: Request, path: Path | None) -> Response:
    """The file, or 304 where the browser has it. It asks every time, so that old and new scripts never meet."""
    if path is None:
        raise HTTPException(404)
    body = path.read_bytes()
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'  # weak: the same file may go out compressed
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in re.split(r",\s*", request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=TYPES[path.suffix.removeprefix(".")])
