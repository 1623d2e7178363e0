"""What an event may bring: each value is checked against its component before Gradio sees it.

Gradio takes whatever JSON arrives: a file by any path, a link to fetch, a list where a number belongs. Here the body
of an event is read, judged and written anew, so that nothing passes but what the page itself sends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import Block

from explorer.core.errors import InvalidInput
from explorer.core.limits import AGREEMENT, FEATURE_RES, MAX_CAPTION, N_MASKS, P_KEEP, SEED, THRESHOLD
from explorer.ui.gate.refusals import Gone, Refusal
from explorer.ui.gate.upload_store import NAMED
from explorer.ui.memory.temp_folder import PREFIX

SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What names a page; Gradio's own are some eleven letters and digits, scripts like 32."""
DEEPEST = 20
MOST_PARTS = 2000
"""Of what a component's own script sends: how deep, and how many values in all."""
CAPS = {cap.name.replace("_", "-"): cap for cap in (N_MASKS, FEATURE_RES, P_KEEP, SEED, AGREEMENT, THRESHOLD)}
"""By the end of a component's ``elem_id``."""
GIVEN_OUT = re.compile(rf"/(?:[^\0]*/)?{PREFIX}[^/\0]+/(?:{NAMED.pattern})")
"""A path as this server gives them out, or one before it."""
UNREADABLE = "The request could not be read; reload the page."
NO_LINKS = "Image links are not accepted; upload the file."
NO_DATA = "Pictures inside a request are not accepted; upload the file."

Resolve = Callable[[object], Path]


class Payloads:
    """Checks the bodies of Gradio's requests.

    Args:
        demo: The app, whose components say what belongs where.
        resolve: Returns the path of a file that was uploaded here, or raises InvalidInput.
    """

    def __init__(self, demo: gr.Blocks, resolve: Resolve) -> None:
        self._demo, self._resolve = demo, resolve

    def event(self, body: bytes) -> tuple[dict[str, Any], BlockFunction, list[Path]]:
        """An event that asks to join the queue.

        Args:
            body: Of the request.

        Returns:
            What may be passed on, the function it is for, and the files it names.

        Raises:
            Refusal: It is not what a page sends.
        """
        found = _object(body)
        index, data = found.get("fn_index"), found.get("data")
        fn = self._demo.fns.get(index) if type(index) is int else None
        if fn is None or fn.fn is None:
            raise Refusal(404, "No such endpoint.")
        if not isinstance(data, list):
            raise Refusal(400, UNREADABLE)
        if len(data) != len(fn.inputs):
            raise Refusal(400, f"Expected {len(fn.inputs)} inputs, got {len(data)}.")
        files: list[Path] = []
        passed = {
            "data": [self._value(block, value, files) for block, value in zip(fn.inputs, data, strict=True)],
            "event_data": _plain(found.get("event_data"), [MOST_PARTS]) if fn.collects_event_data else None,
            "fn_index": index,
            "session_hash": session_of(found.get("session_hash")),
            "trigger_id": found.get("trigger_id") if type(found.get("trigger_id")) is int else None,
        }
        return passed, fn, files

    def cancel(self, body: bytes) -> dict[str, Any]:
        """A request to end an event.

        Raises:
            Refusal: It names none.
        """
        found = _object(body)
        index, event = found.get("fn_index"), found.get("event_id")
        if type(index) is not int or not isinstance(event, str) or not SESSION.fullmatch(event):
            raise Refusal(400, "There is no such run to end.")
        return {"fn_index": index, "event_id": event, "session_hash": session_of(found.get("session_hash"))}

    def _value(self, block: Block, value: Any, files: list[Path]) -> Any:
        """One input, as its component takes it."""
        if isinstance(block, gr.State):
            return None  # the server's own
        if isinstance(block, gr.Image):
            return self._picture(value, files)
        rule = next((rule for kind, rule in RULES.items() if isinstance(block, kind)), None)
        if rule is None:
            raise Refusal(400, UNREADABLE)
        return rule(block, value)

    def _picture(self, value: Any, files: list[Path]) -> dict[str, Any] | None:
        """An uploaded file, by a path that was given out here."""
        if value is None:
            return None
        found: Mapping[str, Any] = value if isinstance(value, dict) else {}
        path, url = found.get("path"), found.get("url")
        if isinstance(url, str) and url[:5].lower() == "data:":
            raise Refusal(400, NO_DATA)
        if isinstance(path, str) and re.match(r"[a-z][a-z0-9+.-]*:", path, re.IGNORECASE):
            raise Refusal(400, NO_LINKS)
        try:
            file = self._resolve(path)
        except InvalidInput as error:
            raise (Gone if GIVEN_OUT.fullmatch(str(path)) else partial(Refusal, 400))(str(error)) from error
        files.append(file)
        return {"path": str(file), "meta": {"_type": "gradio.FileData"}}


def session_of(value: object) -> str:
    """The name of a page.

    Raises:
        Refusal: It is none; Gradio's queue ends for everybody over an empty one.
    """
    if not isinstance(value, str) or not SESSION.fullmatch(value):
        raise Refusal(400, "The page could not be told from others; reload it.")
    return value


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, UNREADABLE) from error
    if not isinstance(found, dict):
        raise Refusal(400, UNREADABLE)
    return found


def _plain(value: Any, left: list[int], depth: int = 0) -> Any:
    """What a component's own script sent: any JSON, but nothing that Gradio would take for a file."""
    left[0] -= 1
    if depth > DEEPEST or left[0] < 0:
        raise Refusal(400, UNREADABLE)
    if isinstance(value, dict):
        if {"path", "meta", "_type"} & value.keys():
            raise Refusal(400, UNREADABLE)
        return {name: _plain(item, left, depth + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, left, depth + 1) for item in value]
    return value


def _number(block: Any, value: Any) -> Any:
    """A number inside its cap, refused in the sentence that every other reader of it gives."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # sliders send whole numbers so now and then
    name = str(block.elem_id)
    cap = next(cap for end, cap in CAPS.items() if name.endswith(end))
    try:
        return cap.check(value, app=True)
    except InvalidInput as error:
        raise Refusal(400, str(error)) from error


def _text(block: Any, value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    raise Refusal(400, f"{block.label or 'This'} must be text of at most {MAX_CAPTION} characters.")


def _markup(block: Any, value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    raise Refusal(400, "The selection could not be read; reload the page.")


def _flag(block: Any, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    raise Refusal(400, f"{block.label} must be true or false.")


def _choice(block: Any, value: Any) -> Any:
    values = [choice for _, choice in block.choices]
    if (value is None and isinstance(block, gr.Dropdown)) or (type(value) in (str, int) and value in values):
        return value
    listed = ", ".join(map(str, values))
    raise Refusal(400, f"Unknown {str(block.label).lower()}; choose one of: {listed}.")


def _choices(block: Any, value: Any) -> Any:
    if not isinstance(value, list) or len(value) > len(block.choices):
        raise Refusal(400, f"{block.label} must be a list of names, each at most once.")
    return [_choice(block, item) for item in value]


RULES: dict[type[Any], Callable[[Any, Any], Any]] = {
    gr.Slider: _number,
    gr.Number: _number,
    gr.Textbox: _text,
    gr.HTML: _markup,
    gr.Checkbox: _flag,
    gr.CheckboxGroup: _choices,
    gr.Radio: _choice,
    gr.Dropdown: _choice,
}
"""How the components that bring values are read; others bring none."""
