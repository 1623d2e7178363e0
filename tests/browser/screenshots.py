"""Pictures of the app: ``python tests/browser/screenshots.py [FOLDER]`` (``make screenshots``).

Without a folder, only the README's pictures in ``assets/readme`` are made anew; with one, every screen at 1400,
1024 and 390 pixels, light and dark, is put there to be looked at.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

from conftest import CHROMIUM, FINISHED, FLAGS
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from explorer.ui import build_app, launch

README_PICTURES = Path(__file__).parents[2] / "assets" / "readme"


def explore(page: Page) -> None:
    """The first screen, a place asked about."""
    page.locator("#map-frame").click(position={"x": 210, "y": 120})


def compare(page: Page) -> Locator:
    """Two modes pinned beside each other."""
    page.get_by_role("button", name="Pin this result").click()
    page.locator("#mode-rank_weighted").check()
    page.get_by_role("tab", name="Compare").click()
    return page.locator("#board")


def methods(page: Page) -> Locator:
    """The methods chosen at first, asked."""
    page.get_by_role("tab", name="Compare").click()
    page.locator("#evidence-methods").scroll_into_view_if_needed()
    page.locator("#run-methods", has_text="passes through").click(timeout=120_000)
    page.locator("#evidence-methods .progress", has_text="passes in").wait_for(timeout=240_000)
    return page.locator("#methods")


def sweeps(page: Page) -> None:
    """The thresholds of the paper's figure 15."""
    page.get_by_role("tab", name="Sweeps").click()
    page.get_by_role("radio", name="Threshold").check()


def tour(page: Page) -> None:
    """The first step: guess."""
    page.get_by_role("button", name="Take the tour").click()


SCREENS: dict[str, Callable[[Page], Locator | None]] = {
    "app": explore,
    "compare": compare,
    "methods": methods,
    "sweeps": sweeps,
    "tour": tour,
}
"""What leads to each screen, and the part of it that is the picture, where that is not all."""


def main(folder: Path | None) -> None:
    """Serve the app, wait for its first screen, take the pictures."""
    demo = build_app()
    _, url, _ = launch(demo, prevent_thread_lock=True, quiet=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, act in SCREENS.items():
            if folder is None:
                picture = Image.open(io.BytesIO(shoot(browser, url, 1400, "light", act))).convert("RGB")
                picture.save(README_PICTURES / f"{name}.jpg", quality=80)
                continue
            folder.mkdir(parents=True, exist_ok=True)
            for width in (1400, 1024, 390):
                for theme in ("light", "dark"):
                    (folder / f"{name}-{width}-{theme}.png").write_bytes(shoot(browser, url, width, theme, act))
        browser.close()
    demo.close()


def shoot(browser: Browser, url: str, width: int, theme: str, act: Callable[[Page], Locator | None]) -> bytes:
    """One whole screen, or a part of it, as PNG."""
    page = browser.new_page(viewport={"width": width, "height": 1000})
    page.goto(f"{url}?__theme={theme}")
    page.wait_for_function(FINISHED, timeout=120_000)
    part = act(page)
    page.wait_for_timeout(2000)  # fonts, transitions and what is drawn when seen
    picture = page.screenshot(full_page=True) if part is None else part.screenshot()
    page.close()
    return picture


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
