"""What the browser tests do again and again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from explorer.encoders.cards import load_encoder
from explorer.pictures.examples import FIRST_PRESET, preset_named
from tests.asked import watch

FIRST_ENCODER = preset_named(FIRST_PRESET).encoder
"""What explains the first screen's pair."""

INK = """id => {
    const canvas = document.getElementById(id), { width, height } = canvas;
    const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) {
        sum = (sum * 31 + data[i] + 3 * data[i + 1] + 7 * data[i + 2]) % 1000000007;
    }
    return sum;
}"""
"""A number that changes with a canvas's pixels."""

STATE = """async (path) => {
    const { store } = await import(new URL('browser/instrument/store.js', document.baseURI));
    return path.split('.').reduce((value, key) => value?.[key], store.state);
}"""
"""What the page shows: a place in the store's state."""


def ink(page, canvas: str = "big-map") -> int:
    return page.evaluate(INK, canvas)


def painted(page) -> None:
    """Wait until what was set last is on the canvases."""
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
    )


def calm(page) -> None:
    """Wait until nothing moves but what moves for ever."""
    page.wait_for_function(
        "document.getAnimations().every(a => a.playState !== 'running' || a.effect.getTiming().iterations === Infinity)"
    )
    painted(page)


def in_both_themes(page) -> Iterator[str]:
    """The theme a page has, then the other."""
    for _ in range(2):
        calm(page)
        yield page.evaluate("document.body.classList.contains('dark') ? 'dark' : 'light'")
        page.evaluate("document.body.classList.toggle('dark')")
    calm(page)


def assert_no_scrolling(page, what: Any = "") -> None:
    """Nothing is wider than the window."""
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"], what


def status(page) -> str:
    return page.locator("#status").inner_text()


def says(page, place: str, text: str) -> None:
    """Wait until a place says something."""
    page.wait_for_function("([p, t]) => document.querySelector(p)?.innerText.includes(t)", arg=[place, text])


def press_run(page, n_masks: int) -> None:
    number = page.locator("#n-masks input[type=number]")
    number.fill(str(n_masks))
    number.press("Enter")
    number.blur()
    page.get_by_role("button", name=re.compile(f"^Run {n_masks} masks")).click()


def choose_seed(page, seed: int) -> None:
    """Other masks than any test before had, which are known to the server."""
    page.locator("#advanced > button").click()
    page.locator("#seed input").fill(str(seed))
    page.locator("#seed input").blur()


def wait_done(page, n_masks: int) -> None:
    page.wait_for_function(
        "n => [`${n} masks; `, `${n} masks, known`].some(t => document.querySelector('#status').innerText.includes(t))",
        arg=n_masks,
    )
    page.wait_for_function(
        "n => document.querySelector('#agreed').innerText.includes(`runs of ${n} masks`)", arg=n_masks
    )


def choose_preset(page, title: str | re.Pattern[str]) -> None:
    page.locator("#preset").get_by_role("button", name=title).click()


def count_forward(monkeypatch, key: str) -> list[int]:
    """The rows each pass through an encoder embeds from now on."""
    encoder, rows = load_encoder(key), []
    watch(monkeypatch, encoder, rows.append)
    return rows


def toast(page) -> str:
    """What the message of an error says; closes it."""
    message = page.locator(".toast-body:not(:has(.timer)), .refused")  # one that would fade is said in its place
    message.wait_for()
    text = message.inner_text()
    message.locator("button").click()
    message.wait_for(state="detached")  # it fades, and the next must not be mistaken for it
    return text
