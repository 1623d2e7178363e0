"""The Words tab by hand: against a picture and a sentence, Stop, bad input; Python's numbers are the truth."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest

from explorer.core.masks import MaskSettings
from explorer.core.selections import SelectionSettings
from explorer.core.sentences import WordsExplanation
from explorer.encoders.cards import load_encoder
from explorer.pictures.examples import asset_path
from explorer.verbs import explain_words

from .conftest import FINISHED
from .driving import assert_no_scrolling, in_both_themes, press_run
from .test_accessible import barriers

pytestmark = pytest.mark.browser
PATIENCE = 90_000
LONG = "the small grey cat that slept all day on the warm bonnet of a red car"
LABEL = re.compile(r"^(.*): ([+−]\d\.\d\d), (brings it closer|pushes it apart|not settled)$")
KINDS = {"brings it closer": "closer", "pushes it apart": "apart", "not settled": "open"}


@pytest.fixture
def tab(page):
    open_words(page)
    return page


@pytest.fixture
def texts(monkeypatch) -> list[str]:
    """The sentences embedded from now on."""
    encoder, seen = load_encoder("conse-lite0"), []
    plain = encoder.embed_texts

    def counting(given):
        seen.extend(given)
        return plain(given)

    monkeypatch.setattr(encoder, "embed_texts", counting)
    return seen


def open_words(page) -> None:
    page.get_by_role("tab", name="Words").click()
    page.locator("#words .first").wait_for()


def ask(page, sentence: str, other: str | None = None, *, n_masks: int | None = None) -> None:
    page.locator("#words-sentence textarea").fill(sentence)
    if other is not None:
        page.get_by_role("radio", name="another sentence").check()
        page.locator("#words-other textarea").fill(other)
    if n_masks is not None:
        number = page.locator("#words-n-masks input[type=number]")
        number.fill(str(n_masks))
        number.press("Enter")
        number.blur()
        page.wait_for_function(
            "n => document.querySelector('#words-run').innerText.startsWith(`Explain: ${n} `)", arg=n_masks
        )


def run(page) -> None:
    page.locator("#words-run").click()


def done(page, masks: int, first_word: str) -> None:
    says(page, "#words-status", rf"^{masks} masks[;,]")
    page.wait_for_function("w => document.querySelector('#words .word')?.innerText === w", arg=first_word)


def says(page, place: str, text: str) -> None:
    page.wait_for_function(
        "([p, t]) => new RegExp(t).test(document.querySelector(p)?.innerText)", arg=[place, text], timeout=PATIENCE
    )


def chips(page) -> list[tuple[str, str, str]]:
    """(word, value, kind) of each word as a screen reader is told; the class agrees with it."""
    found = []
    for chip in page.locator("#words .word").all():
        word, value, kind = LABEL.match(chip.get_attribute("aria-label")).groups()
        assert KINDS[kind] in chip.get_attribute("class").split()
        assert chip.inner_text() == word
        found.append((word, value, KINDS[kind]))
    return found


def as_shown(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{abs(value):.2f}"


def assert_shows(page, truth: WordsExplanation) -> None:
    shown = chips(page)
    assert [word for word, _, _ in shown] == list(truth.words)
    assert [value for _, value, _ in shown] == [as_shown(value) for value in truth.relative]
    rows = page.locator("#words-table tbody tr").all()
    assert [row.locator("th").inner_text() for row in rows] == list(truth.words)
    assert [row.locator("td").first.inner_text() for row in rows] == [value for _, value, _ in shown]
    assert f"{truth.unmasked_distance:.4f}" in page.locator("#words .compared").inner_text()


def test_against_the_picture_on_screen(tab, texts):
    ask(tab, "a cat beside a red car")
    says(tab, "#words-run", "^Explain: 64 masks")  # as the answer says, though one “a” reads like the other
    says(tab, "#words-n-masks", "has only 64: each way of hiding words")
    assert tab.locator("#words-p-keep input[type=range]").is_disabled()  # all are tried
    run(tab)
    done(tab, 64, "a")
    assert len(texts) == 60
    truth = explain_words("a cat beside a red car", reference=asset_path("cat_and_espresso.jpg"))
    assert_shows(tab, truth)
    kinds = {word: kind for word, _, kind in chips(tab)}
    assert (kinds["cat"], kinds["car"]) == ("closer", "apart")
    said = tab.locator("#words-said").inner_text()
    assert said == "“cat” brings the sentence closer most, and “car” pushes it apart most."
    assert "tried once (64 masks)" in tab.locator("#words .noise").inner_text()
    ranking = [truth.copies[i] or "(no word left)" for i in np.argsort(truth.distances, kind="stable")]
    for end, expected in (("near", ranking), ("far", ranking[::-1])):
        shown = tab.locator(f"#words .{end} li > :first-child").all_inner_texts()
        assert shown == list(dict.fromkeys(expected))[:4]
    assert tab.locator("#words .compared img").evaluate("i => i.naturalWidth") > 50
    says(tab, "#words-run", r"about \d+ s$")  # it is known now what a sentence takes


def test_colours_are_not_alone_and_can_be_read(tab):
    ask(tab, "a cat beside a car", "a kitten")
    run(tab)
    done(tab, 32, "a")
    looks = """all => all.map(e => [e.className.split(' ')[1], getComputedStyle(e)]).map(([kind, s]) =>
        [kind, s.textDecorationStyle, s.textDecorationLine, s.backgroundColor, s.color])"""
    for kind, style, line, background, colour in tab.locator("#words .word").evaluate_all(looks):
        assert line == "underline"
        assert style == {"closer": "solid", "apart": "dashed"}[kind]
        red, _, blue = map(int, re.findall(r"\d+", background))
        assert (red > blue) == (kind == "closer")
        assert contrast(background, colour) >= 4.5


def contrast(first: str, second: str) -> float:
    """WCAG 2.2, of two colours as rgb(...)."""

    def luminance(text: str) -> float:
        channels = [int(c) / 255 for c in re.findall(r"\d+", text)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_ranking_in_another_way_embeds_nothing(tab, texts):
    ask(tab, "a cat beside a car", "a kitten")
    tab.locator("#words-other textarea").press("Enter")
    done(tab, 32, "a")
    before, embedded = chips(tab), len(texts)
    tab.get_by_text("How the sentences are ranked").click()
    tab.locator("#words-mode input").click()
    tab.get_by_role("option", name="farthest").click()
    tab.locator("#words-threshold").wait_for()
    number = tab.locator("#words-threshold input[type=number]")
    number.fill("0.3")
    number.press("Enter")
    says(tab, "#words .noise", "0 masks count as close, 10 as far")
    assert len(texts) == embedded
    truth = explain_words("a cat beside a car", caption="a kitten",
                          selection=SelectionSettings(mode="farthest", threshold=0.3))  # fmt: skip
    assert_shows(tab, truth)
    assert chips(tab) != before


def test_stop_and_go_on(tab, texts, monkeypatch):
    encoder = load_encoder("conse-lite0")
    counting = encoder.embed_texts

    def slow(given):
        time.sleep(0.02 * len(given))
        return counting(given)

    monkeypatch.setattr(encoder, "embed_texts", slow)
    ask(tab, LONG, "a kitten taking a nap", n_masks=150)
    assert tab.locator("#words-p-keep input[type=range]").is_enabled()
    run(tab)
    says(tab, "#words-status", r"^\d+ of 150 masks, about \d+ s left")
    tab.locator("#words .word").first.wait_for()
    tab.locator("#stop").click()
    says(tab, "#words-status", r"Stopped at \d+ of 150 masks; press again to go on")
    kept = int(re.search(r"Stopped at (\d+)", tab.locator("#words-status").inner_text()).group(1))
    assert 0 < kept < 150
    says(tab, "#words .noise", rf"^{kept} of 150 masks: chance alone moves a word by about ±0")
    tab.wait_for_timeout(1000)
    monkeypatch.setattr(encoder, "embed_texts", counting)
    run(tab)
    done(tab, 150, "the")
    truth = explain_words(LONG, caption="a kitten taking a nap", masking=MaskSettings(n_masks=150))
    assert_shows(tab, truth)
    settled = [abs(value) > 2 * truth.chance for value in truth.relative]
    assert [kind != "open" for _, _, kind in chips(tab)] == settled
    assert True in settled
    assert False in settled
    assert texts.count(texts[1]) == 2  # the first masked sentence: once by the page, though stopped, once by the truth


def test_stop_here_ends_a_run_begun_elsewhere(page):
    page.get_by_text("Advanced").click()
    page.locator("#seed input").fill("4711")
    page.locator("#seed input").blur()
    press_run(page, 2000)
    says(page, "#status", r"^[1-9]\d* of 2000")
    page.get_by_role("tab", name="Words").first.click()
    page.locator("#words-run").wait_for()
    # The left column, its Run and its encoder are those of the tab at hand, and Stop is one for all.
    shown = page.locator("button:visible").all_inner_texts()
    assert [text.split(":")[0] for text in shown if re.match("Run|Explain|Stop", text)] == ["Explain", "Stop"]
    encoders = [page.locator(f"{place} input").first.is_visible() for place in ("#words-encoder", "#encoder")]
    assert encoders == [True, False]
    assert not page.locator("#picture").is_visible()
    page.locator("#stop").click()
    page.wait_for_function(
        "/Stopped at [1-9][0-9]* of 2000 masks; Run goes on/.test(document.querySelector('#status').textContent)"
    )
    page.wait_for_timeout(1000)  # and no late word takes its place
    page.get_by_role("tab", name="Explore").first.click()
    assert "Stopped at" in page.locator("#status").inner_text()
    assert page.locator("#encoder input").is_visible()
    assert not page.locator("#words-encoder").is_visible()
    assert page.locator("#run").is_visible()
    assert not page.locator("#words-run").is_visible()


def test_bad_input_keeps_what_was_there(tab):
    ask(tab, "a cat", "a kitten")
    run(tab)
    done(tab, 4, "a")
    before = chips(tab)
    for sentence, other, message in (
        ("   ", "a kitten", "The sentence is empty"),
        ("x" * 501, "a kitten", "the limit is 500 characters"),
        ("a cat", "  ", "The other sentence is empty"),
        ("a cat", "y" * 501, "501 characters; the limit is 500"),
    ):
        ask(tab, sentence, other)
        run(tab)
        says(tab, "#words-status", f"could not be run: .*{message}")
        assert chips(tab) == before
    ask(tab, "cat", "a kitten")
    run(tab)
    done(tab, 2, "cat")
    assert "one word" in tab.locator("#words .notices").inner_text()


def test_markup_stays_text(tab):
    tab.evaluate("() => { window.alert = () => { window.alerted = true } }")
    sentence = "<img/src=x/onerror=alert(1)> a <b>cat</b>"
    ask(tab, sentence, "<script>alert(1)</script>")
    run(tab)
    done(tab, 8, "<img/src=x/onerror=alert(1)>")
    assert [word for word, _, _ in chips(tab)] == sentence.split()
    assert "“<script>alert(1)</script>”" in tab.locator("#words .compared").evaluate(
        "e => { const q = e.querySelector('q'); return `“${q.textContent}”` }"
    )
    assert tab.evaluate("window.alerted") is None


def test_by_keyboard_and_right_to_left(tab):
    ask(tab, "قطة تنام cat", "a kitten")
    run(tab)
    done(tab, 8, "قطة")
    assert tab.locator("#words .line-of-words").evaluate("e => getComputedStyle(e).direction") == "rtl"
    tab.locator("#words .word").first.focus()
    focused = "document.activeElement.innerText"
    told = tab.locator("#words .told")
    for key, word in (("ArrowLeft", "تنام"), ("ArrowLeft", "cat"), ("ArrowLeft", "cat"), ("ArrowRight", "تنام"),
                      ("Home", "قطة"), ("End", "cat")):  # fmt: skip
        tab.keyboard.press(key)
        assert tab.evaluate(focused) == word
        assert told.inner_text().startswith(f"{word}: ")
        assert tab.locator("#words tr.current th").inner_text() == word
    assert tab.locator("#words .word[tabindex='0']").count() == 1
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "scrolled"


@pytest.mark.parametrize(("theme", "width"), [("light", 1400), ("dark", 390)])
def test_an_answer_without_serious_barrier(chromium, served, theme: str, width: int):
    page = chromium.new_page(width)
    page.goto(f"{served.url}/?__theme={theme}")
    page.wait_for_function(FINISHED, timeout=120_000)
    open_words(page)
    assert page.locator("#words-p-keep input[type=range]").is_disabled()
    assert "Explain: 256 masks" in page.locator("#words-run").inner_text()
    assert "has only 256: each way" in page.locator("#words-n-masks").inner_text()
    ask(page, "a cat, antidisestablishmentarianism and " + "o" * 80)
    run(page)
    done(page, 32, "a")
    page.get_by_text("How the sentences are ranked").click()
    beyond = """() => [...document.querySelectorAll('#words *')].filter(e =>
        e.getBoundingClientRect().right > document.documentElement.clientWidth).map(e => e.outerHTML)"""
    for shown in in_both_themes(page):
        assert barriers(page) == [], shown
        assert_no_scrolling(page, shown)
        assert page.evaluate(beyond) == [], shown
