"""Help where it is wanted: the words' meanings, the encoder's card, a quick look, and one name for each setting."""

from __future__ import annotations

import pytest

from explorer.core.terms import SETTINGS, TERMS
from explorer.encoders.cards import CARDS, DEFAULT_ENCODER
from explorer.ui.encoder_card import facts
from explorer.ui.glossary import PLACES
from explorer.ui.tabs.explore.quick_look import FEW

from .driving import calm, choose_seed, press_run, status, wait_done

pytestmark = pytest.mark.browser


def test_words_are_explained_where_they_stand_by_pointer_key_and_touch(page):
    page.locator("#advanced > button").click()
    bubble = page.locator(".meaning")
    for place, key in PLACES.items():
        word = page.locator(place)
        if not word.count():
            continue  # on a tab that was not opened yet, or of what is not there
        mark = word.first.locator(".what")
        mark.wait_for(state="attached")
        assert page.locator(f"#term-{key}").text_content() == TERMS[key].about
        assert mark.get_attribute("aria-describedby") == f"term-{key}"
        assert SETTINGS.get(key, TERMS[key]).title in mark.get_attribute("aria-label")
    mark = page.locator("#p-keep .what")
    mark.hover()
    assert bubble.inner_text() == SETTINGS["p_keep"].about
    page.keyboard.press("Escape")
    bubble.wait_for(state="hidden")
    page.mouse.move(0, 0)
    page.get_by_role("spinbutton", name="number input for Number of masks").focus()
    page.locator("#feature-res .what").focus()
    assert bubble.inner_text() == SETTINGS["feature_res"].about
    page.keyboard.press("Tab")
    bubble.wait_for(state="hidden")
    hatch = page.get_by_role("checkbox", name="hatch pixels whose sign is not settled", exact=True)
    page.locator("#instrument .free > label .what").click()  # a touch, too, is a click
    assert bubble.inner_text() == TERMS["settled"].about
    assert hatch.is_checked()  # the mark is no part of the box
    edges = bubble.bounding_box()
    assert edges["x"] >= 0
    assert edges["x"] + edges["width"] <= page.viewport_size["width"]
    page.locator("#glossary-list summary").click()
    assert sorted(page.locator(".glossary-root dt").all_inner_texts()) == sorted(term.title for term in TERMS.values())


def test_a_setting_has_one_name_and_the_encoder_a_card(page):
    for name, place in (("n_masks", "#n-masks"), ("p_keep", "#p-keep"), ("feature_res", "#feature-res")):
        assert page.locator(place).get_by_role("slider").get_attribute("aria-label").endswith(SETTINGS[name].title)
    for name, place in (
        ("mode", "#mode legend"),
        *((name, f"#instrument [data-control={name}] > label") for name in ("threshold", "distance")),
    ):
        assert page.locator(place).inner_text() == SETTINGS[name].label
    page.locator("#about-encoder summary").click()
    card = page.locator(".encoder-card-root dd")
    assert card.all_inner_texts() == [text for _, text in facts(CARDS[DEFAULT_ENCODER])]
    page.locator("#encoder input").click()
    page.get_by_role("option", name=CARDS["conse-lite0"].title).click()
    page.wait_for_function("document.querySelector('.encoder-card-root').innerText.includes('English')")
    assert card.all_inner_texts() == [text for _, text in facts(CARDS["conse-lite0"])]
    page.get_by_role("tab", name="Sweeps").click()
    for name in ("p_keep", "feature_res", "threshold"):
        page.get_by_role("radio", name=SETTINGS[name].title).first.wait_for()
    page.get_by_role("tab", name="Share").click()
    page.locator("#for-teachers > button").click()
    for name in ("p_keep", "fill", "scheme", "threshold"):
        page.locator("#lock").get_by_role("checkbox", name=SETTINGS[name].title, exact=True).wait_for()


def test_a_quick_look_is_part_of_the_run_that_follows(page):
    choose_seed(page, 76)
    page.locator("#quick-look").click()
    page.wait_for_function(
        "n => document.querySelector('#status').innerText.includes(`${n} of at most 1000 masks; `) && "
        "document.querySelector('#agreed').innerText.includes(`runs of ${n} masks`)",
        arg=FEW,
    )
    assert page.locator("#n-masks input[type=number]").input_value() == "1000"  # which is what Run will make
    page.locator("#quick-look", has_text=" s").wait_for()  # its price is known by now
    press_run(page, FEW + 20)
    wait_done(page, FEW + 20)
    assert f"{FEW + 20} masks; 20 embedded" in status(page)
    calm(page)
