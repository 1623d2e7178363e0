"""The Match tab by hand: hover, tap, drag and keys, on pictures and captions; Python's numbers are the truth."""

from __future__ import annotations

import json

import numpy as np
import pytest

import explorer
from explorer import MaskSettings
from explorer.pictures.examples import FIRST_PRESET, asset_path, preset_named
from explorer.results.match_wire import match_of, unpack_counterparts

from .driving import assert_no_scrolling, choose_preset, painted, press_run, says, wait_done

pytestmark = pytest.mark.browser

LIT = """async ([key, side, region]) => {
    const { decodeMatch, lit } = await import(new URL('browser/match/match-maths.js', document.baseURI));
    const wire = await (await fetch(new URL(`replay/${key}-match.json`, document.baseURI))).json();
    const [top, left, bottom, right] = region;
    return [...lit(decodeMatch(wire), side, { top, left, bottom, right })];
}"""
INK = """side => {
    const canvas = document.querySelector(`#match [data-side=${side}] canvas`);
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((sum, value, i) => (sum * 31 + value + (i & 3)) % 1000000007, 7);
}"""


def opened(page) -> None:
    page.get_by_role("tab", name="Match").click()
    page.locator("#match .two").wait_for()
    painted(page)


def now(page) -> str:
    painted(page)
    return page.locator("#match-now").inner_text()


def inks(page) -> list[int]:
    painted(page)
    return [page.evaluate(INK, side) for side in "ab"]


def at(page, side: str, cell: tuple[int, int]) -> tuple[float, float]:
    """Where a cell of a picture's 16 x 16 lies."""
    box = page.locator(f"#match figure[data-side={side}] canvas").bounding_box()
    return box["x"] + box["width"] * (cell[1] + 0.5) / 16, box["y"] + box["height"] * (cell[0] + 0.5) / 16


def test_a_touch_of_either_lights_the_other_with_no_request(page):
    opened(page)
    wire = match_of(FIRST_PRESET)
    assert page.locator("#match-says").inner_text() == wire["says"]
    counterparts = unpack_counterparts(wire)
    for side, region, truth in (
        ("a", [8, 12, 9, 13], counterparts[8, 12]),
        ("b", [2, 3, 6, 5], counterparts[:, :, 2:6, 3:5].mean((2, 3))),
    ):
        found = np.array(page.evaluate(LIT, [FIRST_PRESET, side, region])).reshape(16, 16)
        np.testing.assert_allclose(found, truth, atol=1e-4 * wire["limit"])

    page.locator("#match-run").wait_for(state="hidden")  # the example brings its match; nothing else is asked for
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    blank = inks(page)
    page.mouse.move(*at(page, "a", (8, 12)))  # hover
    said, lit = now(page), inks(page)
    assert "of A goes with the" in said
    assert lit[0] == blank[0]
    assert lit[1] != blank[1]
    page.mouse.move(*at(page, "b", (8, 8)))
    assert now(page).startswith("The centre of B")
    assert inks(page)[1] == blank[1]
    page.mouse.move(5, 5)
    assert inks(page) == blank
    assert "Touch a part" in now(page)

    page.mouse.move(*at(page, "a", (7, 11)))  # drag a box, which stays
    page.mouse.down()
    page.mouse.move(*at(page, "a", (10, 14)), steps=4)
    page.mouse.up()
    boxed = now(page)
    assert boxed.startswith("The box in the middle right of A")
    page.mouse.move(*at(page, "a", (2, 2)))
    assert now(page) == boxed
    page.locator("#match .pin").click()
    page.mouse.move(*at(page, "a", (2, 2)))
    page.mouse.click(*at(page, "a", (2, 2)))  # tap
    assert now(page).startswith("The top left of A")
    page.mouse.click(*at(page, "a", (2, 2)))  # again lets go
    assert "Touch a part" in now(page)
    page.get_by_role("button", name=boxed, exact=True).click()
    assert now(page) == boxed

    frame = page.locator("#match div.frame[data-side=b]")  # keys
    frame.focus()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert now(page).startswith("The centre of B")
    for _ in range(20):
        page.keyboard.press("ArrowUp")
    assert now(page).startswith("The top centre of B")
    page.keyboard.press("Shift+ArrowLeft")
    assert now(page).startswith("The box in the top centre of B")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert page.locator("#match .pins li").count() == 2
    held = now(page)
    page.mouse.move(*at(page, "a", (2, 2)))  # what is held stays, whatever the pointer goes over
    page.mouse.move(5, 5)
    assert now(page) == held
    page.locator("#match .pins .remove").first.click()
    assert page.locator("#match .pins li").count() == 1
    focused = "document.activeElement.className"
    assert page.evaluate(focused) == "remove"
    page.keyboard.press("Enter")
    assert page.locator("#match .pins li").count() == 0
    assert page.evaluate(focused) == "pin"
    page.locator("#match div.frame[data-side=a]").focus()
    page.keyboard.press("Escape")
    assert "Touch a part" in now(page)
    assert requests == []


def test_words_light_their_region_and_regions_their_words(page):
    choose_preset(page, "“a cup of coffee”")
    page.wait_for_selector("#pair blockquote")
    opened(page)
    word = page.locator("#match .word", has_text="coffee")
    page.locator("#match figure[data-side=b] .word").first.wait_for()
    blank = page.evaluate(INK, "a")
    word.hover()
    assert now(page).startswith("“coffee” goes with the")
    assert page.evaluate(INK, "a") != blank
    assert "touched" in word.get_attribute("class")
    page.mouse.move(*at(page, "a", (8, 12)))
    assert "“coffee”" in now(page)
    assert word.evaluate("e => e.style.backgroundColor") != ""
    page.locator("#match .word").first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert now(page).startswith("“coffee”")
    page.keyboard.press("Enter")
    assert page.locator("#match .pins li").count() == 1
    page.keyboard.press("Escape")
    assert "Touch a part" in now(page)
    page.locator("#match .line-of-words").evaluate("line => { line.dir = 'rtl'; }")  # the next word is to the left
    page.locator("#match .word").first.focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("[...document.querySelectorAll('#match .word')].indexOf(document.activeElement)") == 1


def test_a_match_that_does_not_come_says_so(page):
    opened(page)
    page.route("**/*-match.json", lambda route: route.abort())
    choose_preset(page, "“a cup of coffee”")
    says(page, "#match .empty", "The match could not be loaded; open the example again.")
    page.locator("#match .two").wait_for(state="hidden")
    assert all("Failed to load" in said for said in page.complaints)  # as any browser says of a request without answer
    page.complaints.clear()


def test_a_run_of_ones_own_is_matched_at_its_price(page):
    preset, masking = preset_named(FIRST_PRESET), MaskSettings(n_masks=40)
    press_run(page, 40)
    wait_done(page, 40)
    page.get_by_role("tab", name="Match").click()
    says(page, "#match .empty", "A match takes as many")
    says(page, "#match-run", "Match the two: 40 masks")
    page.locator("#match-run").click()
    page.locator("#match .two").wait_for()
    one, other = (
        explorer.probe(asset_path(name), encoder=preset.encoder, masking=masking)
        for name in (preset.image, preset.reference)
    )
    assert page.locator("#match-says").inner_text() == explorer.match(one, other).says
    says(page, "#match-status", "40 masks")
    page.wait_for_function("document.querySelector('#match-run').innerText === 'Match the two'")


def test_with_nothing_in_common_it_says_so_and_lights_nothing(chromium, served):
    page = chromium.new_page(390, 844)
    page.set_default_timeout(60_000)
    wire = match_of(FIRST_PRESET) | {
        "no_signal": "The two have nothing in common.",
        "says": "The two have nothing in common.",
    }
    page.route("**/*-match.json", lambda route: route.fulfill(body=json.dumps(wire), content_type="application/json"))
    page.goto(f"{served.url}/#match")
    page.locator("#match .matched, #match .empty").first.wait_for(state="attached")
    page.evaluate("document.querySelector('.match-title').scrollIntoView()")  # what is out of sight is not drawn
    page.locator("#match .two").wait_for()
    assert page.locator("#match-says").inner_text() == wire["says"]
    page.locator("#match .two").scroll_into_view_if_needed()
    blank = inks(page)
    page.mouse.click(*at(page, "a", (8, 12)))
    assert "nothing goes with it" in now(page)
    assert inks(page) == blank
    assert page.locator("#match .pin").is_disabled()
    assert_no_scrolling(page)
    tops = page.evaluate("[...document.querySelectorAll('#tabs button[role=tab]')].map(tab => tab.offsetTop)")
    assert len(set(tops)) <= 2
