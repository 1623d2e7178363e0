"""Other methods on the Compare tab: chosen, priced, side by side on one scale, and one of them large in Explore."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.attributions.method import METHODS, in_menus, offered
from explorer.encoders.cards import CARDS, load_encoder

from .driving import FIRST_ENCODER, choose_preset, ink
from .test_accessible import barriers
from .test_evidence import PATIENCE, says

pytestmark = pytest.mark.browser
ASKED = ("distance-explainer", "rise", "dix3", "grad-cam")
PIXELS = """() => [...document.querySelectorAll('.methods-root .strip canvas')].map(canvas => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return [...data].filter((_, i) => i % 401 === 0);
})"""
CUT = """() => {
    const right = document.querySelector('#methods').getBoundingClientRect().right + 1;
    const seen = e => !e.closest('.wide') && e.getBoundingClientRect().right > right;
    return [...document.querySelectorAll('#methods *')].filter(seen).map(e => e.outerHTML.slice(0, 200));
}"""
"""What reaches beyond the edge, where it is not seen."""


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """The network in torch, before the app asks for it, which takes seconds the first time."""
    encoder = load_encoder(FIRST_ENCODER)
    encoder.differentiable(np.zeros((224, 224, 3), np.float32))


def open_methods(page) -> None:
    page.get_by_role("tab", name="Compare").click()
    page.locator("#methods").scroll_into_view_if_needed()
    page.locator("#evidence-methods").wait_for()


def choose_methods(page, keys) -> None:
    for key in METHODS:
        if not in_menus(METHODS[key]):
            continue
        box = page.locator(f"[id='method-{key}']")
        if box.is_enabled():
            box.set_checked(key in keys)


def test_four_methods_answer_for_a_preset_and_one_opens_in_explore(page):
    open_methods(page)
    choose_methods(page, ASKED)
    says(page, "#run-methods", "passes through the network")
    page.locator("#run-methods").click()
    says(page, "#evidence-methods .progress", r"passes in [0-9.]+ s")
    titles = page.locator(".methods-root .strip figcaption b").all_inner_texts()
    assert titles == [METHODS[key].title for key in ASKED]
    facts = page.locator(".methods-root .strip figcaption span").all_inner_texts()
    assert [text.partition(";")[0] for text in facts[:2]] == ["from the masks on screen"] * 2
    assert all("deletion area" in text for text in facts)
    assert [text.partition(",")[0] for text in facts[2:]] == ["33 passes", "1 pass"]
    pictures = page.evaluate(PIXELS)
    assert len({tuple(pixels) for pixels in pictures}) == len(ASKED)  # each its own map
    assert page.evaluate(CUT) == []
    assert barriers(page) == []
    before = ink(page)
    page.get_by_role("button", name="Open the map of Grad-CAM in Explore").click()
    says(page, ".other-map", "is that of Grad-CAM")
    page.wait_for_function("() => /^Grad-CAM map/.test(document.querySelector('#big-map').ariaLabel)")
    assert ink(page) != before
    assert "changed since" not in page.locator(".other-map").inner_text()
    page.get_by_role("button", name="Back to Distance Explainer").click()
    page.wait_for_function("() => document.querySelector('.other-map').hidden")
    page.wait_for_function("() => !/^Grad-CAM/.test(document.querySelector('#big-map').ariaLabel)")

    # An answer that is out of date is opened with that said where it still fits, and else says why it is not.
    page.locator("#mode-closest").check()
    open_methods(page)
    page.get_by_role("button", name="Open the map of RISE in Explore").click()
    says(page, ".other-map", "is that of RISE.*It was asked for .* mirror 10 %, 1000 masks, which has changed since")
    choose_preset(page, "Cheetah and lion")
    open_methods(page)
    says(page, "#evidence-methods .of", "This is about another map")
    page.get_by_role("button", name="Open the map of RISE in Explore").click()
    says(page, "#evidence-methods .strip + .why", "This map of RISE is of cat_and_espresso.jpg .* cannot be laid over")
    assert page.locator("#methods").is_visible()


def test_only_what_the_encoder_gives_can_be_chosen(page):
    open_methods(page)
    works = offered(CARDS[FIRST_ENCODER])
    for key, kind in METHODS.items():
        if not in_menus(METHODS[key]):
            assert page.locator(f"[id='method-{key}']").count() == 0
            continue
        assert page.locator(f"[id='method-{key}']").is_enabled() == (key in works), kind.title
    assert page.locator("[id='method-gae']").is_disabled()


def test_nothing_chosen_says_so_and_costs_nothing(page):
    open_methods(page)
    choose_methods(page, ())
    says(page, "#evidence-methods .why", "at least one method")
    assert page.locator("#run-methods").is_disabled()


def test_stop_keeps_the_maps_that_are_there(page):
    open_methods(page)
    choose_methods(page, (*ASKED, "integrated-gradients", "ablation-cam"))
    says(page, "#run-methods", "passes through the network")
    page.locator("#run-methods").click()
    page.locator(".methods-root .strip li").nth(0).wait_for(timeout=PATIENCE)
    page.locator("#stop-methods").click()
    says(page, "#evidence-methods .progress", "Stopped after")
    assert 1 <= page.locator(".methods-root .strip li").count() < 6
