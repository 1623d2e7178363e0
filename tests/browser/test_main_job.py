"""The whole main job, by clicking, dragging and typing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from explorer.pictures.examples import FIRST_PRESET, presets

from .conftest import FINISHED
from .driving import FIRST_ENCODER, INK, choose_preset, count_forward, ink, press_run, says, status, wait_done

pytestmark = pytest.mark.browser


def test_first_screen_is_a_finished_result(page):
    first = next(p for p in presets() if p.key == FIRST_PRESET)
    modes = [f.inner_text() for f in page.locator("#mode .mode:visible").all()]
    assert modes == ["closest", "farthest", "mirror", "rank weighted"]
    assert page.locator("#mode .chosen").inner_text() == "mirror"
    assert page.locator("#story").inner_text() == first.story
    assert page.locator("#sheet figure:visible").count() == 12
    assert "100 count as close" in page.locator("#histogram figcaption").inner_text()
    assert 0.1 < float(page.locator("#pair b").inner_text()) < 0.3  # one of two things is the reference's
    assert "embedded earlier" in status(page)


def test_pictures_keep_their_shape(page, assets: Path):
    from PIL import Image

    with Image.open(assets / "cat_and_espresso.jpg") as picture:
        shape = picture.width / picture.height
    for canvas in ("#big-map", "#mode canvas >> nth=0", "#sheet canvas >> nth=0"):
        width, height = page.locator(canvas).evaluate("c => [c.width, c.height]")
        assert width / height == pytest.approx(shape, rel=0.02)


def test_upload_two_pictures_and_run(page, assets: Path):
    for place, name in (("#picture", "rocket.jpg"), ("#reference", "cat.jpg")):
        page.locator(f"{place} button[aria-label='Remove Image']").first.click()
        page.locator(f"{place} input[type=file]").set_input_files(assets / name)
        page.wait_for_function("p => document.querySelector(p + ' img')?.complete", arg=place)
    before = ink(page)
    press_run(page, 120)
    wait_done(page, 120)
    assert ink(page) != before
    assert page.locator("#pair img").count() == 2
    legend = page.locator("#histogram figcaption").inner_text()
    assert "12 count as close" in legend
    assert "96 not selected" in legend


def test_another_reference_embeds_no_mask_again(page, assets: Path, monkeypatch):
    press_run(page, 60)
    wait_done(page, 60)
    rows = count_forward(monkeypatch, FIRST_ENCODER)
    before, distance = ink(page), page.locator("#pair b").inner_text()
    page.locator("#reference button[aria-label='Remove Image']").first.click()
    page.locator("#reference input[type=file]").set_input_files(assets / "cat.jpg")
    page.wait_for_function("b => document.querySelector('#pair b').innerText != b", arg=distance)
    page.wait_for_function(f"b => ({INK})('big-map') != b", arg=before)
    assert sum(rows) <= 2  # the reference, and no masked copy


def test_an_example_cannot_follow_its_reference_and_says_so(page, assets: Path):
    page.locator("#reference button[aria-label='Remove Image']").first.click()
    page.locator("#reference input[type=file]").set_input_files(assets / "cat.jpg")
    says_changed(page)


def says_changed(page) -> None:
    page.wait_for_function("document.querySelector('#status').innerText.includes('Changed since')")


def test_captions(page, monkeypatch):
    page.get_by_role("radio", name="a caption").check()
    page.wait_for_selector("#caption textarea, #caption input")
    assert "ConSE" in page.locator("#encoder input").input_value()
    says(page, "#status", "The encoder is now ConSE-Lite0, which reads captions; the maps are by ")
    says(page, "#status", "The caption is empty")
    assert "Press Run" not in status(page)
    says(page, "#caption", "Enter compares at once only after a run")
    page.locator("#caption textarea, #caption input").first.fill("a cat")
    page.keyboard.press("Enter")  # the maps on screen are another encoder's: it must be run first
    says(page, "#status", "Press Run.")
    press_run(page, 60)
    wait_done(page, 60)
    says(page, "#caption", "no mask is embedded again")
    assert page.locator("#pair blockquote").inner_text() == "“a cat”"

    rows = count_forward(monkeypatch, "conse-lite0")
    before = ink(page)
    caption = page.locator("#caption textarea, #caption input").first
    caption.fill("a cup of coffee <script>alert(1)</script>")
    caption.press("Enter")
    page.wait_for_function(f"b => ({INK})('big-map') != b", arg=before)
    assert page.locator("#pair blockquote").inner_text() == "“a cup of coffee <script>alert(1)</script>”"
    assert rows == []
    page.locator("#picture button[aria-label='Remove Image']").first.click()  # nothing to compare it with
    says(page, "#caption", "Enter compares at once only after a run")
    says(page, "#status", "Add an image first.")


def test_stop_keeps_what_is_there_and_run_goes_on(page, monkeypatch):
    page.get_by_text("Advanced").click()
    page.locator("#seed input").fill("77")
    page.locator("#seed input").blur()
    press_run(page, 400)
    page.wait_for_function("/^[1-9][0-9]* of 400/.test(document.querySelector('#status').innerText.trim())")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.wait_for_function("/Stopped at [1-9][0-9]* of 400/.test(document.querySelector('#status').innerText)")
    page.wait_for_timeout(1000)  # whatever the run had still to say must not come after it
    kept = int(re.search(r"Stopped at (\d+)", status(page)).group(1))
    page.wait_for_function(
        "kept => { const { max } = document.querySelector('#instrument-scrubber'); return 0 < max && max <= kept; }",
        arg=kept,
    )
    rows = count_forward(monkeypatch, FIRST_ENCODER)
    page.locator("#run").click()
    wait_done(page, 400)
    assert 400 - kept - 16 <= sum(rows) <= 400 - kept + 2  # what was missing, the reference, the whole picture
    assert page.locator("#instrument-scrubber").get_attribute("max") == "400"


def test_more_masks_extend_what_is_there(page, monkeypatch):
    page.get_by_text("Advanced").click()
    page.locator("#seed input").fill("88")
    page.locator("#seed input").blur()
    press_run(page, 60)
    wait_done(page, 60)
    rows = count_forward(monkeypatch, FIRST_ENCODER)
    press_run(page, 120)
    wait_done(page, 120)
    assert sum(rows) <= 60 + 2  # the reference and the whole picture besides
    press_run(page, 60)
    wait_done(page, 60)
    assert sum(rows) <= 60 + 4


def test_until_stable(page):
    page.get_by_label("Stop when stable").check()
    target = page.locator("#agreement input[type=number]")
    target.wait_for()
    target.fill("0.6")
    target.blur()
    page.get_by_role("button", name=re.compile("^Run until stable, at most 1000 masks")).click()
    page.wait_for_function("/masks; \\d+ embedded .* agreement 0[.]/.test(document.querySelector('#status').innerText)")
    done, agreement = re.search(r"(\d+) .*agreement (0\.\d+)", status(page)).groups()
    assert int(done) % 100 == 0
    assert int(done) < 1000
    assert float(agreement) >= 0.6
    page.wait_for_function("n => document.querySelector('#instrument-scrubber').max === n", arg=done)


def test_presets_change_the_question_without_a_model(page, monkeypatch):
    rows = count_forward(monkeypatch, "conse-lite0")
    choose_preset(page, "“a cup of coffee”")
    page.wait_for_selector("#pair blockquote")
    assert "coffee" in page.locator("#pair blockquote").inner_text()
    assert page.get_by_role("radio", name="a caption").is_checked()
    page.wait_for_timeout(1000)
    assert rows == []
    assert "embedded earlier" in status(page)
    page.locator("#p-keep input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    says_changed(page)


def test_an_example_chosen_during_a_run_takes_its_place(page, served):
    page.get_by_text("Advanced").click()
    page.locator("#seed input").fill("99")
    page.locator("#seed input").blur()
    press_run(page, 1000)
    page.wait_for_function("/^[1-9][0-9]* of 1000/.test(document.querySelector('#status').innerText.trim())")
    choose_preset(page, "Cheetah and lion")
    page.wait_for_function("document.querySelector('#status').innerText.includes('embedded earlier')")
    page.wait_for_function("document.querySelector('#agreed').innerText.includes('runs of 1000 masks')")
    page.wait_for_timeout(1000)  # nothing of the run comes after it
    assert "embedded earlier" in status(page)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.wait_for_timeout(500)
    assert "embedded earlier" in status(page)  # there is nothing left to stop


def test_running_an_example_gives_the_map_of_its_replay(page):
    replayed = page.locator("#map-words").inner_text(), page.locator("#pair b").inner_text()
    press_run(page, 1000)
    wait_done(page, 1000)
    assert (page.locator("#map-words").inner_text(), page.locator("#pair b").inner_text()) == replayed


def test_changed_settings_say_that_the_maps_are_old(page):
    page.locator("#p-keep input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    says_changed(page)


def test_every_picture_and_control_has_a_name(page):
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('#results img, #results svg, #results canvas')].filter(
            e => e.checkVisibility() &&
                !(e.getAttribute('alt') || e.getAttribute('aria-label') || e.closest('[aria-hidden=true], button')))
            .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert unnamed == []
    assert "brings the pair closer" in page.locator("#big-map").get_attribute("aria-label")


def test_examples_are_pictures_with_names_and_the_keyboard_chooses_one(page):
    examples = page.locator("#preset button")
    assert [e.get_attribute("aria-label") for e in examples.all()] == [f"{p.question}: {p.title}" for p in presets()]
    assert page.evaluate(
        "[...document.querySelectorAll('#preset img')].every(i => i.complete && i.naturalWidth && i.alt === '')"
    )
    pressed = page.locator("#preset button[aria-pressed=true]")
    first = next(p for p in presets() if p.key == FIRST_PRESET)
    assert first.title in pressed.get_attribute("aria-label")
    page.get_by_role("radio", name="a caption").check()
    page.wait_for_selector("#caption textarea, #caption input")
    rocket = page.locator("#preset").get_by_role("button", name="Rocket and espresso")
    rocket.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#story').innerText.includes('rocket')")
    assert page.get_by_role("radio", name="another picture").is_checked()
    assert page.evaluate("document.activeElement.ariaLabel") == "opposites: Rocket and espresso"
    assert page.locator("#preset .chosen-title").inner_text() == "opposites: Rocket and espresso"


def test_the_queue_says_who_comes_first(page, chromium, served):
    other = chromium.new_page()
    other.set_default_timeout(60_000)
    other.goto(served.url)
    other.wait_for_function(FINISHED)
    for visitor, seed in ((page, "501"), (other, "502")):
        visitor.get_by_text("Advanced").click()
        visitor.locator("#seed input").fill(seed)
        visitor.locator("#seed input").blur()
    press_run(page, 2000)
    page.wait_for_function("/^[1-9][0-9]* of 2000/.test(document.querySelector('#status').innerText.trim())")
    other.locator("#run").click()
    other.wait_for_function("/1 run comes before yours, about [1-9]/.test(document.querySelector('#status').innerText)")
    other.get_by_role("button", name="Stop", exact=True).click()
    other.wait_for_function("document.querySelector('#status').innerText.includes('Taken out of the queue')")
    other.close()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.wait_for_function("document.querySelector('#status').innerText.includes('Stopped at')")
