"""How long until the app answers, beside an empty Gradio app in turns, and until its first picture is on screen.

    python tests/benchmarks/bench_start.py [--rounds 5]

Goals: at most 1.5 s more than the empty app, and a picture within 2.5 s of opening the page.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))

from conftest import CHROMIUM, FLAGS

ROOT = Path(__file__).parents[2]
EMPTY = """
import gradio
with gradio.Blocks() as demo:
    gradio.Markdown("empty")
demo.launch(quiet=True)
"""
DRAWN = "() => document.querySelector('.instrument-root:not(.empty) #big-map')"
PATIENCE = 120


def free_port() -> int:
    """One that nobody has now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def started(command: Sequence[str], port: int) -> tuple[subprocess.Popen[bytes], float]:
    """Start a server; when it has answered, the seconds that took."""
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while time.perf_counter() - start < PATIENCE:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE).read()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
        else:
            return process, time.perf_counter() - start
    raise TimeoutError("the server did not answer")


def main() -> None:
    """Measure, and print rows of (what, measured, goal)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    more: list[float] = []
    pictures: list[float] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for _ in range(parser.parse_args().rounds):
            empty, nothing = started(["-c", EMPTY], free_port())
            empty.terminate()
            empty.wait()
            port = free_port()
            app, ours = started(["app.py"], port)
            more.append(ours - nothing)
            page = browser.new_context().new_page()  # nothing is cached
            start = time.perf_counter()
            page.goto(f"http://127.0.0.1:{port}/", wait_until="commit")
            page.wait_for_function(DRAWN)
            pictures.append(time.perf_counter() - start)
            page.context.close()
            app.terminate()
            app.wait()
        browser.close()
    print(f"app answers, more than an empty Gradio app, median  {statistics.median(more):.1f} s  <= 1.5 s")
    print(f"first picture on screen after opening, median  {statistics.median(pictures):.1f} s  <= 2.5 s")


if __name__ == "__main__":
    main()
