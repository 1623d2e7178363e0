"""Bad input by hand: one clear sentence, nothing lost, nothing run twice."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from tests.asked import watch

from .driving import FIRST_ENCODER, says, toast

pytestmark = pytest.mark.browser


def bomb(path: Path) -> Path:
    """A PNG of 12000 x 12000 one-bit pixels in a few kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes(1501) * 12000, 9)
    header = struct.pack(">IIBBBBB", 12000, 12000, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


def put(page, file: Path) -> None:
    page.locator("#picture button[aria-label='Remove Image']").first.click()
    page.locator("#picture input[type=file]").set_input_files(file)
    page.locator("#picture img").wait_for()


def refused(page, file: Path) -> str:
    """Add a picture that is not taken, and read the message that comes up."""
    page.locator("#picture input[type=file]").set_input_files(file)
    message = toast(page)
    page.complaints.clear()  # the browser reports the refused upload, and should
    return message


def close_messages(page) -> None:
    page.evaluate("document.querySelectorAll('[data-testid=toast-close]').forEach(close => close.click())")  # at once
    page.wait_for_function("!document.querySelector('.toast-body')")


def run(page) -> str:
    """Press Run and read what is said beside it, and nowhere else."""
    close_messages(page)
    before = page.locator("#status .status").inner_text()
    page.locator("#run").click()
    page.wait_for_function(
        """before => {
            const now = document.querySelector('#status .status').innerText;
            return now !== before && now.includes('could not be run');
        }""",
        arg=before,
    )
    assert page.locator(".toast-body").count() == 0
    return page.locator("#status .status").inner_text()


def test_no_picture(page):
    page.locator("#picture button[aria-label='Remove Image']").first.click()
    assert "Add an image first." in run(page)
    assert page.locator("#mode .mode:visible").count() == 4  # the last result is still there


def test_unreadable_pictures(page, tmp_path: Path, assets: Path):
    page.locator("#picture button[aria-label='Remove Image']").first.click()
    cases = {
        "text.png": (b"hello, this is no picture", "Not an image we can read"),
        "drawing.png": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG is a drawing"),
    }
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        assert message in refused(page, tmp_path / name), name
    assert "144 megapixels; the limit is 25" in refused(page, bomb(tmp_path / "bomb.png"))
    assert "Add an image first." in run(page)
    close_messages(page)
    jpeg = (assets / "cat.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])  # only decoding shows it
    page.locator("#picture input[type=file]").set_input_files(tmp_path / "cut.jpg")
    page.locator("#picture img").wait_for()
    says(page, "#status", "The image file is incomplete.")  # at once, and not that Run would help
    assert "Press Run" not in page.locator("#status").inner_text()
    assert "The image file is incomplete." in run(page)
    put(page, assets / "cat.jpg")  # a refusal leaves a page that works


def test_uniform_picture(page, tmp_path: Path):
    from PIL import Image

    Image.new("RGB", (80, 60)).save(tmp_path / "black.png")
    put(page, tmp_path / "black.png")
    page.locator("#n-masks input[type=number]").fill("40")
    page.locator("#n-masks input[type=number]").blur()
    page.locator("#run").click()
    page.wait_for_selector("#results .flat:not([hidden])")
    assert "the image is uniform" in page.locator("#results .flat:not([hidden])").inner_text()


def test_captions_that_are_none(page):
    page.get_by_role("radio", name="a caption").check()
    box = page.locator("#caption textarea, #caption input").first
    box.fill("   ")
    assert "The caption is empty" in run(page)
    box.fill("x" * 501)
    assert "501 characters; the limit is 500" in run(page)


def test_markup_in_a_caption_stays_text(page):
    page.get_by_role("radio", name="a caption").check()
    box = page.locator("#caption textarea, #caption input").first
    page.evaluate("() => { window.alert = () => { window.alerted = true } }")
    box.fill("<img src=x onerror=alert(1)>" + "y" * 500)
    run(page)
    page.locator("#n-masks input[type=number]").fill("20")
    page.locator("#n-masks input[type=number]").blur()
    box.fill("<img src=x onerror=alert(1)>")
    page.locator("#run").click()
    page.wait_for_selector("#pair blockquote")
    assert page.locator("#pair blockquote").inner_text() == "“<img src=x onerror=alert(1)>”"
    assert page.evaluate("window.alerted") is None


def test_stop_before_start_does_nothing(page):
    said = page.locator("#status .status")  # beside it Gradio may show its own timer
    before = said.inner_text()
    page.get_by_role("button", name="Stop").click()
    page.wait_for_timeout(1000)
    assert said.inner_text() == before
    assert page.locator(".toast-body").count() == 0


def test_a_file_over_the_cap_is_refused_at_the_door(page, tmp_path: Path):
    (tmp_path / "large.jpg").write_bytes(b"\xff\xd8\xff" + bytes(10_100_000))
    page.locator("#picture button[aria-label='Remove Image']").first.click()
    page.locator("#picture input[type=file]").set_input_files(tmp_path / "large.jpg")
    message = toast(page)
    assert "9.5 Mb" in message  # 10 MB as Gradio counts and writes it
    assert "exceed the maximum allowed size" in message
    page.complaints.clear()  # the browser reports the refused upload, and should


def test_run_pressed_many_times_embeds_once(page, monkeypatch):
    from explorer.encoders.cards import load_encoder

    encoder, rows = load_encoder(FIRST_ENCODER), []
    watch(monkeypatch, encoder, rows.append)
    page.get_by_text("Advanced").click()
    page.locator("#seed input").fill("123")
    page.locator("#seed input").blur()
    page.locator("#n-masks input[type=number]").fill("80")
    page.locator("#n-masks input[type=number]").blur()
    for _ in range(20):
        page.locator("#run").click(no_wait_after=True)
    page.wait_for_function("/^80 masks/.test(document.querySelector('#status').innerText.trim())")
    page.wait_for_timeout(2000)  # a second run would begin now
    assert sum(batch for batch in rows if batch > 1) == 80  # singles are the reference, and the whole picture
