"""Every event of the running app, sent what no page would send: it answers in words, stays up, and gives nothing away.

Each event gets examples of its own, the same in every run (see the profile in ``conftest.py``).
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.ui.talk import DEFAULTS, ask, run_index

ROOT = Path(__file__).parents[3]
EXAMPLES = 8
"""For each event, of which there are about a hundred."""
SECRET = "the-words-of-a-planted-file"


# Without shrinking a failure is as long as it was found, but found in time; the examples themselves never change.
def fuzzed(examples: int) -> settings:
    return settings(
        max_examples=examples,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )


@dataclass(frozen=True)
class Repeated:
    """A long text that is short in a failure's report."""

    text: str
    times: int


@dataclass(frozen=True)
class Named:
    """A text known only once the app runs: ``secret``, a file that nobody uploaded; ``canary``, a link."""

    name: str


@dataclass(frozen=True)
class Dumped:
    """A value as JSON in a text, as the page's own components send it."""

    value: Any


def expand(value: Any, known: dict[str, str]) -> Any:
    """The value that goes out."""
    if isinstance(value, Repeated):
        return value.text * value.times
    if isinstance(value, Named):
        return known[value.name]
    if isinstance(value, Dumped):
        return json.dumps(expand(value.value, known))
    if isinstance(value, dict):
        return {key: expand(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, known) for item in value]
    return value


NUMBERS = [0, -1, 1.5, 7, -0.0, 1e308, float("nan"), float("inf"), float("-inf"), 2**63, 10**400, True]
TEXTS = [
    "", " ", "\x00", "a\x00b", "\ud800", "\u200b", "💥", "NaN", "null", "{}", "[]", '"', "1000", "../../x", "evil/repo",
    "<img src=x onerror=alert(1)>", "</script>", "/etc/passwd", "file:///etc/passwd", "/proc/self/environ",
    "http://169.254.169.254/x.png", "data:image/png;base64,iVBORw0KGgo=", "__proto__", "%s%n", "{0.__class__}",
    Named("secret"), Named("canary"), Repeated("x", 501), Repeated("x", 100_000), Repeated("[", 5000),
    Repeated("é", 9000),
]  # fmt: skip
KEYS = ["selection", "mode", "threshold", "distance", "closest", "upto", "id", "n", "kind", "options", "method",
        "press", "sweep", "tile", "stamp", "ask", "text", "path", "meta", "value", "name", "__class__", ""]  # fmt: skip
"""Names that the app looks for in what its own components send, and others."""

scalars = st.one_of(st.none(), st.sampled_from(NUMBERS), st.sampled_from(TEXTS))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)
pieces = st.dictionaries(st.sampled_from(KEYS), values, min_size=1, max_size=6)
paths = st.sampled_from([Named("secret"), Named("canary"), *TEXTS]) | scalars
files = st.fixed_dictionaries(
    {"path": paths},
    optional={
        "url": paths,
        "meta": st.sampled_from([{"_type": "gradio.FileData"}, {"_type": "gradio.ListFiles"}, {}, None, "x"]),
        "orig_name": values,
        "size": scalars,
        "mime_type": scalars,
        "is_stream": st.booleans(),
        "is_file": st.booleans(),
        "caption": scalars,
    },
)
dumped = st.builds(Dumped, st.one_of(pieces, values))
HOSTILE: dict[str, st.SearchStrategy[Any]] = {
    "image": st.one_of(files, st.lists(files, max_size=2), values),
    "html": st.one_of(dumped, dumped, files, values),
    "slider": st.one_of(st.sampled_from(NUMBERS), values),
    "number": st.one_of(st.sampled_from(NUMBERS), values),
}
READ = ("html", "textbox")
"""Components whose values are texts that the app reads."""
anything = st.one_of(values, files, dumped)
GOOD = DEFAULTS | {"n-masks": 10, "words-n-masks": 10}
"""Ten masks, so that an event that accepts what it is sent costs little."""


def payloads(fn: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies for one event, each with a value in it that no page sends."""
    sound = [GOOD.get(block.elem_id, getattr(block, "value", None)) for block in fn.inputs]
    sound = [value if isinstance(value, str | int | float | list | None) else None for value in sound]
    hostile = [HOSTILE.get(block.get_block_name(), anything) for block in fn.inputs]

    texts = [place for place, block in enumerate(fn.inputs) if block.get_block_name() in READ]

    @st.composite
    def body(draw: st.DrawFn) -> dict[str, Any]:
        data = list(sound)
        if draw(st.booleans()):  # what is of the right kind passes the gate, and is for the handler to judge
            for place in texts:
                data[place] = draw(st.one_of(dumped, st.sampled_from(TEXTS)))
            return {"data": data, "event_data": draw(pieces | values)}
        if data:
            spoiled = draw(st.sets(st.integers(0, len(data) - 1), min_size=1, max_size=min(3, len(data))))
            for place in sorted(spoiled):
                data[place] = draw(hostile[place])
        shape = draw(st.integers(0, 19))
        if shape == 0:
            data = data[:-1]
        elif shape == 1:
            data = [*data, draw(anything)]
        return {"data": data, "event_data": draw(pieces | values)}

    return body()


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A file with a secret and a link to a listener; nobody may have followed it."""
    secret = tmp_path_factory.mktemp("planted") / "secret.png"
    secret.write_text(SECRET)
    hits: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as canary:
        port = canary.getsockname()[1]

        def listen() -> None:
            while True:
                try:
                    connection, _ = canary.accept()
                except OSError:
                    return
                with connection:
                    hits.append(connection.recv(200))

        threading.Thread(target=listen, daemon=True).start()
        yield {"secret": str(secret), "canary": f"http://127.0.0.1:{port}/x.png"}
        with contextlib.suppress(OSError):
            canary.shutdown(socket.SHUT_RDWR)
    assert hits == []


def check_words(status: int, text: str) -> None:
    """A refusal is a sentence of ours, and no failure of the server."""
    assert status < 500 or status == 503, (status, text[:300])
    if status >= 400:
        assert len(text.split()) >= 3, (status, text[:300])
    check_discreet(text)


def check_discreet(text: str) -> None:
    """Nothing of the server is in it."""
    for leak in ("Traceback", SECRET, "root:x:0", str(ROOT), "site-packages", "PATH="):
        assert leak not in text, text[:500]


def send(url: str, body: dict[str, Any], known: dict[str, Any]) -> None:
    """Put an event into the queue, and hear its end if it was taken."""
    sent = json.dumps(expand(body, known)).encode()
    status, text = ask(f"{url}/gradio_api/queue/join", sent, Content_Type="application/json")
    check_words(status, text)
    if status == 200:
        hear_end(url, body["session_hash"])


def hear_end(url: str, session: str) -> list[dict[str, Any]]:
    """Every message of a page's stream, the last of which is an end in words."""
    status, stream = ask(f"{url}/gradio_api/queue/data?session_hash={session}")
    assert status == 200
    check_discreet(stream)
    messages = [json.loads(line[5:]) for line in stream.splitlines() if line.startswith("data:")]
    ends = [message for message in messages if message["msg"] == "process_completed"]
    assert len(ends) == 1, stream[-500:]
    assert not [message for message in messages if message["msg"] == "unexpected_error"], stream[-500:]
    if not ends[0]["success"]:
        said = ends[0]["output"].get("error")
        assert isinstance(said, str), ends
        assert len(said.split()) >= 3, ends
    return messages


def check_alive(demo: Any, url: str) -> None:
    """The page loads, and an event that is as it should be succeeds."""
    assert ask(url)[0] == 200
    index, session = run_index(demo, "Handlers.stale"), uuid.uuid4().hex
    data = [GOOD.get(block.elem_id) for block in demo.fns[index].inputs]
    body = json.dumps({"data": data, "fn_index": index, "session_hash": session}).encode()
    status, text = ask(f"{url}/gradio_api/queue/join", body, Content_Type="application/json")
    assert status == 200, text
    assert hear_end(url, session)[-2]["success"] is True


def attacked(url: str, known: dict[str, str], index: int, fn: Any) -> Callable[[], None]:
    """Sends one event all its examples."""

    @seed(index)
    @fuzzed(EXAMPLES)
    @given(body=payloads(fn))
    def attack(body: dict[str, Any]) -> None:
        send(url, body | {"fn_index": index, "session_hash": uuid.uuid4().hex}, known)

    return attack


def test_every_event_takes_hostile_values(demo, url, known):
    events = {index: fn for index, fn in demo.fns.items() if fn.fn is not None}
    assert len(events) > 50
    faults = {}
    for index, fn in events.items():
        try:
            attacked(url, known, index, fn)()
        except AssertionError as error:
            faults[f"{index} {fn.name}"] = str(error)[:300]
    check_alive(demo, url)
    assert not faults, "\n".join(f"{event}: {fault}" for event, fault in faults.items())


def test_events_take_hostile_surroundings(demo, url, known):
    index = run_index(demo, "Handlers.stale")
    data = [GOOD.get(block.elem_id) for block in demo.fns[index].inputs]
    names = ["", " ", "a b", "../x", "a\x00", "\ud800", "é", Repeated("a", 100_000), None, 1, [], {}]
    surroundings = st.fixed_dictionaries(
        {},
        optional={
            "session_hash": st.sampled_from(names),
            "fn_index": values,
            "data": values,
            "event_id": values,
            "trigger_id": values,
            "event_data": values,
            "simple_format": values,
            "batched": values,
            "oauth_token": values,
            "request": values,
            "batch_trigger_ids": values,
            "extra": values,
        },
    )

    @fuzzed(120)
    @given(changed=surroundings)
    def attack(changed: dict[str, Any]) -> None:
        session = uuid.uuid4().hex
        body = {"data": data, "fn_index": index, "session_hash": session} | changed
        sent = json.dumps(expand(body, known)).encode()
        status, text = ask(f"{url}/gradio_api/queue/join", sent, Content_Type="application/json")
        check_words(status, text)
        if status == 200:
            assert body["session_hash"] == session, "a page of that name was taken in"
            hear_end(url, session)

    attack()
    check_alive(demo, url)


@pytest.mark.parametrize("path", ["queue/join", "cancel", "reset"])
def test_bodies_of_any_bytes_are_answered(demo, url, known, path):
    cancels = st.fixed_dictionaries({}, optional=dict.fromkeys(("session_hash", "fn_index", "event_id"), values))

    @fuzzed(40)
    @given(body=st.one_of(st.binary(max_size=200), st.builds(Dumped, values | cancels)))
    def attack(body: bytes | Dumped) -> None:
        sent = body if isinstance(body, bytes) else expand(body, known).encode()
        check_words(*ask(f"{url}/gradio_api/{path}", sent, Content_Type="application/json"))

    attack()
    check_alive(demo, url)


def test_pages_of_any_name_are_answered(demo, url):
    for name in ("", "%00", "..%2F..%2Fx", "%F0%9F%92%A5", "a" * 5000, "nobody", "%ED%A0%80", "a&session_hash=b"):
        check_words(*ask(f"{url}/gradio_api/queue/data?session_hash={name}"))
    check_words(*ask(f"{url}/gradio_api/queue/data"))
    check_alive(demo, url)
