"""The instrument where something is late, missing, undefined, held fixed or unusually large; and what it reads out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import FINISHED
from .driving import STATE, choose_preset, ink, painted
from .test_instrument import slide

pytestmark = pytest.mark.browser

STORE = "const { store } = await import(new URL('browser/instrument/store.js', document.baseURI));"
UNLOADED = "This part of the page could not be loaded; reload the page."


def do(page: Any, code: str, given: Any = None) -> Any:
    """Run code that knows the page's ``store``, and wait until it is painted."""
    found = page.evaluate(f"async (given) => {{ {STORE} {code} }}", given)
    painted(page)
    return found


@pytest.fixture
def fresh(chromium, served):
    """Opens the app in pages of their own, with routes set before; `(path, {pattern: handler}, **context)`."""
    contexts = []

    def opened(path: str = "", routes: dict[str, Any] | None = None, **options: Any) -> Any:
        contexts.append(chromium.new_context(viewport={"width": 1400, "height": 1000}, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(120_000)
        for pattern, handler in (routes or {}).items():
            page.route(pattern, handler)
        page.goto(f"{served.url}/{path}")
        return page

    yield opened
    for context in contexts:
        context.close()


# Late, missing


def test_the_last_of_two_examples_chosen_quickly_is_shown(page):
    held: list[Any] = []
    page.route("**/replay/*", lambda route: held.append(route))
    for count, title in enumerate(("Cheetah and lion", "Cat and cheetah"), 1):
        choose_preset(page, title)
        for _ in range(300):
            if len(held) == count:
                break
            page.wait_for_timeout(50)
    assert [route.request.url.split("/")[-1] for route in held] == ["cheetah-lion.json", "cat-cheetah.json"]
    before = page.locator("#pair b").inner_text()
    held[0].continue_()
    page.wait_for_timeout(1000)
    held[1].continue_()
    page.wait_for_function("b => document.querySelector('#pair b').innerText !== b", arg=before)
    page.wait_for_timeout(500)
    assert page.evaluate(STATE, "result.picture_name") == "cat.jpg"


def test_what_cannot_be_loaded_says_so(fresh):
    page = fresh(routes={"**/browser/instrument/histogram.js": lambda route: route.abort()})
    page.wait_for_function("text => document.querySelector('#instrument')?.innerText.includes(text)", arg=UNLOADED)

    page = fresh(routes={"**/replay/*": lambda route: route.abort()})
    line = page.locator(".not-loaded")
    line.get_by_text(UNLOADED).wait_for()  # not as hidden as the panels that wait for it
    assert line.get_attribute("role") == "alert"
    page.unroute("**/replay/*")
    choose_preset(page, "Cheetah and lion")
    page.wait_for_function(FINISHED)
    assert not line.is_visible()


def test_one_listener_that_fails_does_not_silence_the_others(page):
    do(
        page,
        """window.heard = 0;
        store.subscribe(["opacity"], () => { throw new Error("a listener failed"); });
        store.subscribe(["opacity"], () => (window.heard += 1));
        store.set({ opacity: 0.3 });""",
    )
    assert page.evaluate("window.heard") == 1
    assert "a listener failed" in page.complaints.pop()


# What the result says of itself


def test_notices_are_shown(fresh):
    def answer(route: Any) -> None:
        wire = json.loads(route.fetch().text())
        notices = ["The caption was cut <b>here</b>."]
        route.fulfill(json={**wire, "notices": notices, "identical": True})

    page = fresh(routes={"**/replay/*": answer})
    page.wait_for_function(FINISHED)
    assert page.locator("#pair .notices li").all_inner_texts() == [
        "The caption was cut <b>here</b>.",
        "Identical inputs: the distance before masking is 0.",
    ]


def test_the_pair_stays_while_masks_come_in(page):
    page.evaluate("document.querySelector('#pair .compared img').dataset.first = 'yes'")
    do(page, "store.set({ result: { ...store.state.result, n: 500, cache: new Map() } });")
    assert page.locator("#pair .compared img").get_attribute("data-first") == "yes"
    assert page.locator("#pair .notices li").count() == 0


def test_a_copy_without_length_has_no_distance(page):
    do(
        page,
        """const { result } = store.state, plane = result.plane.slice();
        plane.fill(0, 0, 2);
        store.set({ result: { ...result, plane, whole: [0, 0], cache: new Map() } });""",
    )
    assert page.locator("#pair b").inner_text() == "undefined"
    assert "the angle to it is undefined" in page.locator("#instrument .flat").inner_text()
    label = page.locator("#histogram-canvas").get_attribute("aria-label")
    assert label.endswith("the whole picture lies at undefined.")
    everything = page.evaluate(
        """() => document.querySelector('#instrument').innerText
            + [...document.querySelectorAll('#instrument [aria-label]')].map(e => e.ariaLabel).join()"""
    )
    assert "NaN" not in everything


# Few masks, and maps of nothing


def test_few_masks_are_not_judged(page):
    slide(page, "scrubber", 10)
    page.wait_for_function("document.querySelector('#agreed').innerText === 'Too few masks to say.'")
    assert not page.locator("#meter .gauge >> visible=true").count()
    slide(page, "threshold", 0.05)
    slide(page, "scrubber", 20)
    page.wait_for_function("document.querySelector('#agreed').innerText.includes('runs of 20 masks')")
    assert "mostly noise still at this point of the build-up." in page.locator("#agreed").inner_text()
    page.locator("#map-frame").click()
    painted(page)
    assert "the 1 copy that counts as close kept" in page.locator("#inspect-sum").inner_text()
    assert "1 counts as close" in page.locator("#histogram figcaption").inner_text()


def test_a_map_of_one_side_says_so(page):
    """Of 10 copies, a threshold of 5 % takes none of the closest and, as the slices are cut, one of the farthest."""
    slide(page, "scrubber", 10)
    slide(page, "threshold", 0.05)
    page.wait_for_function("document.querySelector('#map-words').innerText.includes('The closest side is empty')")
    slide(page, "threshold", 0.1)
    page.wait_for_function("!document.querySelector('#map-words').innerText.includes('side is empty')")


def test_no_signal_has_no_agreement(page):
    do(page, "store.select({ closest: [0.2, 0.4], farthest: [0.2, 0.4] });")
    why = "No mask is selected, or the two slices cancel."
    assert why in page.locator("#instrument .flat").inner_text()
    page.locator("#map-frame").click()
    painted(page)
    assert page.locator("#inspect-sum").inner_text() == why
    page.wait_for_function("document.querySelector('#agreed').innerText === ''")
    assert not page.locator("#meter .gauge >> visible=true").count()
    do(page, "store.select({ closest: null, farthest: null }); store.set({ upto: 1 });")
    assert "One mask alone cannot be ranked." in page.locator("#instrument .flat").inner_text()


# Controls


def test_slices_being_typed_stay(page):
    page.get_by_text("Select slices by number").click()
    low, high, word = (
        page.get_by_label("closest from"),
        page.get_by_label("closest to"),
        page.locator(".slices [role=alert]"),
    )
    low.fill("50")
    high.focus()
    slide(page, "scrubber", 500)
    do(page, "store.select({ threshold: 0.2 });")
    assert low.input_value() == "50"
    high.fill("20")
    high.press("Enter")
    assert [field.get_attribute("aria-invalid") for field in (low, high)] == ["true", "true"]
    assert "from a lower to a higher share" in word.inner_text()
    assert page.evaluate(STATE, "selection.closest") is None
    high.fill("80")
    high.press("Enter")
    painted(page)
    assert page.evaluate(STATE, "selection.closest") == [0.5, 0.8]
    assert [low.get_attribute("aria-invalid"), word.inner_text()] == ["false", ""]
    low.fill("90")
    low.press("Enter")
    low.blur()
    assert "from a lower to a higher share" in word.inner_text()
    do(page, "store.select({ closest: [0.1, 0.2] });")  # as the brush does
    assert [low.input_value(), high.input_value(), word.inner_text()] == ["10", "20", ""]
    for field in (low, high):
        field.fill("")
        field.press("Enter")
    assert page.evaluate(STATE, "selection.closest") is None
    do(page, "store.select({ closest: [0.1, 0.2] });")
    page.get_by_role("button", name="Back to the mode").click()
    painted(page)
    assert page.evaluate("document.activeElement.textContent") == "Select slices by number"
    assert low.input_value() == ""


def test_escape_ends_a_brush(page):
    page.locator("#histogram-canvas").scroll_into_view_if_needed()
    box = page.locator("#histogram-canvas").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 300, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, y, steps=4)
    painted(page)
    assert page.locator("#mode .chosen").inner_text() == "slice"
    page.keyboard.press("Escape")
    page.mouse.move(box["x"] + 600, y, steps=4)
    page.mouse.up()
    painted(page)
    assert page.locator("#mode .chosen").inner_text() == "mirror"


def test_the_threshold_is_off_under_slices_of_a_mode_without_one(page):
    do(page, "store.select({ mode: 'rank_weighted', closest: [0.2, 0.4] });")
    assert page.locator("#instrument-threshold").is_disabled()
    do(page, "store.select({ mode: 'mirror' });")
    assert page.locator("#instrument-threshold").is_enabled()


def test_play_gives_way(page):
    page.get_by_role("button", name="play").click()
    page.wait_for_timeout(300)
    do(page, "store.set({ upto: 321 });")
    page.wait_for_timeout(500)
    assert page.evaluate(STATE, "upto") == 321
    assert page.locator(".play").inner_text() == "▶ play"


def test_play_with_little_motion_goes_in_steps(fresh):
    page = fresh(reduced_motion="reduce")
    page.wait_for_function(FINISHED)
    do(page, "window.seen = []; store.subscribe(['upto'], ({ upto }) => window.seen.push(upto));")
    page.get_by_role("button", name="play").click()
    page.wait_for_function("document.querySelector('.play').innerText.includes('play')")
    painted(page)
    assert page.evaluate("window.seen") == [2, 3, 10, 32, 100, 316, None]


def test_a_pin_keeps_a_name(page):
    pin = page.locator(".stage .pin")
    pin.get_by_role("button").click()
    pin.get_by_text("1 of at most 8").wait_for()
    page.get_by_role("tab", name="Compare").click()
    label = page.locator("#board .cards input")
    before = label.input_value()
    label.fill("  ")
    label.press("Enter")
    assert label.input_value() == before
    label.fill("mine")
    label.press("Enter")
    page.get_by_label("Remove “mine”").wait_for()


# What is read out


def test_what_is_read_out_does_not_chatter(page):
    """A live region speaks at every change of its text: while a control is dragged it is silent, or stays the same."""
    page.locator("#map-frame").click()
    painted(page)
    assert page.locator("#inspect-sum").get_attribute("aria-live") == "polite"
    page.evaluate(
        """() => {
            window.spoken = [];
            const silent = '[aria-live=off]', live = '[aria-live=polite], [role=status], [role=alert], output';
            new MutationObserver(changes => changes.forEach(({ target }) => {
                const place = (target.closest ? target : target.parentElement)?.closest(`${silent}, ${live}`);
                if (place && !place.matches(silent)) window.spoken.push(place.outerHTML);
            })).observe(document.body, { childList: true, characterData: true, subtree: true });
        }"""
    )
    for value in (0.2, 0.3):
        slide(page, "threshold", value)
        painted(page)
    slide(page, "opacity", 0.4)
    painted(page)
    slide(page, "scrubber", 400)
    page.wait_for_timeout(300)
    assert page.evaluate("window.spoken") == []


def test_the_answer_to_a_press_stays_while_masks_come_in(page):
    button, said = page.locator(".stage .pin button"), page.locator(".stage .pin [role=status]")
    button.click()
    painted(page)
    button.click()
    do(page, "store.set({ result: { ...store.state.result } });")
    assert said.inner_text().startswith("Pinned already")


# Held fixed


def test_sweeps_hold_what_a_link_holds(fresh):
    page = fresh("?lock=threshold&preset=two-cat")
    page.wait_for_function(FINISHED)
    page.wait_for_function("document.documentElement.dataset.away === 'threshold'")
    assert not page.locator(".slices").is_visible()
    assert page.locator(".plot").evaluate("plot => getComputedStyle(plot).pointerEvents") == "none"
    page.get_by_role("tab", name="Sweeps").click()
    for sweep in ("thresholds", "slices"):
        page.locator(f"input[name=sweep-choice][value={sweep}]").check()
        page.locator("#sweep-grid button.tile:not(.current)").first.click()
        page.locator("#sweep-grid .about").get_by_text("cannot be loaded here").wait_for()
        assert page.evaluate(STATE, "selection.threshold") == 0.1
        assert page.evaluate(STATE, "selection.closest") is None
    page.locator("input[name=sweep-choice][value=sides]").check()
    page.locator("#sweep-grid .about").get_by_text("cannot be loaded here").wait_for(state="hidden")
    page.locator("#sweep-grid button.tile").first.click()  # another mode, which is free
    page.locator(".from-sweep").get_by_text("Loaded from the sweep").wait_for()
    assert page.evaluate(STATE, "selection.mode") == "closest"


# Sizes


def test_small_pictures_are_painted_as_large_as_others(page):
    size = page.evaluate(
        """async () => {
            const { fit } = await import(new URL('browser/instrument/paint.js', document.baseURI));
            const canvas = document.createElement('canvas');
            fit(canvas, { image: { naturalWidth: 16, naturalHeight: 32 } });
            return [canvas.width, canvas.height];
        }"""
    )
    assert size == [224, 448]


def test_words_on_canvases_grow_with_the_page(page):
    tall = "document.querySelector('#histogram-canvas').height"
    before, drawn = page.evaluate(tall), ink(page, "histogram-canvas")
    page.evaluate("document.documentElement.style.fontSize = '24px'")
    page.wait_for_function(f"{tall} === {before * 1.5}")
    assert ink(page, "histogram-canvas") != drawn
    page.locator("#histogram-canvas").scroll_into_view_if_needed()
    box = page.locator("#histogram-canvas").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 40, box["y"] + 100, steps=4)
    page.mouse.up()
    painted(page)
    assert page.evaluate(STATE, "selection.closest") == [0, 1]  # the brush measures as the axis does
