"""What the page says of itself stays true: what has changed, where it is, and what it was when it is loaded anew."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Event
from urllib.parse import parse_qs, urlsplit

import pytest

from explorer.encoders.cards import load_encoder
from explorer.pictures.examples import FIRST_PRESET, preset_named
from tests.asked import watch

from .driving import FIRST_ENCODER, STATE, choose_preset, press_run, status, wait_done

pytestmark = pytest.mark.browser

CHANGED = "Changed since"
MARKED = "what you chose since has not run"
EXAMPLE = "document.querySelector('#preset .chosen-title').innerText"


def says(page, text: str, place: str = "#status") -> None:
    page.wait_for_function("([p, t]) => document.querySelector(p)?.innerText.includes(t)", arg=[place, text])


def put(page, place: str, file: Path) -> None:
    page.locator(f"{place} button[aria-label='Remove Image']").first.click()
    page.locator(f"{place} input[type=file]").set_input_files(file)
    page.wait_for_function("p => document.querySelector(p + ' img')?.complete", arg=place)


def asked(page, name: str) -> str | None:
    """What the address says of one thing."""
    return parse_qs(urlsplit(page.url).query).get(name, [None])[0]


def address_says(page, **asked: str | None) -> None:
    for name, value in asked.items():
        page.wait_for_function(
            "([n, v]) => new URLSearchParams(location.search).get(n) === v", arg=[name, value], timeout=20_000
        )


def shows(page, name: str, value: str) -> None:
    """Wait until the result on screen is one with such a value."""
    for _ in range(600):
        if page.evaluate(STATE, f"result.{name}") == value:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"no result with {name} {value} came")


def kept(page, name: str) -> None:
    """Wait until the tab keeps something."""
    page.wait_for_function("n => Object.keys(sessionStorage).some(key => key.endsWith(` / ${n}`))", arg=name)


def returned(page, n_masks: int) -> None:
    """Load the page anew and wait until it shows so many masks again, and Python knows of it."""
    page.reload()
    page.wait_for_function(
        "n => document.querySelector('#agreed')?.innerText.includes(`runs of ${n} masks`)", arg=n_masks
    )


def marked(page, text: str) -> None:
    """Wait until the map is marked so; with no text, until it is not."""
    page.wait_for_function(
        "t => { const said = document.querySelector('#map-mark').innerText; return t ? said.includes(t) : !said; }",
        arg=text,
    )


def held_up(monkeypatch) -> tuple[Event, Event]:
    """What is set once the encoder is asked for something, and what then lets it go on."""
    begun, go = Event(), Event()

    def waiting(count: int) -> None:
        begun.set()
        assert go.wait(60)

    watch(monkeypatch, load_encoder(FIRST_ENCODER), waiting)
    return begun, go


def test_only_what_changed_is_said_to_have_changed(page, assets: Path, monkeypatch):
    page.get_by_text("Advanced").click()
    before = status(page)
    for place in ("#n-masks input[type=number]", "#seed input", "#p-keep input[type=number]"):
        page.locator(place).focus()
        page.locator(place).press("Tab")  # through controls that nobody touched
    page.locator("#p-keep input[type=range]").focus()
    top = "document.querySelector('#map-frame').offsetTop + document.querySelector('.big').offsetHeight"
    place = page.evaluate(top)
    dimmed = "getComputedStyle(document.querySelector('#big-map')).opacity"
    page.keyboard.press("ArrowRight")
    says(page, CHANGED)
    marked(page, f"Of the example; {MARKED}")
    assert "last run" not in status(page)
    assert MARKED in page.locator("#big-map").get_attribute("aria-label")
    assert page.evaluate(top) == place  # nothing moves
    assert float(page.evaluate(dimmed)) < 1
    page.keyboard.press("ArrowLeft")
    says(page, before)  # put back, and so it is as it was
    marked(page, "")
    assert page.evaluate(dimmed) == "1"
    assert MARKED not in page.locator("#big-map").get_attribute("aria-label")

    example = page.evaluate(EXAMPLE)
    assert example
    page.locator("#seed input").fill("4321")
    page.locator("#seed input").blur()
    begun, go = held_up(monkeypatch)
    press_run(page, 200)
    assert begun.wait(60)
    marked(page, MARKED)  # nothing has come yet
    go.set()
    page.wait_for_function("/^[1-9][0-9]* of 200/.test(document.querySelector('#status').innerText.trim())")
    marked(page, "")
    assert page.evaluate(EXAMPLE) == example  # another seed, and the same pair
    put(page, "#picture", assets / "rocket.jpg")  # while it runs
    says(page, CHANGED)  # once it has come to its end
    marked(page, f"Of the last run; {MARKED}")
    page.wait_for_function(f"{EXAMPLE} === ''")
    page.wait_for_function("!document.querySelector('#story p')?.innerText.trim()")  # it was about another picture
    shows(page, "picture_name", preset_named(FIRST_PRESET).image)
    press_run(page, 20)
    wait_done(page, 20)
    shows(page, "picture_name", "rocket.jpg")
    marked(page, "")
    page.locator("#seed input").focus()
    page.locator("#seed input").press("Tab")
    choose_preset(page, re.compile("Cheetah and lion"))
    says(page, "embedded earlier")
    assert CHANGED not in status(page)


def test_f5_and_back(page, tmp_path: Path, assets: Path):
    from PIL import Image

    with Image.open(assets / "rocket.jpg") as picture:
        picture.rotate(90).save(tmp_path / "my own.jpg")
    first = urlsplit(page.url)
    assert first.query == ""  # the first screen needs no name
    put(page, "#picture", tmp_path / "my own.jpg")
    press_run(page, 40)
    wait_done(page, 40)
    address_says(page, n_masks="40", picture=None)
    page.locator("#mode-closest").check(force=True)
    address_says(page, mode="closest")
    sha = asked(page, "picture_sha256")
    page.get_by_role("button", name="Pin this result").click()
    page.locator("#p-keep input[type=number]").fill("0.4")  # not run yet
    page.locator("#p-keep input[type=number]").blur()
    says(page, CHANGED)
    for name in ("pins", "controls", "result", "files"):
        kept(page, name)

    returned(page, 40)
    says(page, CHANGED)
    assert page.locator("#p-keep input[type=number]").input_value() == "0.4"
    assert page.locator("#n-masks input[type=number]").input_value() == "40"
    page.wait_for_function("document.querySelector('#picture img')?.src.includes('/uploads/')")
    assert page.evaluate(STATE, "selection.mode") == "closest"
    assert page.evaluate(STATE, "result.picture_sha256") == sha
    says(page, "1 of at most 8 pinned", ".pin")

    page.get_by_role("tab", name="Share").click()
    page.locator("#make-link").click()  # the server knows what is on screen
    page.wait_for_function("document.querySelector('#address')?.value")
    assert parse_qs(urlsplit(page.locator("#address").input_value()).query) == parse_qs(urlsplit(page.url).query)
    assert urlsplit(page.url).fragment == "share"
    page.reload()
    page.locator("#make-link").wait_for()  # and the tab is at hand
    page.go_back()
    page.locator("#map-words").wait_for()
    page.go_back()
    says(page, "embedded earlier")
    shows(page, "replay", FIRST_PRESET)
    assert urlsplit(page.url).query == ""
    page.go_forward()
    says(page, "40 masks, known from an earlier run")
    shows(page, "picture_sha256", sha)
    page.wait_for_function("document.querySelector('#picture img')?.src.includes('/uploads/')")
    page.wait_for_function("document.querySelector('#p-keep input[type=number]').value === '0.5'")  # as this was made

    url = page.url.split("?")[0]
    page.goto(f"{url}?preset=two-cat&lock=threshold&mode=farthest")  # a link wins
    says(page, "embedded earlier")
    page.wait_for_function("document.querySelector('#instrument-threshold')?.matches(':disabled')")
    shows(page, "replay", "two-cat")
    says(page, "1 of at most 8 pinned", ".pin")
    page.locator("#mode-closest").check(force=True)
    address_says(page, mode="closest", lock="threshold", preset="two-cat")
    kept(page, "result")
    returned(page, 1000)
    page.wait_for_function("document.querySelector('#instrument-threshold')?.matches(':disabled')")
    assert page.evaluate(STATE, "selection.mode") == "closest"
    left = re.compile("AbortError|errored out|Failed to fetch|ERR_ABORTED")  # by a page that was open and then was not
    page.complaints[:] = [text for text in page.complaints if not left.search(text)]


def test_where_nothing_can_be_kept_the_address_still_is(chromium, served):
    page = chromium.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.add_init_script(
        "Storage.prototype.setItem = Storage.prototype.getItem = () => { throw new Error('private'); }"
    )
    page.goto(f"{served.url}/?preset=two-cat")
    says(page, "runs of 1000 masks", "#agreed")
    page.locator("#mode-farthest").check(force=True)
    address_says(page, mode="farthest")
    returned(page, 1000)
    assert page.evaluate(STATE, "selection.mode") == "farthest"
    assert page.evaluate(STATE, "result.replay") == "two-cat"
    assert complaints == []


def drop_file(page, place: str, name: str, kind: str) -> None:
    """Drop a file that is no picture."""
    page.evaluate(
        """([place, name, type]) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File(["hello"], name, { type }));
            const target = document.querySelector(place);
            for (const event of ["dragenter", "dragover", "drop"])
                target.dispatchEvent(new DragEvent(event, { bubbles: true, cancelable: true, dataTransfer }));
        }""",
        [place, name, kind],
    )


def test_errors_stay_beside_what_they_are_about(page, tmp_path: Path):
    note = page.locator("#question + .refused")  # under the row of the two pictures, which stays as it is
    drop_file(page, "#picture img", "n.txt", "text/plain")
    note.wait_for()
    assert "Picture to explain: n.txt is no picture" in note.inner_text()
    assert page.locator("#picture img").is_visible()
    assert "border-style: dashed" not in page.locator("#picture").get_attribute("style")
    assert "everything on this screen works" in page.locator("#status").inner_text()
    drop_file(page, "#picture img", "broken.jpg", "image/jpeg")  # Gradio lets go of the one before
    says(page, "Changed since this example, which the maps still show. Add an image first.")
    page.wait_for_function("document.querySelector('.refused')?.innerText.includes('Not an image we can read')")
    page.wait_for_function("!document.querySelector('.toast-body')")
    assert page.locator(".refused").count() == 1
    row, picture, reference = (page.locator(place).bounding_box() for place in ("#question", "#picture", "#reference"))
    assert picture["y"] == reference["y"]
    assert note.bounding_box()["width"] == row["width"]
    (tmp_path / "n.txt").write_bytes(b"hello, this is no picture")
    page.locator("#picture input[type=file]").set_input_files(tmp_path / "n.txt")
    page.wait_for_function("document.querySelector('.refused')?.innerText.includes('n.txt is no picture')")
    assert page.locator(".refused").count() == 1
    page.locator("#run").click()
    says(page, "That could not be run: Add an image first.")
    page.wait_for_function("!document.querySelector('.toast-body')")
    assert note.is_visible()
    note.get_by_role("button", name="Close").click()
    note.wait_for(state="detached")
    (tmp_path / "text.png").write_bytes(b"hello, this is no config.json either")

    page.get_by_role("tab", name="Share").click()
    page.get_by_label("Load a config.json").set_input_files(tmp_path / "text.png")
    told = page.get_by_test_id("toast-body")
    told.wait_for()
    assert "Not a config.json" in told.inner_text()
    assert told.locator(".timer").count() == 0  # it stays until it is closed
    page.complaints.clear()  # the browser reports the refused upload, and should


def test_encoders_that_are_not_here_say_so_before_they_are_chosen(page):
    from explorer.encoders.cards import encoders

    absent = [card for card in encoders() if not card.here]
    if not absent:
        pytest.skip("every encoder is here")
    page.locator("#encoder input").click()
    for card in absent:
        option = page.locator("#encoder [role=option]").filter(has_text=card.title).inner_text()
        assert re.search(r"not here: \d+ MB", option), option
    page.keyboard.press("Escape")
    page.locator("#absent-encoders summary").click()
    remedies = page.locator("#absent-encoders")
    assert f"explorer models fetch {absent[0].key}" in remedies.inner_text()
    assert "The host of this page" not in remedies.inner_text()
    page.evaluate("document.documentElement.classList.remove('at-home')")  # as by any other name in the address bar
    assert "The host of this page has to fetch them" in remedies.inner_text()
    assert "explorer models fetch" not in remedies.inner_text()
