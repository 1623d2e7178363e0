"""Uploads as a browser, a careless script and an attacker send them: what is kept, under what name, for how long."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import random
import struct
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio import image_utils, processing_utils
from gradio.blocks import Block
from gradio.data_classes import ImageData
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from explorer.core.errors import InvalidInput
from explorer.core.limits import MAX_UPLOAD_BYTES
from explorer.ui import picture_input
from explorer.ui.gate import transfers, upload_store
from explorer.ui.gate.fetching import fetch_nothing
from explorer.ui.gate.refusals import Refusal
from explorer.ui.gate.upload_store import REFUSED, Uploads
from explorer.ui.memory import temp_folder

HERE = "testclient"
"""The address that Starlette's client has."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    monkeypatch.setattr(temp_folder, "root", lambda: path)
    return path


@pytest.fixture
def kept(root: Path) -> Uploads:
    return Uploads(root)


@pytest.fixture
def client(kept: Uploads) -> TestClient:
    return TestClient(Starlette(routes=transfers.routes(kept)))


def encoded(form: str = "PNG", size: tuple[int, int] = (40, 30), seed: int = 0, **options: Any) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def part(content: bytes, name: str | None = "cat.png", field: str = "files") -> bytes:
    named = b"" if name is None else b'; filename="' + name.encode("utf-8", "surrogateescape") + b'"'
    return (
        b'--e\r\nContent-Disposition: form-data; name="'
        + field.encode()
        + b'"'
        + named
        + b"\r\n\r\n"
        + content
        + b"\r\n"
    )


def post(client: TestClient, body: bytes, kind: str = "multipart/form-data; boundary=e", **query: str) -> Any:
    return client.post("/gradio_api/upload", content=body, headers={"Content-Type": kind}, params=query)


def upload(client: TestClient, content: bytes, name: str | None = "cat.png") -> Any:
    return post(client, part(content, name) + b"--e--\r\n")


def put(kept: Uploads, content: bytes, kind: str = "PNG", address: str = "") -> Path:
    return kept.keep(io.BytesIO(content), kind, address)


def stored(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


# In


@pytest.mark.parametrize(("form", "ending"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("GIF", "gif")])
def test_pictures_are_taken_by_their_content(client, kept, form, ending):
    content = encoded(form)
    answer = upload(client, content, "notes.html")
    assert answer.status_code == 200
    (path,) = answer.json()
    assert Path(path).name == f"picture.{ending}"
    assert kept.resolve(path).read_bytes() == content


NAMES = ["../x.png", "/etc/passwd", "a/b/", "..", "x\x00.png", "é" * 300, "a" * 4000, "页.png", "x.html", "", " ",
         "CON", "a.png\\", "%2e%2e%2fx", "picture.png; filename*=utf-8''x", "\udcff\udcfe.png"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_visitors_name_is_nowhere(client, root, name):
    answer = upload(client, encoded(), name)
    assert answer.status_code == 200
    assert [path.name for path in stored(root)] == ["picture.png"]
    assert stored(root)[0].parent.parent == root / "uploads"


def bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 12000, 12000, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


REFUSALS = {
    "text": (b"hello, this is no picture", 415, "Not an image we can read (JPEG, PNG, WEBP, GIF)."),
    "html": (b"<html><script>alert(1)</script>", 415, "Not an image we can read"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415, "SVG is a drawing, not a photo; export it as PNG."),
    "tiff": (b"II*\0" + bytes(100), 415, "TIFF is not supported; use JPEG or PNG."),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(100), 415, "HEIC is not supported"),
    "zip": (b"PK\x03\x04" + bytes(100), 415, "Not an image we can read"),
    "empty": (b"", 400, "This file is empty."),
    "cut in its header": (encoded()[:20], 400, "The image file is incomplete. Save it again and retry."),
    "small": (encoded(size=(15, 200)), 400, "15x200 pixels; each side needs at least 16."),
    "thin": (encoded(size=(400, 20)), 400, "Too long and thin (20:1); the limit is 8:1. Crop it."),
    "bomb": (bomb(), 413, "144 megapixels; the limit is 25. Save it smaller."),
    "large": (encoded("JPEG") + bytes(MAX_UPLOAD_BYTES), 413, "File is 10.1 MB; the limit is 10 MB. Save it smaller."),
    "huge": (encoded("JPEG") + bytes(11_900_000), 413, "File is 12 MB; the limit is 10 MB. Save it smaller."),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_anything_else_is_refused_in_one_sentence(client, root, name):
    content, status, message = REFUSALS[name]
    answer = upload(client, content)
    assert (answer.status_code, answer.text[: len(message)]) == (status, message)
    assert stored(root) == []


def test_exactly_the_limit_is_taken(client):
    head = encoded("JPEG")
    assert upload(client, head + bytes(MAX_UPLOAD_BYTES - len(head))).status_code == 200
    assert upload(client, head + bytes(MAX_UPLOAD_BYTES - len(head) + 1)).status_code == 413


UNREADABLE = {
    "a thousand files": (part(encoded()) * 1000 + b"--e--\r\n", transfers.SEVERAL),
    "two files": (part(encoded()) * 2 + b"--e--\r\n", transfers.SEVERAL),
    "no part": (b"--e--\r\n", transfers.NO_FILE),
    "nothing": (b"", transfers.NO_FILE),
    "a field for a file": (part(encoded(size=(90, 90)), None) + b"--e--\r\n", transfers.UNREADABLE),
    "a small field for a file": (part(b"x", None) + b"--e--\r\n", transfers.NO_FILE),
    "a large field": (part(bytes(9_900_000), None) + b"--e--\r\n", transfers.UNREADABLE),
    "many fields": (part(b"x", None) * 1000 + b"--e--\r\n", transfers.UNREADABLE),
    "a large header": (
        b"--e\r\nX: " + b"y" * 9000 + b"\r\n" + part(encoded())[5:] + b"--e--\r\n",
        transfers.UNREADABLE,
    ),
    "many headers": (b"--e\r\n" + b"X: y\r\n" * 9000 + part(encoded())[5:] + b"--e--\r\n", transfers.UNREADABLE),
    "no name": (b"--e\r\nContent-Disposition: form-data\r\n\r\nx\r\n--e--\r\n", transfers.UNREADABLE),
    "no disposition": (b"--e\r\n\r\nx\r\n--e--\r\n", transfers.UNREADABLE),
    "a broken header": (b"--e\r\n\x00: y\r\n\r\nx\r\n--e--\r\n", transfers.UNREADABLE),
    "no end": (part(encoded())[:-2], transfers.NO_FILE),
    "half": (part(encoded())[:200], transfers.NO_FILE),
    "another boundary": (part(encoded()).replace(b"--e", b"--f"), transfers.UNREADABLE),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_requests_that_no_page_sends_are_refused(client, kept, root, name):
    body, message = UNREADABLE[name]
    answer = post(client, body)
    assert (answer.status_code, answer.text) == (400, message)
    assert stored(root) == []
    assert kept._coming.total() == 0


FORM = "multipart/form-data"
KINDS = ["", "image/png", "application/json", FORM, "multipart/mixed; boundary=e", f"{FORM}; boundary=",
         f"{FORM}; boundary={'b' * 5000}", f"{FORM}; charset=\xff; boundary=\xff"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=range(len(KINDS)))
def test_other_kinds_of_body_are_refused(client, kind):
    answer = client.post(
        "/gradio_api/upload", content=part(encoded()), headers={b"Content-Type": kind.encode("latin-1")}
    )
    assert (answer.status_code, answer.text) in ((400, transfers.UNREADABLE), (400, transfers.NO_FILE))


def test_no_damage_to_a_request_is_a_failure(client):
    chance = random.Random(0)
    whole = part(encoded(size=(16, 16))) + b"--e--\r\n"
    for _ in range(300):
        body = bytearray(whole)
        for _ in range(chance.randrange(1, 8)):
            place = chance.randrange(150)
            body[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        assert post(client, bytes(body)).status_code in (200, 400, 415)


def ask(app: Any, path: str, *messages: dict[str, Any], method: str = "POST", length: int | None = None) -> list[Any]:
    """One request as it stands, whose body comes as it is told."""
    headers = [(b"content-type", b"multipart/form-data; boundary=e")]
    headers += [] if length is None else [(b"content-length", str(length).encode())]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers,
             "client": ("10.0.0.1", 1)}  # fmt: skip
    left, sent = list(messages), []

    async def receive() -> dict[str, Any]:
        return left.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


UPLOAD = "/gradio_api/upload"


def test_a_body_that_stops_leaves_nothing(client, kept, root):
    begun = {"type": "http.request", "body": part(encoded(size=(900, 900)))[:2_000_000], "more_body": True}
    ask(client.app, UPLOAD, begun, {"type": "http.disconnect"})
    assert stored(root) == []
    assert kept._coming.total() == 0


def test_a_body_that_is_announced_too_large_is_not_read(client, root):
    begun = {"type": "http.request", "body": b"--e", "more_body": True}
    sent = ask(client.app, UPLOAD, begun, length=60_000_000)  # a second receive would raise
    assert sent[0]["status"] == 413
    assert sent[1]["body"] == b"File is 60 MB; the limit is 10 MB. Save it smaller."
    endless = {"type": "http.request", "body": part(bytes(10_200_000)), "more_body": True}
    assert ask(client.app, UPLOAD, endless)[0]["status"] == 413


def test_a_refusal_comes_after_the_body(client, monkeypatch):
    """A browser that is still sending shows no answer but that the connection broke."""
    monkeypatch.setattr(upload_store, "ADDRESS_BYTES", 0)
    rest = [{"type": "http.request", "body": bytes(100_000), "more_body": more} for more in (True, True, False)]
    sent = ask(client.app, UPLOAD, *rest)
    assert sent[0]["status"] == 429
    assert ask(client.app, UPLOAD, rest[0], {"type": "http.disconnect"})[0]["status"] == 429
    endless = {"type": "http.request", "body": bytes(6_000_000), "more_body": True}
    assert ask(client.app, UPLOAD, endless, endless)[0]["status"] == 429  # a third receive would raise
    monkeypatch.undo()
    broken = {"type": "http.request", "body": part(b"x") * 2, "more_body": True}
    assert ask(client.app, UPLOAD, broken, *rest)[1]["body"].decode() == transfers.SEVERAL


def test_the_same_picture_costs_once_and_no_name_can_be_guessed(client, kept, root):
    content = encoded()
    first, again = upload(client, content).json(), upload(client, content, "other.png").json()
    assert first == again
    assert len(stored(root)) == 1
    assert kept._used[HERE] == upload_store.LEAST
    assert put(Uploads(root), content) != Path(first[0])


def test_a_full_disk_is_told_and_got_over(client, kept, root, monkeypatch):
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for owner, name in ((os, "replace"), (Path, "mkdir"), (Path, "open")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, full)
            answer = upload(client, encoded())
        assert (answer.status_code, answer.text) == (507, "The server's storage is full; try again later."), name
        assert stored(root) == []
        assert kept._used.total() == kept._coming.total() == 0
    with monkeypatch.context() as patch:  # where the request is held while it comes in
        patch.setattr("starlette.formparsers.UploadFile.write", full)
        assert upload(client, encoded()).status_code == 507
    assert upload(client, encoded()).status_code == 200


# How much


def test_one_address_cannot_take_everything(client, monkeypatch):
    monkeypatch.setattr(upload_store, "ADDRESS_BYTES", MAX_UPLOAD_BYTES + 2 * upload_store.LEAST)
    assert [upload(client, encoded(seed=seed)).status_code for seed in range(4)] == [200, 200, 200, 429]
    assert (
        upload(client, encoded()).text
        == "Too many pictures come from your network at once; try again in a few minutes."
    )


def test_a_class_behind_one_address_is_served(kept):
    for pupil in range(30):
        for which in range(2):
            name = f"{pupil} {which}".encode()
            with kept.room("school"):
                path = put(kept, name + bytes(10_000), address="school")
            kept.claim(f"pupil{pupil}", path)
    assert len(kept._kept) == 60


def test_uploads_on_their_way_are_counted(kept, monkeypatch):
    monkeypatch.setattr(upload_store, "COMING", 2)
    with kept.room("a"), kept.room("a"):
        with pytest.raises(Refusal, match="your network") as refused, kept.room("a"):
            pass
        assert refused.value.status == 429
        with kept.room("b"):
            pass
    with kept.room("a"):
        pass


def test_when_all_is_full_the_greediest_gives_way(kept, monkeypatch):
    monkeypatch.setattr(upload_store, "ALL_BYTES", MAX_UPLOAD_BYTES + 3 * upload_store.LEAST)
    greedy = [put(kept, f"greedy {i}".encode(), address="greedy") for i in range(3)]
    modest = put(kept, b"modest", address="modest")
    kept.claim("page", greedy[0])
    with kept.room("modest"):
        pass
    assert [path.exists() for path in (*greedy, modest)] == [True, False, True, True]  # the oldest that no page shows
    put(kept, b"more", address="modest")
    with pytest.raises(Refusal, match=r"storage is full") as refused, kept.room("greedy"):
        pass
    assert refused.value.status == 507


def test_a_page_keeps_its_latest_files(kept, monkeypatch):
    monkeypatch.setattr(upload_store, "SESSION_BYTES", 3 * upload_store.LEAST)
    files = [put(kept, f"{i}".encode()) for i in range(6)]
    kept.claim("other", files[1])
    for file in (*files[:3], files[0], *files[3:]):
        kept.claim("page", file)
    assert [file.exists() for file in files] == [False, True, False, True, True, True]
    assert len(kept._claims["page"]) == 3
    assert set(kept._claims) == {"page", "other"}


def test_pages_without_number_are_forgotten_but_not_their_files(kept, monkeypatch):
    monkeypatch.setattr(upload_store, "SESSIONS", 5)
    file = put(kept, b"x")
    for page in range(20):
        kept.claim(f"page{page}", file)
    assert len(kept._claims) == len(kept._kept[file].sessions) == 5
    assert file.exists()


# How long


def test_files_go_when_nobody_has_used_them(kept, root):
    idle, shown, example = put(kept, b"1"), put(kept, b"2"), root / "examples" / "cat.jpg"
    temp_folder.write(example, [b"cat"])
    export = temp_folder.keep_export(b"zip")
    os.utime(example, (0, 0))
    kept.claim("page", shown)
    kept.claim("page", example)
    now = time.time()
    for seconds, left in (
        (590, [True] * 3),
        (610, [False, True, False]),
        (3590, [False, True, False]),
        (3610, [False] * 3),
    ):
        kept.sweep(now + seconds)
        assert [path.exists() for path in (idle, shown, export)] == left, seconds
    assert example.exists()
    assert kept._kept == kept._claims == kept._used == {}
    assert list((root / "uploads").iterdir()) == list((root / "exports").iterdir()) == []


def test_a_file_that_is_used_stays(kept):
    file, now = put(kept, b"1"), time.time()
    os.utime(file, (now - 5000, now - 5000))
    kept.claim("page", file)
    kept.sweep(now + 3000)
    assert file.exists()
    os.utime(file, (now - 5000, now - 5000))
    assert put(kept, b"1") == file  # added again
    kept.sweep(now + 500)
    assert file.exists()


def test_what_vanishes_or_does_not_belong_does_not_stop_the_sweeper(kept, root):
    file = put(kept, b"1", address="a")
    kept.claim("page", file)
    temp_folder.drop(file)
    (root / "uploads" / "stray").write_bytes(b"")
    (root / "uploads" / "empty").mkdir()
    kept.sweep(time.time() + 10_000)
    assert kept._kept == kept._claims == kept._used == {}
    Uploads(root / "absent").sweep(0)


def test_uploads_claims_and_sweeps_at_once(kept, monkeypatch):
    monkeypatch.setattr(upload_store, "SESSION_BYTES", 3 * upload_store.LEAST)
    errors: list[BaseException] = []

    def work(which: int) -> None:
        try:
            for turn in range(60):
                with kept.room("a"):
                    path = put(kept, f"{(which * turn) % 17}".encode(), address="a")
                kept.claim(f"page{which % 3}", path)
                kept.sweep(time.time() + 700 * (turn % 10 == 9))
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(which,)) for which in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    kept.sweep(time.time() + 10_000)
    assert kept._kept == kept._claims == kept._used == kept._coming == {}


def test_the_sweeper_goes_on_after_a_fault(kept, monkeypatch):
    swept = threading.Event()
    turns: list[float] = []

    def sweep(now: float) -> None:
        turns.append(now)
        if len(turns) == 1:
            raise PermissionError("not now")
        swept.set()

    monkeypatch.setattr(upload_store, "EVERY", 0.01)
    monkeypatch.setattr(kept, "sweep", sweep)
    kept.start()
    assert swept.wait(20)
    kept.stop()


# What may be named


@pytest.fixture
def foreign(root: Path, tmp_path: Path, kept: Uploads) -> list[object]:
    """Everything but the path of an upload or an example."""
    picture = put(kept, encoded())
    secret = tmp_path / "exam.png"
    secret.write_bytes(encoded(seed=1))
    places = [root / "uploads" / (f"{i}" * 64) for i in range(5)]
    for place in places[:3]:
        place.mkdir()
    (places[0] / "picture.png").symlink_to(secret)
    os.mkfifo(places[1] / "picture.png")
    (places[2] / "picture.png").mkdir()
    places[3].symlink_to(picture.parent)
    (root / "home").mkdir()
    (root / "home" / "notes.png").write_bytes(b"")
    (root / "coming" / "picture.png").write_bytes(encoded())
    inner = f"uploads/{picture.parent.name}/picture.png"
    return [
        None, 5, [], {}, "", ".", "/", str(secret), str(tmp_path / "absent.png"), str(tmp_path), str(root), f"{root}/",
        "/etc/passwd", "/proc/self/environ", "/proc/self/fd/1", "/dev/zero", "/dev/stdin", "../../etc/passwd",
        f"{picture.parent}", f"{picture}/", f"{picture}\0", f"{picture}\n", f" {picture}", f"{picture}.bak",
        f"/{picture}",
        f"{root}/uploads/../{inner}", f"{root}/./{inner}", f"{root}//{inner}", inner,
        f"{picture.parent}/../{picture.parent.name}/picture.png",
        f"{root}/examples/../{inner}", f"{root}/examples/..", f"{root}/home/notes.png",
        f"{root}/coming/picture.png", *(f"{place}/picture.png" for place in places),
        f"{root}/started",
        f"http://127.0.0.1/{picture}", f"file://{picture}", "http://169.254.169.254/x.png",
        "data:image/png;base64,AA==",
        "\udcff", "x" * 100_000, f"{root}/uploads/{'A' * 64}/picture.png",
    ]  # fmt: skip


def test_nothing_but_what_was_uploaded_can_be_named(kept, foreign):
    for text in foreign:
        with pytest.raises(InvalidInput) as refused:
            kept.resolve(text)
        assert str(refused.value) == REFUSED, text


def test_the_picture_input_takes_nothing_else(kept, foreign):
    component = picture_input.picture_input()
    for text in foreign:
        if text is not None and not isinstance(text, str):
            continue
        for payload in (ImageData(path=text), ImageData(path=text, url="data:image/png;base64,AA=="),
                        ImageData(path=text, orig_name="x.svg", is_stream=True)):  # fmt: skip
            with pytest.raises(gr.Error) as refused:
                component.preprocess(payload)
            assert refused.value.message == REFUSED
    picture = put(kept, encoded())
    assert component.preprocess(ImageData(path=str(picture), url="data:image/png;base64,AA==")) == str(picture)
    assert component.preprocess(None) is None


def test_a_picture_input_made_anew_is_ours_and_no_stub_is_written():
    component = picture_input.picture_input(label="x", elem_id="picture")
    again = component.__class__(**component.constructor_args)  # what Gradio does after an update
    assert isinstance(again, picture_input.PictureInput)
    assert (again.type, again.image_mode, again.sources) == ("filepath", None, ["upload", "clipboard"])
    assert component.get_block_name() == "image"
    assert list(Path(picture_input.__file__).parent.rglob("*.pyi")) == []


def test_gradio_fetches_and_copies_nothing(root, kept, foreign):
    fetch_nothing()
    block = gr.Textbox(render=False)
    for text in [text for text in foreign if isinstance(text, str)]:
        with pytest.raises(gr.Error):
            block.move_resource_to_block_cache(text)
        with pytest.raises(gr.Error):
            asyncio.run(Block.async_move_resource_to_block_cache(block, text))
    link = "http://127.0.0.1:9/x.svg"
    for name in ("ssrf_protected_download", "save_url_to_cache", "unsafe_download"):
        with pytest.raises(gr.Error, match="not uploaded here"):
            getattr(processing_utils, name)(link, str(root))
    for name in ("async_ssrf_protected_get", "async_ssrf_protected_download"):
        with pytest.raises(gr.Error, match="not uploaded here"):
            asyncio.run(getattr(processing_utils, name)(link))
    with pytest.raises(gr.Error, match="not uploaded here"):
        image_utils.extract_svg_content(link)
    picture = str(put(kept, encoded()))
    assert block.move_resource_to_block_cache(picture) == picture
    assert block.move_resource_to_block_cache(None) is None


# Out


def load(client: TestClient, path: object, method: str = "GET", **headers: str) -> Any:
    return client.request(method, f"/gradio_api/file={path}", headers=headers)


def test_files_are_served_as_what_they_are(client, kept, root):
    copy = root / "examples" / "cat.jpg"
    temp_folder.write(copy, [encoded("JPEG")])
    for path, kind in (
        (put(kept, encoded()), "image/png"),
        (put(kept, encoded("WEBP"), "WEBP", ""), "image/webp"),
        (put(kept, encoded("GIF"), "GIF", ""), "image/gif"),
        (copy, "image/jpeg"),
        (temp_folder.keep_export(b"PK"), "application/zip"),
    ):
        answer = load(client, path)
        assert answer.status_code == 200
        assert answer.content == path.read_bytes()
        assert answer.headers["content-type"] == kind
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-disposition"].startswith("attachment" if kind.endswith("zip") else "inline")
        head = load(client, path, "HEAD")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(path.stat().st_size)
        assert load(client, path, "POST").status_code == 405


RANGES = {
    "bytes=0-9": (206, slice(0, 10)),
    "bytes=5-": (206, slice(5, None)),
    "bytes=-7": (206, slice(-7, None)),
    "bytes=0-": (200, slice(None)),
    "bytes=-999999": (200, slice(None)),
    "bytes=10-999999": (206, slice(10, None)),
    "bytes=9-5": (200, slice(None)),
    "bytes=-": (200, slice(None)),
    "bytes=0-1,5-6": (200, slice(None)),
    "bytes=" + ",".join(f"{i}-{i}" for i in range(3000)): (200, slice(None)),
    "bytes=" + "9" * 50 + "-": (200, slice(None)),
    "pages=1-2": (200, slice(None)),
    "bytes=a-b": (200, slice(None)),
    "bytes=-0": (416, slice(0)),
    "bytes=999999-": (416, slice(0)),
}


@pytest.mark.parametrize("asked", RANGES, ids=lambda asked: asked[:20])
def test_one_piece_or_the_whole_file(client, kept, asked):
    content, (status, piece) = encoded(), RANGES[asked]
    answer = load(client, put(kept, content), Range=asked)
    assert (answer.status_code, answer.content) == (status, content[piece])
    if status == 206:
        first = len(content) - len(content[piece]) if piece.start else 0
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(content)}"
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(content)}"


def test_nothing_else_is_served_and_nothing_told(client, foreign):
    for text in foreign:
        if isinstance(text, str) and "\n" not in text:  # which no address can hold
            start, body = ask(client.app, f"/gradio_api/file={text}", method="GET")
            assert (start["status"], body["body"].decode()) == (404, transfers.NOT_HERE), text


# How far


def test_progress_is_told_until_the_end(client, monkeypatch):
    monkeypatch.setattr(transfers, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(transfers, "UNKNOWN_SECONDS", 0.05)
    assert post(client, part(encoded()) + b"--e--\r\n", upload_id="abc").status_code == 200
    for name in ("abc", "unknown", "x" * 1000):
        answer = client.get("/gradio_api/upload_progress", params={"upload_id": name})
        assert answer.text == 'data: {"msg": "done"}\n\n'


def test_progress_is_of_the_file_as_its_visitor_calls_it(kept, monkeypatch):
    monkeypatch.setattr(transfers, "POLL_SECONDS", 0.001)
    ways = transfers.Transfers(kept)
    progress = ways._watched("abc")
    progress.name, progress.received = "é.png", 1000

    async def told() -> list[str]:
        found = []
        async for event in ways._told("abc"):
            found.append(event)
            progress.received, progress.done = 1500, len(found) == 2
        return found

    update = 'data: {{"msg": "update", "orig_name": "\\u00e9.png", "chunk_size": {}}}\n\n'
    assert asyncio.run(told()) == [update.format(1000), update.format(500), 'data: {"msg": "done"}\n\n']


def test_the_progress_of_only_so_many_is_known(kept):
    ways = transfers.Transfers(kept)
    for number in range(3 * transfers.WATCHED):
        ways._watched(f"{number}")
        ways._watched("y" * 100 + f"{number}")
    assert len(ways._under_way) == transfers.WATCHED
