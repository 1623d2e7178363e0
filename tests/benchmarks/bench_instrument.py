"""How long the browser takes from a move of a control to painted maps and histogram. Goals: p95 <= 50 ms.

python tests/benchmarks/bench_instrument.py [--moves 60]

With 5000 masks 100 ms; another reference, which needs the server, 400 ms. A real page of the app in headless Chromium
(software drawing). A move ends with the first task after the animation frame in which everything was painted, so the
wait for that frame is counted.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
sys.path.insert(0, str(Path(__file__).parents[2]))

from conftest import CHROMIUM, FINISHED, FLAGS
from driving import choose_preset, press_run, wait_done

from explorer.core.masks import MaskSettings, sample_masks
from explorer.pictures.examples import FIRST_PRESET
from explorer.results.wire import load_replay, replay_of
from explorer.ui import build_app, launch

ASSETS = Path(__file__).parents[2] / "assets"
GOAL_MS = {1000: 50, 5000: 100}

MEASURE = """async ([id, values]) => {
    const input = document.getElementById(id), times = [];
    const painted = () => new Promise(done => requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = done;
        channel.port2.postMessage(0);
    }));
    for (const value of values) {
        await new Promise(rest => setTimeout(rest, 40));
        const start = performance.now();
        input.value = value;
        input.dispatchEvent(new Event('input'));
        await painted();
        times.push(performance.now() - start);
    }
    return times;
}"""
SLICE = """async values => {
    const { store } = await import(new URL('browser/instrument/store.js', document.baseURI)), times = [];
    for (const value of values) {
        await new Promise(rest => setTimeout(rest, 40));
        const start = performance.now();
        store.select({ closest: [value, value + 0.2], farthest: null });
        await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
        times.push(performance.now() - start);
    }
    store.select({ closest: null });
    return times;
}"""
TOUCH = """async count => {
    const frame = document.querySelector('#match div.frame[data-side=a]'), times = [];
    const { left, top, width, height } = frame.getBoundingClientRect();
    for (let i = 0; i < count; i++) {
        await new Promise(rest => setTimeout(rest, 40));
        const start = performance.now(), share = (i + 0.5) / count;
        const clientX = left + share * width, clientY = top + (0.5 + 0.4 * Math.sin(9 * share)) * height;
        frame.dispatchEvent(new PointerEvent('pointermove', { clientX, clientY, pointerType: 'mouse' }));
        await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
        times.push(performance.now() - start);
    }
    return times;
}"""
SHOW = """async wire => {
    const at = name => new URL(`browser/instrument/${name}.js`, document.baseURI);
    const wanted = ['store', 'maths', 'paint'].map(name => import(at(name)));
    const [{ store }, { decode }, { loadPictures }] = await Promise.all(wanted);
    store.set({ result: await loadPictures(decode(wire)) });
    await new Promise(rest => setTimeout(rest, 1500));
}"""


WATCH = """async ([selector, event]) => {
    const { store } = await import(new URL('browser/instrument/store.js', document.baseURI));
    window.answered = new Promise(done => {
        let start;
        document.querySelector(selector).addEventListener(event, e => {
            if (event !== 'keydown' || e.key === 'Enter') start = performance.now();
        }, { once: true, capture: true });
        const end = store.subscribe(['result'], () => setTimeout(() => { end(); done(performance.now() - start); }));
    });
}"""
CAPTIONS = ("a cat", "a cup", "coffee", "a dog", "a saucer", "an animal", "a spoon", "breakfast", "whiskers", "a table")


def references(page: Page) -> dict[str, list[float]]:
    """Milliseconds from another caption or picture to its painted maps, after a run of 1000 masks."""
    choose_preset(page, "“a cup of coffee”")
    page.wait_for_selector("#pair blockquote")
    press_run(page, 1000)
    wait_done(page, 1000)
    found: dict[str, list[float]] = {"caption": [], "reference picture": []}
    box = page.locator("#caption textarea, #caption input").first
    for caption in CAPTIONS:
        box.fill(caption)
        page.evaluate(WATCH, ["#caption", "keydown"])
        box.press("Enter")
        found["caption"].append(page.evaluate("window.answered"))
        page.wait_for_timeout(1000)
    page.get_by_role("radio", name="another picture").check()
    for name in ("cat.jpg", "lion.jpg", "rocket.jpg", "espresso.jpg", "cheetah_face.jpg") * 2:
        remove = page.locator("#reference button[aria-label='Remove Image']")
        if remove.count():
            remove.first.click()
        page.wait_for_selector("#reference input[type=file]", state="attached")
        page.evaluate(WATCH, ["#reference", "change"])
        page.locator("#reference input[type=file]").set_input_files(ASSETS / name)
        found["reference picture"].append(page.evaluate("window.answered"))
        page.wait_for_timeout(1000)
    return found


def enlarged(n_masks: int) -> dict[str, Any]:
    """The first example's replay with as many masks as asked, at distances drawn like its own."""
    path = replay_of(FIRST_PRESET)
    assert path is not None
    wire = load_replay(path)
    masks = sample_masks(MaskSettings(n_masks=n_masks), tuple(wire["size"]))
    plane = np.frombuffer(base64.b64decode(wire["plane"])).reshape(-1, 2)
    drawn = plane[np.random.default_rng(0).integers(len(plane), size=n_masks)]
    drawn = drawn * np.random.default_rng(1).normal(1, 1e-3, drawn.shape)
    arrays = {"packed": masks.packed, "shifts": masks.shifts.astype("<u2"), "plane": drawn.astype("<f8")}
    return (
        wire | {k: base64.b64encode(a.tobytes()).decode() for k, a in arrays.items()} | {"wanted": n_masks, "id": "b"}
    )


def moves(page: Page, n_masks: int, count: int) -> dict[str, list[float]]:
    """Milliseconds of every move, by control."""
    shares = np.linspace(0.02, 0.45, count).round(2).tolist()
    return {
        "threshold": page.evaluate(MEASURE, ["instrument-threshold", shares]),
        "slice": page.evaluate(SLICE, shares),
        "opacity": page.evaluate(MEASURE, ["instrument-opacity", np.linspace(0, 1, count).round(2).tolist()]),
        "scrubber": page.evaluate(
            MEASURE, ["instrument-scrubber", np.linspace(20, n_masks, count).astype(int).tolist()]
        ),
    }


def opened(browser: Browser, url: str) -> Page:
    """A newcomer's first screen, drawn."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(180_000)
    page.goto(url)
    page.wait_for_function(FINISHED)
    return page


def run(count: int = 60) -> list[tuple[str, str, str]]:
    """Rows of (what, measured, goal)."""
    demo = build_app()
    _, url, _ = launch(demo, prevent_thread_lock=True, quiet=True)
    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = opened(browser, url)
        for n_masks, goal in GOAL_MS.items():
            page.evaluate(SHOW, json.loads(json.dumps(enlarged(n_masks))))
            for control, times in moves(page, n_masks, count).items():
                median, late = np.percentile(times, [50, 95])
                what = f"browser, {n_masks} masks, {control} to paint, p95 (median)"
                rows.append((what, f"{late:.0f} ms ({median:.0f})", f"<= {goal} ms"))
        page.close()
        page = opened(browser, url)
        page.get_by_role("tab", name="Match").click()
        page.locator("#match .two").wait_for()
        median, late = np.percentile(page.evaluate(TOUCH, count), [50, 95])
        rows.append(("browser, match, a touch to paint, p95 (median)", f"{late:.0f} ms ({median:.0f})", "<= 50 ms"))
        page.close()
        for what, times in references(opened(browser, url)).items():
            median, late = np.percentile(times, [50, 95])
            rows.append(
                (
                    f"server, 1000 masks, another {what} to paint, p95 (median)",
                    f"{late:.0f} ms ({median:.0f})",
                    "<= 400 ms",
                )
            )
        browser.close()
    demo.close()
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=60, dest="count")
    for row in run(**vars(parser.parse_args())):
        print(*row, sep="  ")
