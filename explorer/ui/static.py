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

from ..replay import replay_of
from . import transfers
from .uploads import Uploads

INSTRUMENT = Path(__file__).with_name("instrument")
TYPES = {"js": "text/javascript", "css": "text/css", "json": "application/json"}


def routes(uploads: Uploads) -> list[Route]:
    """``/instrument/<file>`` and ``/replay/<preset>.json``; for GET and HEAD, and for nothing else in their folders.

    Those of uploaded files stand beside them: all that goes before Gradio's own.
    """
    return [
        *transfers.routes(uploads),
        Route("/instrument/{name}", _instrument),
        # Most of a result is text of six bits a character.
        Route("/replay/{name}", _replay, middleware=[Middleware(GZipMiddleware, compresslevel=6)]),
    ]


def _instrument(request: Request) -> Response:
    name = request.path_params["name"]
    known = re.fullmatch(r"[a-z][a-z0-9_-]*\.(js|css)", name) and (INSTRUMENT / name).is_file()
    return _answer(request, INSTRUMENT / name if known else None)


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
