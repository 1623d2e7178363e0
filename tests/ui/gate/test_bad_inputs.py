"""What people upload and ask that is none, against the live app: one sentence, nothing started, nothing told."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import struct
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import psutil
import pytest
from PIL import Image

from tests.ui.talk import ASSETS, ask, post_file, press_run, upload

CAT = (ASSETS / "cat.jpg").read_bytes()
UNREADABLE = "Not an image we can read (JPEG, PNG, WEBP, GIF)."
INCOMPLETE = "The image file is incomplete. Save it again and retry."
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"><script>alert(1)</script></svg>'
ENTITY = b'<!DOCTYPE svg [<!ENTITY x SYSTEM "http://127.0.0.1:9/x">]><svg xmlns="x">&x;</svg>'
DRAWING = "SVG is a drawing, not a photo; export it as PNG."


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def photo(width: int = 64, height: int = 48) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8))


def flat_png(width: int, height: int) -> bytes:
    """A black one-bit PNG of any size, in a few kB."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(width // 8 + 2) * height, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bad_checksum() -> bytes:
    data = bytearray(encoded(photo(), "PNG"))
    data[data.rindex(b"IEND") - 5] ^= 1
    return bytes(data)


def animation(count: int) -> bytes:
    first, *others = (Image.fromarray(np.roll(np.asarray(photo(32, 24)), i, 1)).convert("P") for i in range(count))
    return encoded(first, "GIF", save_all=True, append_images=others)


def answer(demo: Any, url: str, data: bytes, name: str, **changed: Any) -> str:
    """What a visitor is told who uploads a file and presses Run: at the upload, or else by the run."""
    status, text = post_file(url, data, name)
    assert status < 500, text
    if status != 200:
        return text
    picture = {"path": json.loads(text)[0], "meta": {"_type": "gradio.FileData"}, "orig_name": name}
    return press_run(demo, url, picture=picture, **changed)


REFUSED: list[tuple[str, Callable[[], bytes], str]] = [
    ("empty.jpg", lambda: b"", "This file is empty."),
    ("large.jpg", lambda: b"\xff\xd8\xff" + bytes(10_000_000), "File is 10.1 MB; the limit is 10 MB."),
    ("text.png", lambda: b"hello, I am text", UNREADABLE),
    ("one-byte.png", lambda: b"x", UNREADABLE),
    ("page.jpg", lambda: b"<!doctype html><html><body>Not found</body></html>", UNREADABLE),
    ("pointer.jpg", lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", UNREADABLE),
    ("cut.jpg", lambda: CAT[: len(CAT) // 2], INCOMPLETE),
    ("cut.png", lambda: encoded(photo(), "PNG")[:3000], INCOMPLETE),
    ("checksum.png", bad_checksum, INCOMPLETE),
    ("drawing.svg", lambda: SVG, DRAWING),
    ("drawing.png", lambda: SVG, DRAWING),
    ("drawing.svgz", lambda: gzip.compress(SVG), DRAWING),
    ("entity.svg", lambda: ENTITY, DRAWING),
    ("bomb.png", lambda: flat_png(12000, 12000), "144 megapixels; the limit is 25."),
    ("just-over.png", lambda: flat_png(5001, 5000), "25.1 megapixels; the limit is 25."),
    ("dot.png", lambda: flat_png(1, 1), "1x1 pixels; each side needs at least 16."),
    ("flat.png", lambda: flat_png(200, 15), "200x15 pixels; each side needs at least 16."),
    ("thread.png", lambda: flat_png(20000, 20), "Too long and thin (1000:1); the limit is 8:1."),
    ("scan.tiff", lambda: encoded(photo().convert("CMYK"), "TIFF"), "TIFF is not supported; use JPEG or PNG."),
    ("scan.png", lambda: encoded(photo(), "TIFF"), "TIFF is not supported; use JPEG or PNG."),
    ("phone.heic", lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200), "HEIC is not supported; choose"),
    ("figure.jpg", lambda: encoded(photo(), "EPS"), UNREADABLE),
    ("paper.jpg", lambda: encoded(photo(), "PDF"), UNREADABLE),
    ("icons.png", lambda: b"icns\0\0\1\0" + bytes(300), UNREADABLE),
    ("layers.png", lambda: b"8BPS\0\1" + bytes(300), UNREADABLE),
    ("sky.png", lambda: b"SIMPLE  =                    T" + b" " * 300, UNREADABLE),
    ("bits.png", lambda: b"#define x_width 9\n#define x_height 9\nstatic char x_bits[] = {0x00};" * 9, UNREADABLE),
    ("wavelet.png", lambda: encoded(photo(), "JPEG2000"), UNREADABLE),
    ("bitmap.png", lambda: encoded(photo(), "BMP"), UNREADABLE),
]


@pytest.mark.parametrize(("name", "make", "words"), REFUSED, ids=[name for name, _, _ in REFUSED])
def test_a_picture_that_is_none_gets_its_sentence(demo, url, name: str, make: Callable[[], bytes], words: str):
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    text = answer(demo, url, make(), name)
    assert words in text.replace('\\"', '"'), text[-400:]
    assert "Traceback" not in text
    assert '"plane"' not in text
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before  # Ghostscript would be one
    assert ask(url)[0] == 200


def test_the_largest_picture_is_taken(demo, url):
    text = answer(demo, url, flat_png(5000, 5000), "large.png", n_masks=10)
    assert '"plane"' in text
    assert '"uniform":true' in text.replace(" ", "")


NOTICED: list[tuple[str, Callable[[], bytes], str]] = [
    ("many.gif", lambda: animation(500), "Animated: only the first frame is used."),
    ("clear.png", lambda: encoded(Image.new("RGBA", (64, 48)), "PNG"), "Image is fully transparent; it is drawn on"),
    ("half.png", lambda: encoded(Image.new("RGBA", (64, 48), (9, 9, 9, 90)), "PNG"), "Transparent parts are drawn on"),
]


@pytest.mark.parametrize(("name", "make", "words"), NOTICED, ids=[name for name, _, _ in NOTICED])
def test_a_picture_that_is_odd_is_explained_and_that_is_said(demo, url, name, make, words):
    text = answer(demo, url, make(), name, n_masks=10)
    assert '"plane"' in text
    assert words in text


@pytest.mark.parametrize("colour", ["black", "white"])
def test_a_picture_of_one_colour_is_said_to_be(demo, url, colour: str):
    text = answer(demo, url, encoded(Image.new("RGB", (64, 48), colour), "PNG"), "flat.png", n_masks=10)
    assert '"uniform":true' in text.replace(" ", "")


def test_a_picture_compared_with_itself_is_said_to_be(demo, url):
    cat = upload(url, CAT)
    text = press_run(demo, url, picture=cat, reference=cat, kind="another picture", encoder="efficientnet-lite0")
    assert '"identical":true' in text.replace(" ", "")


def test_a_long_caption_says_what_is_not_read(demo, url):
    text = press_run(demo, url, picture=upload(url, CAT), caption="!? " * 166)
    assert "ignored from" in text
    assert '"plane"' in text


def test_a_picture_that_was_swept_has_to_be_added_again(demo, url):
    """As after a night in a tab that was left open."""
    picture = upload(url, encoded(photo(50, 50), "PNG"))
    Path(picture["path"]).unlink()
    text = press_run(demo, url, picture=picture)
    assert "add it again" in text
    assert '"plane"' not in text


# What one visitor learns of another


def test_a_path_that_is_known_can_be_used_and_none_can_be_guessed(demo, url):
    picture = upload(url, CAT)
    assert '"plane"' in press_run(demo, url, picture=picture)  # another page than the one that uploaded it
    folder = Path(picture["path"]).parent
    assert folder.name not in {hashlib.new(name, CAT).hexdigest() for name in ("sha256", "sha1", "md5", "blake2b")}
    assert re.fullmatch(r"[0-9a-f]{64}", folder.name)
    for place in (folder, folder.parent, folder.parent.parent):
        for path in (place, f"{place}/", f"{place}/."):
            status, text = ask(f"{url}/gradio_api/file={path}")
            assert status in (403, 404)
            assert folder.name not in text


def answers(demo: Any, url: str, index: int, data: list[Any], **more: Any) -> str:
    """What any event says, put into the queue as a page would."""
    page = uuid.uuid4().hex
    body = json.dumps({"data": data, "fn_index": index, "session_hash": page, **more}).encode()
    status, text = ask(f"{url}/gradio_api/queue/join", body, Content_Type="application/json")
    return text if status != 200 else ask(f"{url}/gradio_api/queue/data?session_hash={page}")[1]


def test_no_text_becomes_a_file_that_is_sent(demo, url):
    """Gradio serves what an event gives a picture or a download; nothing that a visitor typed may get there."""
    files, path, tried = (gr.Image, gr.File, gr.DownloadButton), "/etc/passwd", 0
    link = {"picture": path, "reference": path, "preset": path, "caption": path}
    for index, fn in demo.fns.items():
        if fn.fn is None or not any(isinstance(block, files) for block in fn.outputs):
            continue
        usual = [getattr(block, "value", None) if not isinstance(block, gr.State) else None for block in fn.inputs]
        changes = [(place, {}) for place, block in enumerate(fn.inputs) if not isinstance(block, gr.State)]
        events = [{"event_data": link}, {"event_data": {"text": json.dumps(link)}}, {"event_data": {"text": path}}]
        for place, more in [*changes, *((None, event) for event in events)]:
            data = [path if at == place else value for at, value in enumerate(usual)]
            text, tried = answers(demo, url, index, data, **more), tried + 1
            assert "root:" not in text
            for sent in re.findall(r'"path":\s*"([^"]*)"', text):
                assert sent.startswith(os.environ["GRADIO_TEMP_DIR"]), sent
    assert tried > 20


def test_what_names_a_page_or_a_visitor_is_told_nobody(demo, url, capfd):
    """A page's name and an event's are keys to its answers: neither page, log, result nor link may show them."""
    page, picture = uuid.uuid4().hex, upload(url, encoded(photo(60, 60), "PNG"), "anna-mueller.png")
    picture["orig_name"] = "anna-mueller.png"
    text = press_run(demo, url, page=page, picture=picture)
    event = re.findall(r'"event_id":\s*"([0-9a-f]+)"', text)[0]
    bad = press_run(demo, url, page=page, picture=picture, n_masks=-1)
    said, logged = capfd.readouterr()
    shown = ask(url)[1] + ask(f"{url}/config")[1]
    for secret in (page, event):
        assert secret not in said + logged + shown
    for events in (text, bad):
        assert "anna" not in events
        assert page not in events


def test_nobody_logs_in(demo, url):
    """There is no password to guess: nothing personal lies behind one, and who guards the app does it in front."""
    assert demo.auth is None
    assert ask(f"{url}/login", b"username=a&password=b")[0] == 404
    assert "Set-Cookie" not in str(ask(url)[1])
