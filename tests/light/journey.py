"""All that the app can do without torch, done in a headless Chromium by the elements that a visitor sees."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.browser import driving, test_evidence, test_share, test_sweeps, test_words
from tests.browser.conftest import CHROMIUM, FINISHED, FLAGS

ASSETS = Path(__file__).parents[2] / "assets"
PATIENCE = 240_000
CLIP = "CLIP ViT-B/32: make run EXTRAS=clip"
METHODS = "make run EXTRAS=methods"


def everything(url: str) -> dict[str, float]:
    """The seconds that each thing took.

    Raises:
        AssertionError: One of them did not come out.
    """
    from playwright.sync_api import sync_playwright

    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        began = time.monotonic()
        page.goto(url)
        page.wait_for_function(FINISHED)
        seconds = {"first screen": time.monotonic() - began}
        for doing in (_run, _link, _caption, _evidence, _sweep, _words, _what_is_not_here):
            began = time.monotonic()
            doing(page)
            seconds[doing.__doc__ or ""] = time.monotonic() - began
        browser.close()
    assert not complaints, complaints
    return seconds


def _run(page: Any) -> None:
    """two uploads and a run of 60 masks"""
    for place, name in (("#picture", "rocket.jpg"), ("#reference", "cat.jpg")):
        page.locator(f"{place} button[aria-label='Remove Image']").first.click()
        page.locator(f"{place} input[type=file]").set_input_files(ASSETS / name)
        page.wait_for_function("p => document.querySelector(p + ' img')?.complete", arg=place)
    before = driving.ink(page)
    driving.press_run(page, 60)
    driving.wait_done(page, 60)
    assert driving.ink(page) != before, "the map did not change"


def _link(page: Any) -> None:
    """a link, opened elsewhere"""
    shown = page.evaluate(test_share.STATE)
    test_share.to_share(page)
    address = test_share.link(page)
    other = page.context.browser.new_context().new_page()
    other.set_default_timeout(PATIENCE)
    other.goto(address)
    test_share.same(shown, test_share.drawn(other, 60))
    other.context.close()
    page.get_by_role("tab", name="Explore").click()


def _caption(page: Any) -> None:
    """a caption and a run of 60 masks"""
    page.get_by_role("radio", name="a caption").check()
    caption = page.locator("#caption textarea, #caption input").first
    caption.fill("a rocket")
    caption.press("Enter")
    before = driving.ink(page)
    driving.press_run(page, 60)
    driving.wait_done(page, 60)
    assert driving.ink(page) != before, "the map did not change"


def _evidence(page: Any) -> None:
    """deletion and stability; what scrambling takes is said before it is chosen"""
    test_evidence.open_evidence(page)
    test_evidence.ask(page, "deletion", ": 47 passes", steps=10, orders=3, fill="map")
    test_evidence.finished(page, "deletion", 47)
    test_evidence.ask(page, "stability", ": 200 passes", masks=100, runs=2)
    test_evidence.finished(page, "stability", 200)
    test_evidence.says(page, "#evidence-randomization", METHODS)
    test_evidence.says(page, "#evidence-method-about", METHODS)


def _sweep(page: Any) -> None:
    """a sweep"""
    page.get_by_role("tab", name="Explore").click()
    test_sweeps.ask(page, "p_keep", 10, "^Run 5 maps, 50 passes")
    page.locator("#run-sweep").click()
    test_sweeps.says(page, "#run-sweep", "^Run 5 maps, all embedded already")


def _words(page: Any) -> None:
    """a sentence's words"""
    test_words.open_words(page)
    test_words.ask(page, "a rocket in the blue sky", "a ship at sea", n_masks=40)
    test_words.run(page)
    test_words.done(page, 40, "a")


def _what_is_not_here(page: Any) -> None:
    """what would bring the rest"""
    page.get_by_role("tab", name="Explore").click()
    summary = page.locator("#absent-encoders summary")
    summary.click()
    test_words.says(page, "#absent-encoders", CLIP)
    page.get_by_role("tab", name="Compare").click()
    test_words.says(page, "#methods-more", METHODS)
