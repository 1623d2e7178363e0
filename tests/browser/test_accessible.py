"""Every screen without serious barriers, as axe-core sees them, in light and dark, wide and narrow."""

from __future__ import annotations

import pytest

from .conftest import FINISHED

pytestmark = pytest.mark.browser

TABS = ("Explore", "Compare", "Sweeps", "Share")
WORST = ("serious", "critical")


def barriers(page) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{v['id']}: {node['target']} {node.get('failureSummary', '')[:200]}"
        for v in found
        if v["impact"] in WORST
        for node in v["nodes"]
    ]


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_barrier(chromium, served, theme: str, width: int):
    page = chromium.new_page(viewport={"width": width, "height": 1000})
    page.goto(f"{served.url}/?__theme={theme}")
    page.wait_for_function(FINISHED, timeout=120_000)
    for tab in TABS:
        choice = page.get_by_role("tab", name=tab)
        if choice.count() == 0:  # in the menu that narrow screens have
            page.locator("#tabs .overflow-menu > button").click()
            choice = page.locator("#tabs .overflow-dropdown button", has_text=tab)
        choice.first.click()
        page.wait_for_timeout(800)
        assert barriers(page) == [], tab
        assert page.evaluate("document.documentElement.scrollWidth") == width, tab
    page.close()


def test_the_watch_sees_a_barrier(page):
    page.evaluate("document.querySelector('#results').insertAdjacentHTML('beforeend', '<img src=\"data:,\"><input>')")
    assert any("image-alt" in found for found in barriers(page))
    page.complaints.clear()
