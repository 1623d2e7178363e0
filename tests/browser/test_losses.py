"""What the page says when it is not served: no room, a connection that breaks, a file with a strange name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from explorer.ui.gate import admission

from .driving import ink, press_run, toast, wait_done

pytestmark = pytest.mark.browser


def test_a_full_queue_is_told_and_the_result_stays(page, monkeypatch):
    before = ink(page)
    monkeypatch.setattr(admission, "RUNS", admission.Limit(page=0, address=0, all=0))
    press_run(page, 20)
    assert "the most there may be" in toast(page)
    assert ink(page) == before
    monkeypatch.undo()
    press_run(page, 20)
    wait_done(page, 20)
    page.complaints.clear()  # the browser reports the refusal, and should


def test_a_broken_connection_is_told_and_the_page_comes_back(page):
    """Gradio's page waits for the server, and then opens anew; until then the last result stays."""
    press_run(page, 40)
    wait_done(page, 40)
    before = ink(page)
    page.route("**/gradio_api/**", lambda route: route.abort("connectionreset"))
    page.locator("#run").click()
    message = page.locator(".toast-body").first
    message.wait_for()
    assert re.search(r"[Cc]onnection", message.inner_text())
    assert ink(page) == before
    page.unroute("**/gradio_api/**")
    page.reload()
    page.wait_for_function("document.querySelector('#agreed')?.innerText.includes('runs of 40 masks')")
    page.wait_for_function(
        "document.querySelector('#status').innerText.includes('40 masks, known from an earlier run')"
    )
    assert ink(page) == before  # and so it is afterwards
    page.locator("#run").click()
    wait_done(page, 40)
    page.complaints.clear()  # the browser reports the broken connection, and should


def test_markup_in_a_files_name_stays_text(page, assets: Path, tmp_path: Path):
    """In a result, and in what is said of a file that is no picture."""
    page.evaluate("() => { window.alert = () => { window.alerted = true } }")
    page.locator("#picture button[aria-label='Remove Image']").first.click()
    name = "<img src=x onerror=alert(1)>"
    (tmp_path / f"{name}.png").write_bytes(b"no picture")
    page.locator("#picture input[type=file]").set_input_files(tmp_path / f"{name}.png")
    assert "Not an image we can read" in toast(page)
    (tmp_path / f"{name}.jpg").write_bytes((assets / "cat.jpg").read_bytes())
    page.locator("#picture input[type=file]").set_input_files(tmp_path / f"{name}.jpg")
    page.locator("#picture img").wait_for()
    press_run(page, 20)
    wait_done(page, 20)
    assert page.locator("img[src='x']").count() == 0
    assert page.evaluate("window.alerted") is None
    page.complaints.clear()  # the browser reports the refused upload, and should
