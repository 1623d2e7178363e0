"""Speaking to the running app over HTTP, as a script or an attacker would."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).parents[2] / "assets"


def ask(url: str, data: bytes | None = None, **headers: str) -> tuple[int, str]:
    """Status and body of one request, redirects not followed."""
    request = urllib.request.Request(url, data, {k.replace("_", "-"): v for k, v in headers.items()})

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: Any) -> None:
            return None

    try:
        with urllib.request.build_opener(Stay).open(request, timeout=30) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def run_index(demo, name: str = "Handlers.run") -> int:
    """The number of the first function of that name, the one behind the Run button if none is given."""
    return next(i for i, fn in demo.fns.items() if getattr(fn.fn, "__qualname__", "") == name)


def at_first(block: Any) -> Any:
    """What a page sends for an input that nobody has touched."""
    return None if type(block).__name__ in ("State", "PictureInput") else getattr(block, "value", None)


DEFAULTS: dict[str, Any] = {
    "kind": "a caption",
    "caption": "a cat",
    "encoder": "conse-lite0",
    "n-masks": 20,
    "p-keep": 0.5,
    "feature-res": 8,
    "until": False,
    "agreement": 0.9,
    "seed": 0,
    "instrument": '{"selection": {"mode": "mirror", "threshold": 0.1, "distance": "cosine"}}',
    "fill": "auto",
    "scheme": "philox",
    "precision": "float32",
    "picture": None,
    "reference": None,
}


def event_of_run(demo, session: str, **changed: Any) -> bytes:
    """What a page sends that presses Run, with some values changed."""
    index = run_index(demo)
    values = DEFAULTS | {name.replace("_", "-"): value for name, value in changed.items()}
    data = [values.get(block.elem_id) for block in demo.fns[index].inputs]
    return json.dumps({"data": data, "fn_index": index, "session_hash": session}).encode()


def press_run(demo, url: str, page: str = "", **changed: Any) -> str:
    """Put a Run with some values changed into the queue, as a script would, and read what comes of it."""
    session = page or uuid.uuid4().hex
    body = event_of_run(demo, session, **changed)
    status, text = ask(f"{url}/gradio_api/queue/join", body, Content_Type="application/json")
    if status != 200:
        return text
    _, events = ask(f"{url}/gradio_api/queue/data?session_hash={session}")
    return events


def upload(url: str, content: bytes, name: str = "cat.jpg") -> dict[str, Any]:
    status, text = post_file(url, content, name)
    assert status == 200, text
    return {"path": json.loads(text)[0], "meta": {"_type": "gradio.FileData"}, "orig_name": name}


def post_file(url: str, content: bytes, name: str = "cat.jpg") -> tuple[int, str]:
    kind, body = multipart(content, name)
    return ask(f"{url}/gradio_api/upload", body, Content_Type=kind)


def multipart(content: bytes, name: str = "cat.jpg") -> tuple[str, bytes]:
    """Type and body of a request that brings a file."""
    edge = "edge"
    body = (
        (
            f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        + content
        + f"\r\n--{edge}--\r\n".encode()
    )
    return f"multipart/form-data; boundary={edge}", body
