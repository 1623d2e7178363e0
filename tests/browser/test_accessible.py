"""Every screen without serious barriers, as axe-core sees them, in light and dark, wide and narrow."""

from __future__ import annotations

import pytest

from .conftest import FINISHED
from .driving import assert_no_scrolling, calm, in_both_themes

pytestmark = pytest.mark.browser

TABS = {
    "Explore": "#sheet canvas",
    "Compare": "#board .cards",
    "Match": "#match .two",
    "Sweeps": "#sweep .choices",
    "Evidence": "#evidence .cards",
    "Words": "#words .first",
    "Share": "#make-link",
}
"""By name, what is there once a tab is laid out."""
WORST = ("serious", "critical")


def barriers(page) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    if page.evaluate("!window.axe"):
        page.evaluate(Axe().axe_script)
    found = page.evaluate("axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations)")
    return [
        f"{v['id']}: {node['target']} {node.get('failureSummary', '')[:200]}"
        for v in found
        if v["impact"] in WORST
        for node in v["nodes"]
    ]


def open_tab(page, tab: str) -> None:
    page.get_by_role("tab", name=tab).click()
    page.locator(TABS[tab]).first.wait_for()
    calm(page)


@pytest.fixture(params=[("light", 1400), ("dark", 390)], ids=str)
def screen(request, chromium, served):
    """The first screen, wide and narrow; what is looked at must not be wider than it, in light and dark."""
    theme, width = request.param
    page = chromium.new_page(width)
    page.set_default_timeout(120_000)
    page.goto(f"{served.url}/?__theme={theme}")
    page.wait_for_function(FINISHED)
    return page


def assert_no_barrier(page, what: str) -> None:
    for theme in in_both_themes(page):
        assert barriers(page) == [], (what, theme)
        assert_no_scrolling(page, (what, theme))


def test_no_serious_barrier(screen):
    for tab in TABS:
        open_tab(screen, tab)
        assert_no_barrier(screen, tab)


def test_no_serious_barrier_in_what_opens(screen):
    """A place asked about, slices by number and one that is wrong, pins with their contrast."""
    screen.locator("#map-frame").click()
    screen.locator("#inspect .groups").wait_for()
    screen.get_by_text("Select slices by number").click()
    screen.get_by_label("closest from").fill("50")
    screen.get_by_label("closest to").fill("20")
    screen.keyboard.press("Tab")
    screen.locator(".slices [aria-invalid=true]").first.wait_for()
    screen.locator(".stage").get_by_role("button", name="Pin this result").click()
    assert_no_barrier(screen, "Explore")
    screen.locator("#mode-closest").check()
    open_tab(screen, "Compare")
    screen.locator("#board .pair-of-pins").wait_for()
    screen.locator("#board-contrast .offers button").first.click()
    screen.locator("#board-contrast .three").wait_for()
    assert_no_barrier(screen, "Compare")


def test_no_serious_barrier_in_the_tour(screen):
    screen.click("#tour-start")
    for step in range(1, 7):
        assert_no_barrier(screen, f"step {step}")
        screen.click("#tour-skip")
        assert_no_barrier(screen, f"step {step}, told")
        screen.click("#tour-next")


def test_the_watch_sees_a_barrier(page):
    page.evaluate("document.querySelector('#results').insertAdjacentHTML('beforeend', '<img src=\"data:,\"><input>')")
    assert any("image-alt" in found for found in barriers(page))
    page.complaints.clear()
