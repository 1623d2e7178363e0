"""The free stage in the browser: live, without a request, and the same maps as Python's."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from explorer.core.distances import DISTANCES
from explorer.core.rank import rank_against
from explorer.core.selections import MODES, SelectionSettings
from explorer.core.truth import truth
from explorer.pictures.examples import FIRST_PRESET
from explorer.results.summary import describe_truth
from explorer.results.wire import load_replay, replay_of, unpack

from .driving import STATE, ink, painted, press_run, wait_done

pytestmark = pytest.mark.browser

MAP = """async () => {
    const at = name => new URL(`browser/instrument/${name}.js`, document.baseURI);
    const [{ store }, { view }] = await Promise.all([import(at('store')), import(at('views'))]);
    return [...view(store.state.result, store.state.selection, store.state.upto).map];
}"""


BUILD_UP = """async (upto) => {
    (await import(new URL('browser/instrument/store.js', document.baseURI))).store.set({ upto });
}"""
RESTYLED = "UpdateLayoutTree"
"""What Chromium calls it when it looks at elements' style again."""


@pytest.fixture
def quiet(page):
    """The first screen; a request the test causes fails it."""
    asked: list[str] = []
    page.wait_for_timeout(500)
    page.on("request", lambda request: asked.append(request.url))
    yield page
    assert asked == []


def python_map(selection: SelectionSettings, upto: int | None = None) -> np.ndarray:
    """What the library says of the first screen's replay."""
    probe, target = unpack(load_replay(replay_of(FIRST_PRESET)))
    if upto:
        probe = replace(probe, masks=probe.masks.first(upto), embeddings=probe.embeddings[:upto])
    return rank_against(probe, target, selection).relative.ravel()


def assert_same_map(page, selection: SelectionSettings, upto: int | None = None) -> None:
    painted(page)
    shown, expected = np.array(page.evaluate(MAP)), python_map(selection, upto)
    np.testing.assert_allclose(shown, expected, atol=1e-4 * np.abs(expected).max())


def slide(page, name: str, value: float) -> None:
    page.locator(f"#instrument-{name}").evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value
    )


@pytest.mark.parametrize("mode", MODES)
def test_modes_are_live_and_the_same_as_in_python(quiet, mode):
    before = ink(quiet)
    quiet.locator(f"#mode-{mode}").check()
    painted(quiet)
    assert quiet.locator("#mode .chosen").get_attribute("data-mode") == mode
    assert (ink(quiet) == before) == (mode == "mirror")
    for distance in DISTANCES:
        quiet.locator("#instrument-distance").select_option(distance)
        assert_same_map(quiet, SelectionSettings(mode=mode, distance=distance))
        assert DISTANCES[distance].label in quiet.locator("#pair").inner_text()


def test_dragging_the_threshold_changes_everything_at_once(quiet):
    handle = quiet.locator("#instrument-threshold")
    box = handle.bounding_box()
    seen = {ink(quiet)}
    quiet.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + box["height"] / 2)
    quiet.mouse.down()
    for share in (0.3, 0.5, 0.8):
        quiet.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2, steps=4)
        painted(quiet)
        seen.add(ink(quiet))
    quiet.mouse.up()
    assert len(seen) == 4
    threshold = float(handle.input_value())
    assert 0.35 < threshold < 0.45
    count = int(1000 * threshold)
    assert f"{count} count as close" in quiet.locator("#histogram figcaption").inner_text()
    assert_same_map(quiet, SelectionSettings(threshold=threshold))


def test_a_move_looks_at_the_style_of_little_of_the_page(page):
    """A rule like ``#workspace:has(...)`` would have the browser look at all of it again at every text."""
    browser, moves = page.context.browser, 10
    for name, most in (("threshold", 0.4), ("scrubber", 900)):
        browser.start_tracing(page=page, categories=["disabled-by-default-devtools.timeline", "devtools.timeline"])
        for i in range(1, 1 + moves):
            slide(page, name, most * i / moves)
            painted(page)
        looks = [event for event in json.loads(browser.stop_tracing())["traceEvents"] if event["name"] == RESTYLED]
        elements = sum(event["args"].get("elementCount", 0) for event in looks)
        assert looks
        assert elements / moves < 50, (name, elements / moves)


def test_keys_move_the_threshold(quiet):
    quiet.locator("#instrument-threshold").focus()
    for _ in range(5):
        quiet.keyboard.press("ArrowRight")
    painted(quiet)
    assert "150 count as close" in quiet.locator("#histogram figcaption").inner_text()


def brush(page, low: float, high: float) -> None:
    box = page.locator("#histogram-canvas").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + low * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + high * box["width"], y, steps=8)
    page.mouse.up()
    painted(page)


def test_brushing_the_histogram_selects_a_slice(quiet):
    quiet.locator("#histogram-canvas").scroll_into_view_if_needed()
    mirror = ink(quiet)
    brush(quiet, 0.05, 0.3)
    closest = tuple(quiet.evaluate(STATE, "selection.closest"))
    assert 0 <= closest[0] < closest[1] <= 0.51
    assert quiet.locator("#mode .chosen").inner_text() == "slice"
    assert ink(quiet) != mirror
    assert_same_map(quiet, SelectionSettings(closest=closest))
    brush(quiet, 0.99, 0.93)  # from the far end
    farthest = tuple(quiet.evaluate(STATE, "selection.farthest"))
    assert farthest[1] > farthest[0] > closest[1]
    assert_same_map(quiet, SelectionSettings(closest=closest, farthest=farthest))
    quiet.locator("#histogram-canvas").dblclick()
    painted(quiet)
    assert quiet.evaluate(STATE, "selection.closest") is None
    assert ink(quiet) == mirror


def test_slices_by_keyboard(quiet):
    quiet.get_by_text("Select slices by number").click()
    for label, value in (("closest from", "20"), ("closest to", "50"), ("farthest from", "50"), ("farthest to", "80")):
        field = quiet.get_by_label(label)
        field.fill(value)
        field.press("Tab")
    painted(quiet)
    assert "300 count as close" in quiet.locator("#histogram figcaption").inner_text()
    assert_same_map(quiet, SelectionSettings(closest=(0.2, 0.5), farthest=(0.5, 0.8)))
    quiet.get_by_role("button", name="Back to the mode").click()
    painted(quiet)
    assert quiet.locator("#mode .chosen").inner_text() == "mirror"


def test_the_scrubber_replays_the_build_up(quiet):
    whole = ink(quiet)
    slide(quiet, "scrubber", 40)
    assert_same_map(quiet, SelectionSettings(), upto=40)
    assert "4 count as close" in quiet.locator("#histogram figcaption").inner_text()
    assert ink(quiet) != whole
    quiet.wait_for_function("document.querySelector('#agreed').innerText.includes('runs of 40 masks')")
    slide(quiet, "scrubber", 1000)
    painted(quiet)
    assert ink(quiet) == whole
    quiet.get_by_role("button", name="play").click()
    quiet.wait_for_timeout(1000)
    quiet.get_by_role("button", name="pause").click()
    held = quiet.evaluate(STATE, "upto")
    assert 1 < held < 1000
    quiet.wait_for_timeout(300)
    assert quiet.evaluate(STATE, "upto") == held


def test_opacity_and_hatching(quiet):
    plain = ink(quiet)
    quiet.get_by_label("hatch pixels").uncheck()
    painted(quiet)
    smooth = ink(quiet)
    slide(quiet, "opacity", 0)
    painted(quiet)
    assert len({plain, smooth, ink(quiet)}) == 3


def test_a_place_asked_about_by_mouse_and_by_keys(quiet):
    quiet.locator("#map-frame").click(position={"x": 300, "y": 120})
    painted(quiet)
    sentence = quiet.locator("#inspect-sum").inner_text()
    assert "the 100 copies that count as close kept" in sentence
    pixel = quiet.evaluate(STATE, "pixel")
    row, column = int(pixel["y"] * 224), int(pixel["x"] * 224)
    value = float(sentence.split(":")[0].split()[-1].replace("−", "-"))
    assert value == pytest.approx(python_map(SelectionSettings())[row * 224 + column], abs=6e-4)
    groups = quiet.locator("#inspect h3").all_inner_texts()
    counts = [int(text.split(": ")[1]) for text in groups]
    assert counts[0] + counts[1] == 100
    assert counts[2] + counts[3] == 100
    assert quiet.locator("#inspect figure:visible").count() > 8

    quiet.locator("#map-frame").focus()
    for _ in range(5):
        quiet.keyboard.press("Shift+ArrowLeft")
    painted(quiet)
    assert quiet.evaluate(STATE, "pixel.x") == pytest.approx(pixel["x"] - 0.5, abs=1e-6)
    quiet.keyboard.press("Escape")
    painted(quiet)
    assert quiet.locator("#inspect-sum").inner_text() == ""


def test_the_noise_meter_says_how_settled_the_map_is(quiet):
    text = quiet.locator("#meter").inner_text()
    assert "Two runs of 1000 masks like this one would agree by about 0.9" in text
    assert "±0.047" in text  # sqrt(4/9 * 0.25 * 2/100)
    quiet.wait_for_function("document.querySelector('#agreement-curve').getAttribute('aria-label').includes('700: 0.')")


def test_the_truth_meter_says_what_the_library_says(quiet):
    """With no request, of the whole run and at points of the build-up."""
    probe, target = unpack(load_replay(replay_of(FIRST_PRESET)))
    for upto in (None, 300):
        part = probe if upto is None else replace(probe, embeddings=probe.embeddings[:upto])
        told = truth(rank_against(part, target, SelectionSettings()))
        quiet.evaluate(BUILD_UP, upto)
        expected = f"{describe_truth(told)} Rank correlation {told.spearman:.2f}."
        quiet.wait_for_function("text => document.querySelector('#truth').innerText === text", arg=expected)
    quiet.evaluate(BUILD_UP, 12)
    quiet.wait_for_function("document.querySelector('#truth').innerText === 'Too few masks to say.'")
    quiet.evaluate(BUILD_UP, None)
    assert "foretells which masked copies" in quiet.locator("#term-truth").text_content()
    assert quiet.locator("#truth-title .what").get_attribute("aria-describedby") == "term-truth"


def test_the_first_screen_needs_no_model(chromium, served):
    """Within 3 s of the server answering; measured with room to spare only where the machine is quiet."""
    page = chromium.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(served.url, wait_until="commit")
    began = time.monotonic()
    page.wait_for_function("document.querySelector('#map-words')?.innerText.includes('brings the pair closer')")
    print(f"first screen complete {time.monotonic() - began:.1f} s after the server answered")
    assert any(url.endswith(f"replay/{FIRST_PRESET}.json") for url in asked)
    assert not any("queue/join" in url for url in asked)  # nothing was computed for it
    page.close()


def test_streaming_rows_grow_the_same_result(page):
    page.get_by_text("Advanced").click()
    page.locator("#seed input").fill("90210")  # none that another test has embedded already
    page.locator("#seed input").blur()
    press_run(page, 200)
    sizes, deadline = set(), time.monotonic() + 60
    while len(sizes) < 3 and time.monotonic() < deadline:
        sizes.add(page.locator("#instrument-scrubber").get_attribute("max"))
        page.wait_for_timeout(50)
    assert len(sizes) >= 3
    wait_done(page, 200)
    assert page.evaluate(STATE, "result.n") == 200
