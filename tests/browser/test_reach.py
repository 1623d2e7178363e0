"""The screen in everybody's reach: on a phone, enlarged, by the keyboard, read out, and all of it in sight at once."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from .conftest import FINISHED
from .driving import STATE, assert_no_scrolling, calm, choose_preset, choose_seed, painted, press_run, says, wait_done

pytestmark = pytest.mark.browser

TABS = {
    "Compare": "#board .cards",
    "Match": ".match-title h2",
    "Sweeps": "#sweep .choices",
    "Evidence": "#evidence .cards",
    "Words": "#words .first",
    "Share": "#make-link",
    "Explore": "#map-frame",
}
"""By name, what there is to see in it."""
IN_SIGHT = """places => places.filter(place => ![...document.querySelectorAll(place)].some(e => {
    const { left, top, right, bottom, width } = e.getBoundingClientRect();
    return width && left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
}))"""
"""The places of which nothing is wholly on the screen as it is scrolled."""
TOGETHER = ["#map-frame", "#histogram .plot", "#sheet .closest .copies", "#sheet .farthest .copies", "#inspect .groups"]
LONGEST = ("a caption of words, andoneofthemisverymuchlongerthananyonewouldwrite, " * 8)[:499]


# A phone, and 400 % of a laptop


@pytest.mark.parametrize(("width", "height"), [(390, 844), (360, 640)])
def test_the_whole_job_on_a_phone(chromium, served, assets: Path, width: int, height: int):
    phone = chromium.new_context(viewport={"width": width, "height": height}, has_touch=True, is_mobile=True)
    page = phone.new_page()
    page.set_default_timeout(60_000)
    page.goto(served.url)
    page.wait_for_function(FINISHED)
    assert page.evaluate(IN_SIGHT, ["#picture", "#reference", "#run", "#preset button"]) == []

    page.locator("#picture button[aria-label='Remove Image']").tap()
    page.locator("#picture input[type=file]").set_input_files(assets / "rocket.jpg")
    page.wait_for_function("document.querySelector('#picture img')?.complete")
    page.locator("#masks > button").tap()
    number = page.locator("#n-masks input[type=number]")
    number.fill("20")
    number.press("Enter")
    number.blur()
    page.get_by_role("button", name="Run 20 masks").tap()
    wait_done(page, 20)
    page.locator("#map-frame").tap(position={"x": 60, "y": 60})
    page.locator("#inspect .groups").wait_for()
    assert "Value here" in page.locator("#inspect-sum").inner_text()
    for tab, seen in TABS.items():
        page.get_by_role("tab", name=tab).tap()
        page.locator(seen).first.wait_for()
        assert_no_scrolling(page, tab)
        if tab == "Share":
            page.locator("#make-link").tap()
            page.locator("#address").wait_for()
            assert "n_masks=20" in page.locator("#address").input_value()

    page.set_viewport_size({"width": 320, "height": 256})  # 1280 x 1024, enlarged to 400 %
    for tab, seen in TABS.items():
        page.get_by_role("tab", name=tab).tap()
        page.locator(seen).first.wait_for()
        calm(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, tab


# The keyboard


def test_the_keyboards_place_is_seen_on_every_control_of_the_main_job(chromium, served):
    page = chromium.new_page(1400, 2000)  # tall enough that nothing scrolls
    page.set_default_timeout(60_000)
    page.goto(served.url)
    page.wait_for_function(FINISHED)
    page.get_by_text("Advanced").click()
    page.mouse.click(2, 2)  # Tab goes on from there
    page.add_style_tag(content="* { transition: none !important; caret-color: transparent !important; }")
    before, visited = pixels(page), []
    page.keyboard.press("Tab")
    while here := page.evaluate(FOCUSED):
        after = pixels(page)
        left, top, right, bottom = here["box"]
        changed = np.abs(after - before)[top:bottom, left:right].max(axis=-1) > 60
        assert changed.sum() > (right - left + bottom - top) / 2, here["name"]
        visited.append(here["name"])
        before = after
        page.keyboard.press("Tab")
    for control in (
        "Skip to the maps",
        "run",
        "stop",
        "map-frame",
        "mode-mirror",
        "instrument-threshold",
        "share-tab-button",
    ):
        assert control in visited
    assert len(visited) > 45  # each of nine examples, of twelve settings, of six tabs ...

    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "results"
    assert page.evaluate("location.hash") == ""


FOCUSED = """() => {
    const e = document.activeElement;
    if (!e || e === document.body || e.dataset.visited) return null;
    e.dataset.visited = 'yes';
    const { left, top, right, bottom } = e.getBoundingClientRect(), edge = 6;
    const box = [left - edge, top - edge, right + edge, bottom + edge].map(v => Math.max(0, Math.round(v)));
    return { name: e.id || e.getAttribute('aria-label') || e.textContent, box };
}"""
"""What has the keyboard's place, and the box around it (left, top, right, bottom); null when it had it before."""


def pixels(page: Any) -> Any:
    """The screen (height, width, 3), as signed numbers."""
    painted(page)
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(np.int16)


# Read out


def test_runs_are_read_out(page):
    """In one place: begun, progress now and then, done, changed, failed, stopped; and nothing at every step."""
    page.evaluate(
        """() => {
            const voice = document.getElementById('voice');
            window.heard = [];
            const changes = { childList: true, characterData: true, subtree: true };
            new MutationObserver(() => window.heard.push(voice.textContent)).observe(voice, changes);
        }"""
    )
    assert page.locator("#voice").get_attribute("role") == "status"
    choose_seed(page, 149)
    press_run(page, 200)
    wait_done(page, 200)
    changed, began, *between, _ = heard(page, "^200 masks; ")
    assert changed.startswith("Changed since")
    assert "of 200 masks" in began or "Loading" in began
    assert len(between) <= 3  # it takes some seconds, and tells of twelve steps

    page.locator("#picture button[aria-label='Remove Image']").click()
    page.locator("#run").click()
    assert heard(page, "could not be run")
    choose_preset(page, "Cheetah and lion")
    assert heard(page, "An example")
    press_run(page, 4000)
    says(page, "#voice", "of 4000 masks")
    page.get_by_role("button", name="Stop", exact=True).click()
    assert heard(page, "^Stopped at ")


def heard(page: Any, last: str) -> list[str]:
    """What was read out, once it ends with a word."""
    page.wait_for_function("last => new RegExp(last).test(window.heard.at(-1))", arg=last)
    return page.evaluate("window.heard.splice(0)")


def test_progress_is_read_out_now_and_then(page):
    """At its beginning, after ten seconds and at its end, however often it is told."""
    said = page.evaluate(
        """async () => {
            const { worthSaying } = await import(new URL('browser/page/announce.js', document.baseURI));
            let last = { said: '', running: false, at: -Infinity };
            const steps = [...Array(40).keys()].map(i => ({ said: `${i} of 40`, running: true, at: 500 * i }));
            return [...steps, steps.at(-1), { said: '40 masks', running: false, at: 20_100 }].flatMap(now => {
                if (!worthSaying(last, now)) return [];
                last = now;
                return now.said;
            });
        }"""
    )
    assert said == ["0 of 40", "20 of 40", "40 masks"]


# All in sight


def test_the_map_and_all_that_answers_to_it_are_in_sight_at_once(chromium, served, tmp_path):
    page = chromium.new_page(1400, 900)
    page.set_default_timeout(60_000)
    page.goto(served.url)
    page.wait_for_function(FINISHED)
    ask_about_a_place(page)
    assert page.evaluate(IN_SIGHT, [*TOGETHER, "#run", "#mode", "#instrument-threshold"]) == []

    tall = tmp_path / "tall.png"  # as a phone takes it, and a caption as long as there are
    Image.effect_noise((200, 440), 90).convert("RGB").save(tall)
    page.locator("#picture button[aria-label='Remove Image']").click()
    page.locator("#picture input[type=file]").set_input_files(tall)
    page.get_by_role("radio", name="a caption").check()
    caption = page.locator("#caption textarea, #caption input").first
    caption.fill(LONGEST)
    caption.press("Enter")
    press_run(page, 20)
    wait_done(page, 20)
    assert page.locator("#pair blockquote").inner_text() == f"“{LONGEST}”"
    ask_about_a_place(page)
    assert page.evaluate(IN_SIGHT, TOGETHER) == []
    width, height = page.locator("#big-map").evaluate("c => [c.clientWidth, c.clientHeight]")
    assert width / height == pytest.approx(200 / 440, rel=0.02)
    x, y = page.evaluate(STATE, "pixel.x"), page.evaluate(STATE, "pixel.y")
    assert [x, y] == pytest.approx([0.5, 0.5], abs=0.02)  # it is still asked where it is pressed
    for tab in ("Compare", "Evidence"):
        page.get_by_role("tab", name=tab).click()
        page.locator(TABS[tab]).first.wait_for()
        tallest = page.evaluate("Math.max(...[...document.querySelectorAll('#tabs canvas')].map(c => c.clientHeight))")
        assert tallest < 500, tab


def ask_about_a_place(page: Any) -> None:
    page.locator("#map-frame").click()
    page.locator("#inspect .groups").wait_for()
    page.evaluate("scrollTo(0, 0)")
    painted(page)


def test_menus_show_that_they_are_menus_and_hide_no_word(page):
    page.get_by_text("Advanced").click()
    page.locator("#fill input").wait_for()
    covered = page.evaluate(
        """() => [...document.querySelectorAll('.secondary-wrap')].filter(menu => {
            const input = menu.querySelector('input'), arrow = menu.querySelector('svg');
            const words = input.getBoundingClientRect().right - parseFloat(getComputedStyle(input).paddingRight);
            return !arrow || words > arrow.getBoundingClientRect().left;
        }).map(menu => menu.querySelector('input').ariaLabel)"""
    )
    assert covered == []
    assert page.locator("#encoder svg").is_visible()
    for tab in ("Compare", "Evidence", "Sweeps"):
        page.get_by_role("tab", name=tab).click()
        page.locator(TABS[tab]).first.wait_for()
    bare = page.evaluate(
        "[...document.querySelectorAll('select')].filter(s => getComputedStyle(s).appearance === 'none').map(s => s.id)"
    )
    assert bare == []
