"""The Evidence tab by hand: prices, the five questions, Stop, what is free the second time; Python is the truth."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest

from explorer.attributions.method import METHODS, in_menus, offered
from explorer.core.selections import SelectionSettings
from explorer.encoders.cards import CARDS, load_encoder
from explorer.evaluation.deletion import deletion_passes
from explorer.pictures.examples import FIRST_PRESET
from explorer.ui.components import Look
from explorer.ui.session import Session
from explorer.ui.tabs.evidence.deletion import DeletionEvidence
from explorer.ui.tabs.evidence.evidence import subject_of
from explorer.ui.tabs.evidence.kinds import KINDS

from .conftest import FINISHED
from .driving import FIRST_ENCODER, assert_no_scrolling, count_forward, in_both_themes, press_run, wait_done
from .test_accessible import barriers

pytestmark = pytest.mark.browser
PATIENCE = 240_000
POINTS = """() => [...document.querySelectorAll('#evidence-deletion svg circle title')].map(t => t.textContent)"""
INKS = """() => [...document.querySelectorAll('.evidence-root .strip canvas')].map(canvas => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return new Set(data).size;
})"""
"""How many values each small map's pixels have: a blank one has few."""
CUT = """() => {
    const right = document.querySelector('#evidence').getBoundingClientRect().right + 1;
    const seen = e => !e.closest('.wide') && e.getBoundingClientRect().right > right;
    return [...document.querySelectorAll('#evidence *')].filter(seen).map(e => e.outerHTML.slice(0, 200));
}"""
"""What reaches beyond the edge, where it is not seen."""


@pytest.fixture(scope="module", autouse=True)
def taken_apart() -> None:
    """The network's layers, found before the app asks for them, which takes seconds the first time."""
    load_encoder(FIRST_ENCODER).blocks()


def open_evidence(page) -> None:
    page.get_by_role("tab", name="Evidence").click()
    page.locator(".evidence-root .card").first.wait_for()


def says(page, place: str, text: str) -> None:
    page.wait_for_function(
        "([p, t]) => new RegExp(t).test(document.querySelector(p)?.innerText)", arg=[place, text], timeout=PATIENCE
    )


def choose(page, key: str, **options: object) -> None:
    folded = page.locator(f"#evidence-{key} > details:not([open]) > summary")
    if folded.count():
        folded.click()
    for name, value in options.items():
        page.locator(f"#evidence-{key}-{name}").select_option(str(value))


def ask(page, key: str, price: str, **options: object) -> None:
    """Set a card, wait for its price, and press its button."""
    choose(page, key, **options)
    page.locator(f"#evidence-{key}").scroll_into_view_if_needed()
    says(page, f"#run-{key}", price)
    page.locator(f"#run-{key}").click()


def finished(page, key: str, passes: int) -> None:
    says(page, f"#evidence-{key} .progress", rf"^{passes} passes in [0-9.]+ s\.$")
    page.wait_for_function("k => document.querySelector(`#run-${k}`)?.checkVisibility()", arg=key)


def verdict(page, key: str) -> list[str]:
    return page.locator(f"#evidence-{key} .verdict p").all_inner_texts()


def on_screen(selection: SelectionSettings = SelectionSettings()):  # noqa: B008 - frozen
    """The first screen's map, as the app judges it."""
    session = Session()
    session.show_replay(FIRST_PRESET)
    return subject_of(session, Look(selection, None, session.shown(), 1000))


def works_out(evidence):
    """Its result, without the app."""
    steps = evidence.steps()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


# Faithfulness, and what is the same for all


def test_deletion_of_a_replay_and_its_second_time(page, monkeypatch):
    rows = count_forward(monkeypatch, FIRST_ENCODER)
    open_evidence(page)
    says(page, "#run-deletion", "^Delete step by step: 195 passes through the network")
    assert rows == []  # a price costs nothing
    assert page.locator("#evidence-deletion-fill").is_visible()  # the verdict hangs on it
    judged = page.locator(".judged")
    assert "cat_and_espresso.jpg against espresso.jpg: mirror 10 %, 1000 masks" in judged.inner_text()
    assert "brings the pair closer most" in judged.locator("canvas").get_attribute("aria-label")

    options = {"steps": "10", "orders": "3", "fill": "map"}
    ask(page, "deletion", ": 47 passes through the network", **options)
    finished(page, "deletion", 47)
    assert sum(rows) == 47 + 1  # and the reference
    evidence = DeletionEvidence(on_screen(), options)
    assert deletion_passes(evidence.subject.sketch(), steps=10, seeds=range(3)) == 47
    (result,) = (results := works_out(evidence)).values()
    expected = evidence.report(results, False)
    assert verdict(page, "deletion") == expected["verdict"]
    shown = [float(text.split(": ")[1]) for text in page.evaluate(POINTS) if text.startswith("red first")]
    np.testing.assert_allclose(shown, result.lodf, rtol=0.006)
    assert page.locator("#evidence-deletion svg").get_attribute("aria-label") == expected["charts"][0]["alt"]
    copies = page.locator("#evidence-deletion .sheet-of-copies img")
    assert [copies.nth(i).get_attribute("alt") for i in (0, 7)] == [
        expected["sheet"][0]["copies"][0]["alt"],
        expected["sheet"][1]["copies"][2]["alt"],
    ]
    assert copies.count() == 15
    page.locator("#evidence-deletion .numbers summary").click()
    assert page.locator("#evidence-deletion tbody tr").count() == 11
    assert (
        page.locator("#evidence-deletion tbody tr").nth(1).locator("td").first.inner_text() == f"{result.lodf[1]:.4f}"
    )

    rows.clear()
    says(page, "#run-deletion", "known already, at once")
    says(page, "#run-planting", "about [0-9]+ s")  # now that a rate is known
    page.locator("#run-deletion").click()
    says(page, "#evidence-deletion .progress", "^Known from an earlier run.$")
    assert rows == []
    assert verdict(page, "deletion") == expected["verdict"]

    # What a verdict hangs on is named in it, and what it says under three fills is asked as one question.
    assert "Tested with deleted pixels" in verdict(page, "deletion")[0]
    ask(page, "deletion", ": 141 passes through the network", fill="several")
    finished(page, "deletion", 141)
    several = DeletionEvidence(on_screen(), options | {"fill": "several"})
    assert verdict(page, "deletion") == several.report(works_out(several), False)["verdict"]
    assert len(verdict(page, "deletion")) == 4
    assert page.locator("#evidence-deletion .chart:visible").count() == 3
    assert page.locator("#evidence-deletion .sheet-of-copies h4").count() == 5
    one, three = expected["outcome"], several.report(works_out(several), False)["outcome"]
    said = f"The same with {expected['under']}." if one == three else f"Otherwise with {expected['under']}: {one}"
    assert said in page.locator("#evidence-deletion .beside li").all_inner_texts()
    page.locator("#evidence-deletion-fill").select_option("map")
    says(page, "#run-deletion", "known already")
    page.locator("#run-deletion").click()
    page.wait_for_function("document.querySelectorAll('#evidence-deletion .verdict p').length === 3")
    assert page.locator("#evidence-deletion .chart:visible").count() == 1


def test_a_report_says_that_it_is_about_another_map(page):
    open_evidence(page)
    ask(page, "deletion", ": (47 passes|known)", steps=10, orders=3, fill="black")
    says(page, "#evidence-deletion .of", "^About cat_and_espresso.jpg against espresso.jpg, mirror 10 %, 1000 masks.")
    page.get_by_role("tab", name="Explore").click()
    page.locator("#mode-closest").check()
    open_evidence(page)
    says(page, "#evidence-deletion .of", "^This is about another map: cat_and_espresso.jpg .* mirror 10 %")
    says(page, ".judged", "closest 10 %")
    says(page, "#run-deletion", ": 47 passes")  # nobody asked this of that map
    page.get_by_role("tab", name="Explore").click()
    page.locator("#mode-mirror").check()
    open_evidence(page)
    says(page, "#evidence-deletion .of", "^About cat_and_espresso.jpg")
    says(page, "#run-deletion", "known already")


def test_another_methods_map_is_put_to_the_test(page):
    open_evidence(page)
    works = offered(CARDS[FIRST_ENCODER])
    for key in METHODS:
        if in_menus(METHODS[key]):
            option = page.locator(f"#evidence-method option[value='{key}']")
            assert option.is_enabled() == (key in works), key
    page.locator("#evidence-method").select_option("blur-ig")  # which no test runs, so nobody measured it
    page.locator("#evidence-method").select_option("grad-cam")
    assert "Grad-CAM: the last layer" in page.locator("#evidence-method-about").inner_text()
    says(page, "#evidence-stability .why", "judge the map on screen")
    says(page, "#run-deletion", "passes through the network; how long that takes is not known here yet")
    page.locator("#evidence-method").select_option("grad-cam")
    ask(page, "deletion", ": 66 passes through the network", steps="10", orders="5", fill="map")
    finished(page, "deletion", 66)
    about = "About cat_and_espresso.jpg against espresso.jpg, Grad-CAM."
    assert page.locator("#evidence-deletion .of").inner_text() == about
    assert page.locator("#evidence-deletion .strip b").all_inner_texts() == ["Grad-CAM"]
    evidence = DeletionEvidence(on_screen(), {"steps": "10", "orders": "5", "fill": "map", "method": "grad-cam"})
    assert verdict(page, "deletion") == evidence.report(works_out(evidence), False)["verdict"]
    page.locator("#evidence-method").select_option(label="the map on screen")
    says(page, "#evidence-deletion .of", "This is about another map: .*Grad-CAM")
    says(page, "#run-deletion", ": 65 passes through the network")
    assert page.locator("#run-stability").is_enabled()


def test_stop_keeps_the_part(page, monkeypatch):
    # Or a batch that a busy machine takes long over is still embedded when Stop has its word, and is counted by nobody.
    monkeypatch.setattr("explorer.ui.slow_work.SECONDS", 60)
    rows = count_forward(monkeypatch, FIRST_ENCODER)
    open_evidence(page)
    ask(page, "deletion", ": 590 passes", steps=50, orders=10, fill="map")
    assert page.evaluate("document.activeElement.id") == "stop-deletion"
    assert page.locator("#run-planting").is_disabled()
    says(page, "#evidence-deletion .progress", "^[0-9]+ of 590 passes")
    page.wait_for_function("document.querySelectorAll('#evidence-deletion svg .line.closer').length")
    bar = page.locator("#evidence-deletion [role=progressbar]")
    assert bar.get_attribute("aria-valuemax") == "590"
    assert 0 < int(bar.get_attribute("aria-valuenow")) < 590
    page.keyboard.press("Enter")
    says(page, "#evidence-deletion .progress", "^Stopped after [0-9]+ of 590 passes")
    page.wait_for_function("document.activeElement.id === 'run-deletion'")
    done = int(re.search(r"after (\d+)", page.locator("#evidence-deletion .progress").inner_text())[1])
    assert sum(rows) == done + 1
    assert verdict(page, "deletion")[0].startswith("Stopped")
    red = page.locator("#evidence-deletion svg path.line.closer").first.get_attribute("d")
    assert red.count(",") >= min(done - 2 - 8, 51)  # all but the last batch
    page.wait_for_timeout(1500)
    assert sum(rows) == done + 1  # nothing goes on in secret
    says(page, "#evidence-deletion .progress", "^Stopped after")  # and no late word takes its place
    page.locator("#run-deletion").click()
    says(page, "#evidence-deletion .progress", "^[0-9]+ of 590 passes")
    # Elsewhere what runs comes along, with the one Stop, where that beside Run is out of sight.
    page.get_by_role("tab", name="Compare").click()
    running = page.locator(".running")
    assert not running.is_visible()
    page.set_viewport_size({"width": 1400, "height": 300})
    page.locator("#explain-reference").scroll_into_view_if_needed()
    running.wait_for()
    says(page, ".running", r"Delete the red first [0-9]+ of 590 passes")
    running.get_by_role("button", name="Stop").click()
    running.wait_for(state="hidden")
    open_evidence(page)
    says(page, "#evidence-deletion .progress", "^Stopped after")
    page.wait_for_function("!document.querySelector('#run-deletion').disabled")


def test_one_piece_of_evidence_waits_for_another(page, chromium, served):
    open_evidence(page)
    ask(page, "deletion", ": 1[0-9]{3} passes", steps=50, orders=10)  # by three fills: long enough for another page
    says(page, "#evidence-deletion .progress", "^[0-9]+ of 1[0-9]{3} passes")
    other = chromium.new_page()
    other.set_default_timeout(60_000)
    other.goto(served.url)
    other.wait_for_function(FINISHED)
    open_evidence(other)
    ask(other, "planting", ": 60 passes", masks=60, corner="upper right")
    says(other, "#evidence-planting .progress", "1 run comes first")
    other.locator("#stop").click()  # the one for all
    says(other, "#run-planting", ": 60 passes")
    assert not other.locator("#evidence-planting .progress").is_visible()
    page.locator("#stop-deletion").click()
    says(page, "#evidence-deletion .progress", "^Stopped after")
    other.wait_for_timeout(1000)
    assert verdict(other, "planting") == []
    other.close()


# The other questions, on a run of the visitor's own


def test_stability_and_sensitivity_of_an_own_run(page):
    press_run(page, 60)
    wait_done(page, 60)
    open_evidence(page)
    says(page, ".judged", "mirror 10 %, 60 masks")
    ask(page, "stability", ": 200 passes", masks=100, runs=2)
    finished(page, "stability", 200)
    said = verdict(page, "stability")
    assert re.match(r"Another map of 60 masks would agree with yours by about 0\.\d\d: ", said[0])
    assert "rank weighted agrees by" in said[1]
    assert page.locator("#evidence-stability svg").count() == 2
    names = page.locator("#evidence-stability svg").first.locator("text.name").all_text_contents()
    assert sorted(names) == ["mirror 10 %", "rank weighted"]
    says(page, "#evidence-stability .of", "60 masks")

    ask(page, "sensitivity", ": 360 passes", masks=60, samples=5, noise="measured")
    finished(page, "sensitivity", 360)
    assert "The paper found 0.06" in verdict(page, "sensitivity")[1]
    assert page.locator("#evidence-sensitivity svg circle title").count() == 5
    names = page.locator("#evidence-sensitivity svg text.name").all_text_contents()
    assert {"paper 0.06", "paper 0.04"} < set(names)


def test_the_planted_cup_is_shown_with_its_map(page):
    open_evidence(page)
    ask(page, "planting", ": 60 passes", masks=60, corner="lower left")
    finished(page, "planting", 60)
    evidence = KINDS["planting"](on_screen(), {"masks": "60", "corner": "lower left"})
    assert verdict(page, "planting") == evidence.report(works_out(evidence), False)["verdict"]
    page.wait_for_function("document.querySelectorAll('#evidence-planting .strip canvas').length === 2")
    assert min(page.evaluate(INKS)) > 50
    labels = page.locator("#evidence-planting .strip canvas").evaluate_all("all => all.map(c => c.ariaLabel)")
    assert labels[0] == "Picture, What was asked: a cup in the lower left quarter"
    assert labels[1].startswith("Map, What was answered")


def test_randomization_stopped_shows_the_strip_it_reached(page):
    blocks = len(load_encoder(FIRST_ENCODER).blocks())
    open_evidence(page)
    choose(page, "randomization", masks=30, order="independent", how="reinitialise")
    page.locator("#evidence-randomization").scroll_into_view_if_needed()
    says(page, "#run-randomization", f": {(blocks + 1) * 31} passes")
    page.locator("#run-randomization").click()
    page.wait_for_function(
        "document.querySelectorAll('#evidence-randomization .strip canvas').length >= 3", timeout=PATIENCE
    )
    page.locator("#stop-randomization").click()
    says(page, "#evidence-randomization .progress", "^Stopped after")
    maps = page.locator("#evidence-randomization .strip li").all_inner_texts()
    assert maps[0].split("\n") == ["untouched", "ρ 1.00"]
    assert maps[1].split("\n")[0] == next(iter(load_encoder(FIRST_ENCODER).blocks()))
    assert verdict(page, "randomization")[0].startswith(f"Stopped after {len(maps) - 1} maps. ")
    assert page.locator("#evidence-randomization svg circle title").count() == len(maps)
    assert min(page.evaluate(INKS)) > 50


def test_a_price_that_takes_long_holds_nothing_up_and_has_an_end(page, monkeypatch):
    encoder, opened, asked = type(load_encoder(FIRST_ENCODER)), threading.Event(), []
    plain = encoder.blocks

    def slow(self):
        asked.append(opened.wait(PATIENCE / 1000))
        if len(asked) == 1:
            return plain(self)
        raise RuntimeError("taken apart in vain")

    monkeypatch.setattr(encoder, "blocks", slow)
    open_evidence(page)
    page.locator("#evidence-randomization").scroll_into_view_if_needed()
    says(page, "#run-randomization", "its price is being found; the encoder is loaded for that")
    try:
        for samples in (5, 20, 10, 5, 20):  # more than the light lane holds, each with a question for all prices
            choose(page, "sensitivity", samples=samples)
            says(page, "#run-sensitivity", f": {(samples + 1) * 200} passes")
        choose(page, "sensitivity", samples=10)  # as it was at the first question, whose answer is good again
    finally:
        opened.set()
    says(page, "#evidence-randomization .why", "The server failed at this")
    assert len(asked) > 1
    assert page.locator("#run-randomization").is_disabled()
    page.locator("#evidence-method").select_option("grad-cam")  # which needs the network for every price
    says(page, "#run-deletion", "passes through the network")


def test_captions_stay_text_and_are_judged(page):
    page.get_by_role("radio", name="a caption").check()
    box = page.locator("#caption textarea, #caption input").first
    box.fill("a cup <i>")
    press_run(page, 20)
    wait_done(page, 20)
    open_evidence(page)
    ask(page, "deletion", ": 47 passes", steps=10, orders=3, fill="map")
    finished(page, "deletion", 47)
    says(page, "#evidence-deletion .of", "against “a cup <i>”, mirror 10 %, 20 masks")


def test_without_a_map_to_judge_it_says_why(page, monkeypatch):
    monkeypatch.setattr(Session, "shown", lambda self: None)  # as after a restart of the server
    open_evidence(page)
    says(page, "#evidence-deletion .why", "The server no longer has the map on screen; press Run")
    assert page.locator("#run-deletion").is_disabled()


def test_by_keyboard(page):
    open_evidence(page)
    says(page, "#run-deletion", ": (195 passes|known)")
    page.get_by_role("tab", name="Evidence").focus()
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.localName"))
    assert reached.index("summary") < reached.index("run-deletion") < reached.index("run-stability")


# Looks


@pytest.mark.parametrize(("theme", "width"), [("light", 1400), ("dark", 390)])
def test_no_barrier_and_nothing_sideways(chromium, served, theme: str, width: int):
    page = chromium.new_page(width)
    page.set_default_timeout(60_000)
    page.goto(f"{served.url}/?__theme={theme}")
    page.wait_for_function(FINISHED)
    open_evidence(page)
    for key, options in (
        ("deletion", {"steps": 10, "orders": 3, "fill": "blur"}),
        ("stability", {"masks": 100, "runs": 2}),
        ("sensitivity", {"masks": 60, "samples": 5}),
        ("planting", {"masks": 60, "corner": "upper left"}),
    ):
        ask(page, key, ": ([0-9]+ passes|known)", **options)
        says(page, f"#evidence-{key} .progress", "(passes in|Known)")
        page.locator(f"#evidence-{key} .numbers summary").click()
    for shown in in_both_themes(page):
        assert barriers(page) == [], shown
        assert_no_scrolling(page, shown)
        assert page.evaluate(CUT) == [], shown
