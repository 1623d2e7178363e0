"""The app on a port of this machine, and a headless Chromium looking at it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FINISHED = "document.querySelector('#agreed')?.innerText.includes('1000 masks')"
"""True once the first screen's maps and their agreement are drawn."""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Served:
    """A running app."""

    url: str
    probes: object
    demo: object


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """The app as ``make run`` serves it, except that it does not hold the terminal."""
    from explorer.ui import build_app, launch
    from explorer.ui.probe_cache import ProbeCache

    probes = ProbeCache()
    demo = build_app(probes)
    _, url, _ = launch(demo, prevent_thread_lock=True, quiet=True)
    yield Served(url.rstrip("/"), probes, demo)
    demo.close()


def need_chromium() -> None:
    """Skip the test where there is no browser, except in CI, which installs one."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no Chromium; .ci/run installs it")
        pytest.skip("no Chromium on this machine: apt-get install chromium")


class Chromium:
    """A browser whose pages share what they have fetched and compiled, and nothing else; each test finds it empty."""

    def __init__(self, browser: Any) -> None:
        self._browser, self._shared = browser, browser.new_context()
        self._alone: list[Any] = []

    def new_page(self, width: int = 1400, height: int = 1000) -> Any:
        """A page of an unknown visitor."""
        page = self._shared.new_page()
        page.set_viewport_size({"width": width, "height": height})
        return page

    def new_context(self, **options: Any) -> Any:
        """A session of its own, as if on another computer."""
        self._alone.append(self._browser.new_context(**{"viewport": {"width": 1400, "height": 1000}} | options))
        return self._alone[-1]

    def forget(self) -> None:
        """Close all pages, and drop what they kept and were allowed."""
        for context in self._alone:
            context.close()
        self._alone = []
        for page in self._shared.pages:
            if page.url.startswith("http"):
                page.evaluate("localStorage.clear()")
            page.close()
        self._shared.clear_cookies()
        self._shared.clear_permissions()


@pytest.fixture
def chromium(browser: Chromium) -> Iterator[Chromium]:
    """The browser; what a test opens in it is closed after it."""
    yield browser
    browser.forget()


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    """One for all tests of a process."""
    need_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield Chromium(browser)
        browser.close()


@pytest.fixture
def page(chromium: Chromium, served: Served, request: pytest.FixtureRequest) -> Iterator[object]:
    """The app's first screen, drawn, at 1400 x 1000; console errors and foreign requests fail the test."""
    page = chromium.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda r: None if _local(r.url, served.url) else complaints.append(f"asked {r.url}"))
    page.complaints = complaints
    page.set_default_timeout(60_000)
    page.goto(served.url)
    page.wait_for_function(FINISHED)
    yield page
    page.close()
    assert complaints == []


def _local(url: str, home: str) -> bool:
    return url.startswith((home, "data:", "blob:"))


@pytest.fixture
def assets() -> Path:
    """The example pictures."""
    return Path(__file__).parents[2] / "assets"
