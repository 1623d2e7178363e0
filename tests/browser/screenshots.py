"""Pictures of the app: ``python tests/browser/screenshots.py [FOLDER]`` (``make screenshots``).

Without a folder, only the README's picture, ``assets/readme/app.jpg``, is made anew; with one, the first screen at
1400 and 390 pixels, light and dark, is put there to be looked at.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from conftest import CHROMIUM, FINISHED, FLAGS
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from explorer.ui import build_app, launch

README_PICTURE = Path(__file__).parents[2] / "assets" / "readme" / "app.jpg"


def main(folder: Path | None) -> None:
    """Serve the app, wait for its first screen, take the pictures."""
    demo = build_app()
    _, url, _ = launch(demo, prevent_thread_lock=True, quiet=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        if folder is None:
            Image.open(io.BytesIO(shoot(browser, url, 1400, "light"))).convert("RGB").save(README_PICTURE, quality=85)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            for width in (1400, 390):
                for theme in ("light", "dark"):
                    (folder / f"{width}-{theme}.png").write_bytes(shoot(browser, url, width, theme))
        browser.close()
    demo.close()


def shoot(browser: Browser, url: str, width: int, theme: str) -> bytes:
    """The whole first screen, as PNG."""
    page = browser.new_page(viewport={"width": width, "height": 1000})
    page.goto(f"{url}?__theme={theme}")
    page.wait_for_function(FINISHED, timeout=120_000)
    page.wait_for_timeout(1000)  # fonts and transitions
    picture = page.screenshot(full_page=True)
    page.close()
    return picture


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
