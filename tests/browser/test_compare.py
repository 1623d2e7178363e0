"""The Compare tab by hand: pins, two references for one picture, both directions; Python's numbers are the truth."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explorer.core.rank import rank_against
from explorer.core.selections import SelectionSettings
from explorer.pictures.examples import preset_named
from explorer.results.links import preset_recipe
from explorer.results.wire import load_replay, replay_of, unpack
from tests.oracles.differences import differences

from .driving import (
    FIRST_ENCODER,
    assert_no_scrolling,
    choose_preset,
    count_forward,
    in_both_themes,
    press_run,
    toast,
    wait_done,
)

pytestmark = pytest.mark.browser
PATIENCE = 180_000

INK = """canvas => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((sum, value, i) => (sum * 31 + value + (i & 3)) % 1000000007, 7);
}"""
"""A number that changes with a canvas's pixels."""


def ink(page, canvas: str) -> int:
    return page.locator(canvas).evaluate(INK)


def wait_repainted(page, canvas: str, before: int) -> None:
    page.wait_for_function(f"([c, b]) => ({INK})(document.querySelector(c)) !== b", arg=[canvas, before])


def open_compare(page) -> None:
    page.get_by_role("tab", name="Compare").click()
    page.locator("#board .cards").wait_for()


def press_pin(page, wanted: int) -> None:
    page.locator("#board .pin button").click()
    page.wait_for_function("n => document.querySelectorAll('#board .cards li').length === n + 1", arg=wanted)


def choose(page, key: str, title: str) -> None:
    """Start from an example, and wait until its result is on screen."""
    choose_preset(page, title)
    page.wait_for_function(
        """async id =>
        (await import(new URL('browser/instrument/store.js', document.baseURI))).store.state.result.id === id""",
        arg=load_replay(replay_of(key))["id"],
    )
    story = preset_named(key).story
    page.wait_for_function("story => document.querySelector('#story').innerText.trim() === story", arg=story)
    page.wait_for_timeout(500)  # what else its update brings is set in the same turn


def run_masks(page, count: int) -> None:
    press_run(page, count)
    wait_done(page, count)


def says(page, place: str, text: str) -> None:
    """Wait until a place says it; what is out of sight is not kept up to date."""
    page.locator(place).first.scroll_into_view_if_needed()
    page.wait_for_function(
        "([p, t]) => document.querySelector(p)?.innerText.includes(t)", arg=[place, text], timeout=PATIENCE
    )


def relative(key: str, **selection: object) -> np.ndarray:
    """The map of a shipped result, as Python makes it."""
    return rank_against(*unpack(load_replay(replay_of(key))), SelectionSettings(**selection)).relative


def correlation(a: np.ndarray, b: np.ndarray) -> str:
    r = np.corrcoef(a.ravel(), b.ravel())[0, 1]
    return f"Correlation {'−' if r < 0 else ''}{abs(r):.2f}:"


# Pins


def test_two_settings_side_by_side(page):
    open_compare(page)
    assert "Nothing is pinned yet" in page.locator("#board .empty >> nth=0").inner_text()
    press_pin(page, 1)
    assert not page.locator("#board .empty >> nth=0").is_visible()
    page.locator("#board-mode-pins").select_option("closest")
    page.locator("#instrument-board-threshold-pins").focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    says(page, "#board .cards li[data-pin=live] .facts", "closest 12 %, 1000 masks")
    press_pin(page, 2)

    titles = page.locator("#board .cards input").evaluate_all("labels => labels.map(l => l.value)")
    assert [title.split(". ")[1] for title in titles] == ["espresso.jpg, mirror 10 %", "espresso.jpg, closest 12 %"]
    page.locator("#board-A").select_option(label=titles[0])
    page.locator("#board-B").select_option(label=titles[1])

    plain = preset_recipe("two-espresso")
    other = replace(plain, selection=SelectionSettings(mode="closest", threshold=0.12))
    assert page.locator("#board .settings li").all_inner_texts() == differences(plain, other)
    ours, theirs = relative("two-espresso"), relative("two-espresso", mode="closest", threshold=0.12)
    assert page.locator("#board .alike").inner_text().startswith(correlation(ours, theirs))
    limit = max(np.abs(ours).max(), np.abs(theirs).max())
    assert f"+{limit:.2f} brings closer" in page.locator("#board .cards + .scale-of").inner_text()
    assert f"+{np.abs(ours - theirs).max():.2f} A higher" in page.locator("#board .difference").inner_text()

    page.get_by_role("button", name="Swap A and B").click()
    assert page.locator("#board .settings li").all_inner_texts() == differences(other, plain)


def test_a_pin_stays_as_it_was(page):
    open_compare(page)
    press_pin(page, 1)
    says(page, "#board .pair-of-pins", "The two maps are the same.")
    assert "1.00: the same map" in page.locator("#board .alike").inner_text()
    assert "No setting differs" in page.locator("#board .pair-of-pins").inner_text()
    pinned, live = "#board .cards li:not([data-pin=live]) canvas", "#board .cards li[data-pin=live] canvas"
    before = ink(page, pinned)
    assert ink(page, live) == before
    page.locator("#board-mode-pins").select_option("farthest")  # its map is fainter: the scale is the pin's
    says(page, "#board .cards li[data-pin=live] .facts", "farthest 10 %")
    assert ink(page, live) != before
    assert ink(page, pinned) == before


def test_pins_survive_another_example(page):
    open_compare(page)
    press_pin(page, 1)
    facts = page.locator("#board .cards li:not([data-pin=live]) .facts").inner_text()
    choose(page, "cheetah-lion", "Cheetah and lion")
    says(page, "#board .cards li[data-pin=live] .facts", "cheetah_face.jpg against lion.jpg")
    assert page.locator("#board .cards li:not([data-pin=live]) .facts").inner_text() == facts
    assert "different pictures" in page.locator("#board .pair-of-pins .empty").inner_text()
    assert not page.locator("#board .difference").is_visible()
    assert page.locator("#board .settings li").all_inner_texts() == differences(
        preset_recipe("cheetah-lion"), preset_recipe("two-espresso")
    )


def test_a_pin_made_before_the_tab_was_opened(page):
    page.locator("#instrument .pin button").click()
    says(page, "#instrument .pin", "1 of at most 8 pinned")
    open_compare(page)
    page.wait_for_function("document.querySelectorAll('#board .cards li').length === 2")


def test_eight_pins_a_label_and_removal(page):
    open_compare(page)
    press_pin(page, 1)
    page.locator("#board .pin button").click()
    says(page, "#board .pin", "Pinned already")
    for wanted in range(2, 9):
        page.locator("#instrument-board-threshold-pins").focus()
        page.keyboard.press("ArrowRight")
        says(page, "#board .look", f"{9 + wanted} %")
        press_pin(page, wanted)
    page.locator("#instrument-board-threshold-pins").focus()
    page.keyboard.press("ArrowRight")
    says(page, "#board .look", "18 %")
    page.locator("#board .pin button").click()
    says(page, "#board .pin", "8 pins are the most")
    assert page.locator("#board .cards li").count() == 9

    label = page.locator("#board .cards input").first
    label.fill("the first <b>one</b>")
    label.press("Enter")
    page.wait_for_function("document.querySelector('#board-A').options[1].text === 'the first <b>one</b>'")
    page.get_by_role("button", name="Remove “the first <b>one</b>”").click()
    says(page, "#board .pin", "7 of at most 8 pinned")
    assert page.locator("#board .cards li").count() == 8
    assert page.evaluate("document.activeElement.textContent") == "Pin this result"


def test_by_keyboard_alone(page):
    def reach(selector: str, key: str = "Tab") -> None:
        for _ in range(150):
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
            page.keyboard.press(key)
        pytest.fail(f"{selector} is out of the keyboard's reach")

    reach("#compare-tab-button")
    page.keyboard.press("Enter")
    page.locator("#board .cards").wait_for()
    reach("#board .pin button")
    page.keyboard.press("Enter")
    says(page, "#board .pin", "1 of at most 8")
    reach("#instrument-board-threshold-pins")
    page.keyboard.press("ArrowRight")
    says(page, "#board .cards li[data-pin=live] .facts", "mirror 11 %")
    assert page.locator("#board .settings li").all_inner_texts() == ["threshold 0.11 against 0.1"]
    reach("#board-A")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("document.querySelector('#board .alike').textContent.includes('1.00')")
    reach("#board .remove", "Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelectorAll('#board .cards li').length === 1")
    reach("#board-contrast .offers button")
    page.keyboard.press("Space")
    says(page, "#board-contrast", "B against cat.jpg")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"


# Contrast


def test_contrast_of_an_example(page, monkeypatch):
    rows = count_forward(monkeypatch, FIRST_ENCODER)
    open_compare(page)
    offers = page.locator("#board-contrast .offers button")
    assert offers.all_inner_texts() == ["cat.jpg"]
    says(page, "#board-contrast", "any other one needs Run first")
    offers.click()
    says(page, "#board-contrast .alike", correlation(relative("two-espresso"), relative("two-cat")))
    assert page.locator("#board-contrast figure").count() == 3
    before = ink(page, "#board-contrast .difference canvas")
    page.locator("#instrument-board-threshold-contrast").focus()
    page.keyboard.press("ArrowRight")
    there = relative("two-espresso", threshold=0.11), relative("two-cat", threshold=0.11)
    says(page, "#board-contrast .difference", f"+{np.abs(there[0] - there[1]).max():.2f} A higher")
    wait_repainted(page, "#board-contrast .difference canvas", before)
    page.locator("#board-mode-contrast").select_option("rank_weighted")
    ranked = [relative(key, mode="rank_weighted") for key in ("two-espresso", "two-cat")]
    says(page, "#board-contrast .alike", correlation(*ranked))
    assert rows == []


def test_contrast_of_an_example_with_anything_needs_a_run(page):
    open_compare(page)
    page.locator("#rival-kind").get_by_text("a caption").click()
    box = page.locator("#rival-caption textarea, #rival-caption input").first
    box.fill("a fly")
    page.locator("#contrast").click()
    assert "press Run first" in toast(page)
    assert not page.locator("#board-contrast figure >> nth=0").is_visible()


def test_contrast_after_a_run_embeds_no_mask_again(page, assets: Path, monkeypatch):
    run_masks(page, 60)
    open_compare(page)
    page.wait_for_function("!document.querySelector('#board-contrast').innerText.includes('needs Run first')")
    page.locator("#contrast").click()
    assert "Add the second picture" in toast(page)
    rows = count_forward(monkeypatch, FIRST_ENCODER)
    page.locator("#rival-picture input[type=file]").set_input_files(assets / "rocket.jpg")
    page.wait_for_function("document.querySelector('#rival-picture img')?.complete")
    page.locator("#contrast").click()
    says(page, "#board-contrast", "B against rocket.jpg")
    assert rows == [1]  # the reference
    assert page.locator("#board-contrast .alike").inner_text().startswith("Correlation")

    page.locator("#board-contrast .offers button").click()  # the example's 1000 masks begin with these 60
    says(page, "#board-contrast", "Both by their first 60 masks: A has 60, B 1000.")
    page.locator("#rival-kind").get_by_text("a caption").click()
    page.locator("#rival-caption textarea, #rival-caption input").first.fill("a fly")
    page.locator("#contrast").click()
    assert "caption" in toast(page)
    assert sum(rows) == 1


def test_contrast_of_captions(page, monkeypatch):
    choose(page, "two-caption-cat", "“a cat”")
    run_masks(page, 60)
    rows = count_forward(monkeypatch, "conse-lite0")
    open_compare(page)
    page.locator("#rival-kind").get_by_text("a caption").click()
    box = page.locator("#rival-caption textarea, #rival-caption input").first
    box.fill("a fly <i>")
    box.press("Enter")
    says(page, "#board-contrast", "B against “a fly <i>”")
    assert rows == []
    page.wait_for_function("document.querySelector('#explain-reference').disabled")
    says(page, "#board-reverse", "a caption has no regions to hide")


# Both directions


def test_both_directions(page, monkeypatch):
    run_masks(page, 60)
    rows = count_forward(monkeypatch, FIRST_ENCODER)
    open_compare(page)
    says(page, "#board-reverse", "So far only cat_and_espresso.jpg is explained")
    button = page.get_by_role("button", name=re.compile("^Explain the reference too: 60 masks, about [0-9]+ s$"))
    button.click()
    says(page, "#reverse-status", "60 masks; 60 embedded")
    says(page, "#board-reverse", "B explained by A: espresso.jpg by cat_and_espresso.jpg")
    assert sum(rows) == 60 + 2  # the masks, the reference and the whole picture; nothing of the first direction
    shown = page.evaluate(
        """async () => {
            const { store } = await import(new URL('browser/instrument/store.js', document.baseURI));
            const { wholeDistance } = await import(new URL('browser/instrument/maths.js', document.baseURI));
            const { result, reverse } = store.state;
            const names = [result, reverse].map(r => [r.picture_name, r.reference_name, r.n]);
            return [wholeDistance(result, 'cosine'), wholeDistance(reverse, 'cosine'), ...names];
        }"""
    )
    assert shown[0] == pytest.approx(shown[1], abs=1e-6)
    pair = ["cat_and_espresso.jpg", "espresso.jpg"]
    assert shown[2:] == [[*pair, 60], [*reversed(pair), 60]]
    assert page.locator("#board-reverse .distance b").inner_text() == f"{shown[0]:.4f}"

    before = ink(page, "#board-reverse [data-side=B] canvas")
    page.locator("#board-mode-reverse").select_option("farthest")
    wait_repainted(page, "#board-reverse [data-side=B] canvas", before)


def test_the_other_direction_of_an_example_can_be_stopped(page):
    choose(page, "cheetah-lion", "Cheetah and lion")
    open_compare(page)
    page.get_by_role("button", name=re.compile("^Explain the reference too: 1000 masks")).click()
    page.wait_for_function(
        "/^[1-9][0-9]* of 1000/.test(document.querySelector('#reverse-status').innerText.trim())", timeout=PATIENCE
    )
    page.locator(".running", has_text="of 1000 masks").get_by_role("button").click()  # the one Stop comes along
    page.wait_for_function(
        "/Stopped at [1-9][0-9]* of 1000/.test(document.querySelector('#reverse-status').innerText)", timeout=PATIENCE
    )
    kept = re.search("at ([0-9]+) of", page.locator("#reverse-status").inner_text())[1]
    says(page, "#board-reverse", f"A is explained by 1000 masks, B by {kept} so far.")
    says(page, "#board-reverse", "B explained by A: lion.jpg by cheetah_face.jpg")
    choose(page, "cat-cheetah", "Cat and cheetah")  # another pair: the reverse is not its
    says(page, "#board-reverse", "So far only cat.jpg is explained")


# Looks


def test_on_a_phone_nothing_scrolls_sideways(chromium, served):
    page = chromium.new_page(390, 844)
    page.set_default_timeout(60_000)
    page.goto(f"{served.url}/?__theme=light")
    page.wait_for_function("document.querySelector('#map-words')?.textContent")
    open_compare(page)
    press_pin(page, 1)
    page.locator("#board-contrast .offers button").click()
    says(page, "#board-contrast", "B against cat.jpg")
    for theme in in_both_themes(page):
        assert_no_scrolling(page, theme)


def test_every_picture_and_control_has_a_name(page):
    open_compare(page)
    press_pin(page, 1)
    page.locator("#board-contrast .offers button").click()
    says(page, "#board-contrast", "B against cat.jpg")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('#compare-tab :is(canvas, select, input, button)')]
            .filter(e => e.checkVisibility() && !(e.ariaLabel || e.labels?.length || e.textContent.trim()))
            .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert unnamed == []
    maps = page.locator("#board canvas").evaluate_all("all => all.map(c => c.getAttribute('aria-label'))")
    assert all("brings the pair closer" in label or "same" in label for label in maps)
