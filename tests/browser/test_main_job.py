"""The whole main job, by clicking, dragging and typing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from explorer.encoders.cards import load_encoder
from explorer.presets import FIRST_PRESET, presets

pytestmark = pytest.mark.browser


def status(page) -> str:
    return page.locator("#status").inner_text()


def map_sources(page) -> list[str]:
    return page.locator("#maps img").evaluate_all("images => images.map(i => i.src)")


def press_run(page, n_masks: int) -> None:
    number = page.locator("#n-masks input[type=number]")
    number.fill(str(n_masks))
    number.press("Enter")
    number.blur()
    page.get_by_role("button", name=re.compile(f"^Run {n_masks} masks")).click()


def wait_done(page, n_masks: int) -> None:
    page.wait_for_function(
        "n => [`${n} masks; `, `${n} masks, known`].some(t => document.querySelector('#status').innerText.includes(t))",
        arg=n_masks,
    )


def count_forward(monkeypatch, key: str) -> list[int]:
    """The rows each pass through an encoder embeds from now on."""
    encoder, rows = load_encoder(key), []
    plain = encoder.embed_pixels

    def counting(pixels, **options):
        rows.append(len(pixels))
        return plain(pixels, **options)

    monkeypatch.setattr(encoder, "embed_pixels", counting)
    return rows


def test_first_screen_is_a_finished_result(page):
    first = next(p for p in presets() if p.key == FIRST_PRESET)
    assert page.locator("#maps figure").count() == 3
    assert [f.inner_text() for f in page.locator("#maps figcaption").all()] == ["closest", "farthest", "mirror chosen"]
    assert page.locator("#story").inner_text() == first.story
    assert page.locator("#sheet img").count() == 12
    assert page.locator("#histogram rect").count() > 20
    assert "1000 masks" in status(page)
    assert page.locator("#pair b").inner_text() == "0.4009" or 0 <= float(page.locator("#pair b").inner_text()) <= 1


def test_pictures_keep_their_shape(page, assets: Path):
    width, height = page.locator("#maps img").first.evaluate("i => [i.naturalWidth, i.naturalHeight]")
    from PIL import Image

    with Image.open(assets / "cat_and_espresso.jpg") as picture:
        assert width / height == pytest.approx(picture.width / picture.height, rel=0.01)


def test_upload_two_pictures_and_run(page, assets: Path):
    for place, name in (("#picture", "rocket.jpg"), ("#reference", "cat.jpg")):
        page.locator(f"{place} button[aria-label='Remove Image']").first.click()
        page.locator(f"{place} input[type=file]").set_input_files(assets / name)
        page.wait_for_function("p => document.querySelector(p + ' img')?.complete", arg=place)
    before = map_sources(page)
    press_run(page, 120)
    wait_done(page, 120)
    assert map_sources(page) != before
    assert page.locator("#pair img").count() == 2
    legend = page.locator("#histogram figcaption").inner_text()
    assert "12 count as close" in legend
    assert "96 not selected" in legend


def test_selection_is_free(page, monkeypatch):
    rows = count_forward(monkeypatch, "efficientnet-lite0")
    before = map_sources(page)
    page.locator("#threshold input[type=range]").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('#histogram').innerText.includes('150 count as close')")
    assert map_sources(page) != before

    page.get_by_role("radio", name="rank weighted").check()
    page.wait_for_function("document.querySelectorAll('#maps figure').length == 4")
    assert page.locator("#maps figure.chosen").inner_text() == "rank weighted chosen"
    assert "0 not selected" in page.locator("#histogram figcaption").inner_text()

    page.get_by_text("Advanced").click()
    page.locator("#distance input").click()
    page.get_by_role("option", name="euclidean distance").click()
    page.wait_for_function("document.querySelector('#pair').innerText.includes('euclidean distance')")
    assert rows == []


def test_another_reference_embeds_no_mask_again(page, assets: Path, monkeypatch):
    rows = count_forward(monkeypatch, "efficientnet-lite0")
    before = map_sources(page)
    page.locator("#reference button[aria-label='Remove Image']").first.click()
    page.locator("#reference input[type=file]").set_input_files(assets / "cat.jpg")
    page.wait_for_function("b => document.querySelector('#maps img').src != b", arg=before[0])
    assert sum(rows) <= 2  # the reference, and no masked copy


def test_captions(page, monkeypatch):
    page.get_by_role("radio", name="a caption").check()
    page.wait_for_selector("#caption textarea, #caption input")
    assert "ConSE" in page.locator("#encoder input").input_value()
    page.locator("#caption textarea, #caption input").first.fill("a cat")
    page.keyboard.press("Enter")  # the maps on screen are another encoder's: it must be run first
    page.wait_for_function("document.querySelector('#status').innerText.includes('Press Run')")
    press_run(page, 60)
    wait_done(page, 60)
    assert page.locator("#pair blockquote").inner_text() == "“a cat”"

    rows = count_forward(monkeypatch, "conse-lite0")
    before = map_sources(page)
    caption = page.locator("#caption textarea, #caption input").first
    caption.fill("a cup of coffee <script>alert(1)</script>")
    caption.press("Enter")
    page.wait_for_function("b => document.querySelector('#maps img').src != b", arg=before[0])
    assert page.locator("#pair blockquote").inner_text() == "“a cup of coffee <script>alert(1)</script>”"
    assert rows == []


def test_stop_keeps_what_is_there(page):
    page.get_by_text("Advanced").click()
    page.locator("#seed input").fill("77")
    page.locator("#seed input").blur()
    press_run(page, 2000)
    page.wait_for_function("/^[1-9][0-9]* of 2000/.test(document.querySelector('#status').innerText.trim())")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_function("/Stopped at [1-9][0-9]* of 2000/.test(document.querySelector('#status').innerText)")
    assert page.locator("#maps img").count() == 3


def test_presets_change_the_question(page):
    page.locator("#preset input").click()
    page.get_by_role("option", name=re.compile("“a cup of coffee”")).click()
    page.wait_for_selector("#pair blockquote")
    wait_done(page, 1000)
    assert "coffee" in page.locator("#pair blockquote").inner_text()
    assert page.get_by_role("radio", name="a caption").is_checked()


def test_changed_settings_say_that_the_maps_are_old(page):
    page.locator("#p-keep input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('#status').innerText.includes('Press Run')")


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_screen_scrolls_sideways(chromium, served, width: int, theme: str):
    page = chromium.new_page(viewport={"width": width, "height": 844})
    page.goto(f"{served.url}/?__theme={theme}")
    page.wait_for_selector("#sheet img", timeout=120_000)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()


def test_every_picture_and_control_has_a_name(page):
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('#results img, #results svg')].filter(
            e => !(e.getAttribute('alt') || e.getAttribute('aria-label') || e.closest('[aria-hidden=true], button')))
            .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert unnamed == []
    assert "brings the pair closer" in page.locator("#maps img").last.get_attribute("alt")


def test_presets_by_keyboard_and_left_unchanged(page):
    page.locator("#preset input").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="a caption").check()
    page.wait_for_selector("#caption textarea, #caption input")
    page.wait_for_timeout(1500)
    assert page.get_by_role("radio", name="a caption").is_checked()  # leaving the list did not choose an example

    page.locator("#preset input").focus()
    for key in ("ArrowDown", "Enter"):  # the list opens where it has the focus
        page.keyboard.press(key)
    page.wait_for_function("document.querySelector('#story').innerText.includes('rocket')")
    wait_done(page, 1000)
    assert page.get_by_role("radio", name="another picture").is_checked()
