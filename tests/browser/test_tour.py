"""The guided tour, drawn, clicked and typed through, and never a word to the server."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .driving import choose_preset, painted

pytestmark = pytest.mark.browser

STORE = "const { store } = await import(new URL('browser/instrument/store.js', document.baseURI));"
LOOKS = "store.state.selection, store.state.upto, store.state.pixel"
TITLES = ["Guess", "Distance", "One mask", "Many masks", "Rank and select", "Break it"]
OWN = {"mode": "closest", "threshold": 0.15, "distance": "angular", "closest": None, "farthest": None}


def told(page: Any) -> str:
    return str(page.locator("#tour-told").inner_text())


def looks(page: Any) -> list[Any]:
    """The selection, how many masks count, and the place asked about."""
    found: list[Any] = page.evaluate(f"async () => {{ {STORE} return [{LOOKS}]; }}")
    return found


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, text
    return float(found[1])


def start(page: Any) -> None:
    page.click("#tour-start")
    page.wait_for_selector("#tour .panel:not([hidden])")


def go(page: Any, step: int) -> None:
    """Open the tour and press Next until the step."""
    start(page)
    for _ in range(step - 1):
        page.click("#tour-next")
    assert page.locator("#tour-heading").inner_text() == TITLES[step - 1]


def seen(page: Any, *places: str) -> list[bool]:
    return [
        page.evaluate("p => getComputedStyle(document.querySelector(p)).visibility === 'visible'", p) for p in places
    ]


def draw(page: Any, *points: tuple[float, float]) -> None:
    """Drag the mouse through places of the picture, in shares."""
    box = page.locator("#tour-pad canvas").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for place in at[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def test_opens_with_the_focus_and_closes_with_it(page):
    assert not page.locator("#tour .panel").is_visible()
    start(page)
    assert page.evaluate("document.activeElement.id") == "tour-heading"
    assert page.locator("#tour .progress").inner_text() == "1 of 6"
    assert page.locator("#tour-back").is_disabled()
    page.click("#tour-next")
    assert page.locator("#tour .progress").inner_text() == "2 of 6"
    assert page.locator("#tour .unseen").inner_text() == "Step 2 of 6: Distance."
    page.click("#tour-back")
    assert page.evaluate("document.activeElement.id") == "tour-heading"
    page.click("#tour-close")
    assert page.evaluate("document.activeElement.id") == "tour-start"
    assert seen(page, "#big-map") == [True]


def test_the_answer_is_not_on_screen_before_the_question(page):
    """It asks about a pair whose map has not been shown, and gives back the one that was there."""
    result = f"async () => {{ {STORE} return [store.state.result.id, store.state.result.n]; }}"
    places = ("#big-map", "#pair .gap", "#meter", "#copy")
    mine = page.evaluate(result)
    asked = []
    for _ in range(2):
        start(page)
        asked.append(page.evaluate(result)[0])
        assert seen(page, *places) == [False] * 4
        assert page.locator("#tour .about").is_visible()
        page.click("#tour-close")
        assert page.evaluate(result) == mine
        assert seen(page, *places) == [True] * 4
    assert len({mine[0], *asked}) == 3


def test_a_drawn_guess_is_scored(page):
    """A muzzle is what cheetah and lion share. The second time it is another pair: a cat's eye is not a cheetah's."""
    places = ("#big-map", "#map-words", "#mode-closest", "#sheet", ".inspect")
    scores = []
    for points in ([(0.35, 0.5), (0.55, 0.6), (0.4, 0.65), (0.55, 0.5)], [(0.2, 0.3), (0.35, 0.4), (0.2, 0.42)]):
        go(page, 1)
        assert seen(page, *places) == [False, False, True, False, False]
        page.click("#tour-reveal")
        assert told(page) == "Draw something first, or skip this guess."
        assert seen(page, "#big-map") == [False]
        draw(page, *points)
        assert number(r"(\d+) % marked", page.locator("#tour .marked").inner_text()) > 2
        page.click("#tour-reveal")
        assert seen(page, *places) == [True, True, True, False, True]  # copies tell distances, which come next
        assert "a random drawing would score about 50 %" in told(page)
        scores.append(number(r"Your score is (\d+) %", told(page)))
        assert page.evaluate("document.activeElement.id") == "tour-next"
        page.click("#tour-close")
    assert scores[0] > 80
    assert scores[1] < 40


def test_the_score_is_what_it_says(page):
    """Against counting every pair of points, inside and outside."""
    code = """async () => {
        const { score } = await import(new URL('browser/tour/tour-guess.js', document.baseURI));
        const map = Float32Array.from({ length: 60 }, (_, i) => (i * 37) % 61 - 30);
        const drawn = Uint8Array.from(map, (_, i) => Number(i % 4 === 1));
        return [score(map, drawn), [...map], [...drawn], score(map, Uint8Array.from(map, (v) => Number(v > 10)))];
    }"""
    found, values, drawn, perfect = page.evaluate(code)
    inside = [v for v, d in zip(values, drawn, strict=True) if d]
    outside = [v for v, d in zip(values, drawn, strict=True) if not d]
    ahead = sum(i > o for i in inside for o in outside) / (len(inside) * len(outside))
    strongest = sorted(values, reverse=True)[: len(inside)]
    assert found["ahead"] == pytest.approx(ahead)
    assert found["overlap"] == pytest.approx(len(set(strongest) & set(inside)) / len(inside))
    assert found["share"] == 0.25
    assert (perfect["ahead"], perfect["overlap"]) == (1, 1)


def test_a_guess_by_keyboard_and_cleared(page):
    start(page)
    page.focus("#tour-pad")
    for key in ("ArrowUp", "ArrowUp", "ArrowRight", "Space", "ArrowRight", "Space"):  # the first shows the cursor
        page.keyboard.press(key)
    marked = page.locator("#tour .marked")
    assert marked.inner_text() == "row 4, column 7 marked; 3 % marked"
    page.keyboard.press("Space")
    assert marked.inner_text() == "row 4, column 7 not marked; 2 % marked"
    page.get_by_role("button", name="Clear").click()
    assert marked.inner_text() == "0 % marked"
    page.click("#tour-reveal")
    assert told(page) == "Draw something first, or skip this guess."


def test_the_distance_guessed(page):
    start(page)
    page.click("#tour-next")
    assert seen(page, "#pair .gap", "#histogram-canvas", "#big-map", "#meter") == [False, False, True, False]
    page.click("#tour-reveal")
    assert "Move the slider first" in told(page)
    slider = page.locator("#tour input[type=range]")
    box = slider.bounding_box()
    assert slider.get_attribute("max") == "0.5"  # these arrows reach no further
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    mine = float(slider.input_value())
    assert 0.35 < mine < 0.45
    page.click("#tour-reveal")
    true = float(page.locator("#pair b").inner_text())
    side = "nearer to 0 than to 0.5" if true < 0.25 else "nearer to 0.5 than to 0"
    assert f"The distance is {true:.4f}, {side}." in told(page)
    assert number(r"which is ([\d.]+) away", told(page)) == pytest.approx(abs(mine - true), abs=0.006)
    assert page.locator("#tour-ruler span").all_inner_texts() == [f"you {mine:.2f}", f"pair {true:.2f}"]
    assert seen(page, "#pair .gap") == [True]


def test_three_rounds_of_one_mask(page):
    go(page, 3)
    whole = float(page.locator("#pair b").inner_text())
    right = 0
    for turn in (1, 2, 3):
        assert page.locator("#tour-copy").inner_text() == f"copy {turn} of 3"
        page.locator("[name=tour-copy][value=closer]").click()
        page.click("#tour-reveal")
        value = number(r"lies at ([\d.]+):", told(page))
        assert (": closer. Right!" if value < whole else ": farther. Not this time.") in told(page)
        assert page.locator("#tour .option.right input").input_value() == ("closer" if value < whole else "farther")
        right += value < whole
        if turn < 3:
            assert page.evaluate("document.activeElement.innerText") == "Another copy"
            page.get_by_role("button", name="Another copy").click()
            assert told(page) == ""
    assert f"You had {right} of 3 right." in told(page)
    assert not page.get_by_role("button", name="Another copy").is_visible()


def test_the_build_up_is_played(page):
    go(page, 4)
    assert seen(page, "#meter") == [False]
    page.locator("[name=tour-many][value='300']").click()
    page.click("#tour-reveal")
    page.wait_for_function("/first ([5-9]|[1-9]\\d) masks/.test(document.querySelector('#tour .maps').innerText)")
    page.wait_for_function("document.querySelector('#tour .maps').innerText.includes('first 300 masks')")
    assert looks(page)[1] == 300
    agreed = number(r"With 300 masks two runs would agree by (\d\.\d+)", told(page))
    page.wait_for_function("document.querySelector('#meter').innerText.includes('of 300 masks')")
    assert f"{agreed:.2f}" in page.locator("#meter").inner_text()
    agreements = [number(r"agree by (\d\.\d+)", t) for t in page.locator("#tour .note").all_inner_texts() if "by" in t]
    assert len(agreements) == 4
    settled = [n for n, a in zip((30, 100, 300, 1000), agreements, strict=True) if a >= 0.9]
    truth = page.locator("#tour .option.right input").input_value()
    assert truth == (str(settled[0]) if settled else "more")
    page.click("#tour-next")
    assert looks(page)[1] is None
    page.click("#tour-back")  # what was revealed is still there
    assert "would agree by" in told(page)
    assert looks(page)[1] == 300


def test_rank_and_select(page):
    go(page, 5)
    page.locator("[name=tour-ends][value=first]").click()
    page.click("#tour-reveal")
    assert "Answer both questions" in told(page)
    page.locator("[name=tour-slice][value=weak]").click()
    page.click("#tour-reveal")
    first, second = (number(r"([\d.]+)", t) for t in page.locator("#tour .figures .note").all_inner_texts())
    close = "first" if first < second else "second"
    assert f"The {close} copy is the close one" in told(page)
    assert told(page).startswith("2 of 2" if close == "first" else "1 of 2")
    assert "figure 16" in told(page)
    assert number(r"is (\d+) % as strong", told(page)) < 60
    chosen = looks(page)[0]
    assert (chosen["closest"], chosen["farthest"]) == ([0.3, 0.5], [0.5, 0.7])
    assert page.locator("#mode-slices").is_checked()


def test_break_it(page):
    go(page, 6)
    page.locator("[name=tour-break][value=closest]").click()
    page.click("#tour-reveal")
    alike = [number(r"(-?[\d.]+)", t) for t in page.locator("#tour .note").all_inner_texts()]
    keys = ["few", "closest", "tips"]
    assert page.locator("#tour .option.right input").input_value() == keys[alike.index(min(alike))]
    assert f"is {min(alike):.2f}" in told(page)
    assert "Not the one you chose" in told(page)
    assert looks(page)[1] == 20
    assert page.locator("#tour .maps canvas").count() == 4
    page.click("#tour-next")
    assert page.locator("#tour-start").is_visible()
    assert looks(page)[1] is None


def test_steps_speak_of_the_masks_there_are_by_then(page):
    """A run goes on while the tour is taken: what is asked or told must not be about its first batch."""
    few = "{ ...whole, n: 48, plane: whole.plane.slice(0, 96), cache: new Map() }"
    grow = f"async () => {{ {STORE} store.set({{ result: {{ ...whole, cache: new Map() }} }}); }}"
    go(page, 1)
    page.evaluate(f"async () => {{ {STORE} window.whole = store.state.result; store.set({{ result: {few} }}); }}")
    painted(page)
    for _ in range(3):
        page.click("#tour-next")
    options = page.locator("[name=tour-many]")
    assert [option.get_attribute("value") for option in options.all()] == ["48", "more"]
    page.click("#tour-next")
    page.evaluate(grow)
    painted(page)
    page.click("#tour-back")  # not on screen meanwhile, so it asks anew
    assert [option.get_attribute("value") for option in options.all()] == ["30", "100", "300", "1000", "more"]
    page.click("#tour-close")

    go(page, 1)
    page.evaluate(f"async () => {{ {STORE} store.set({{ result: {few} }}); }}")
    painted(page)
    for _ in range(3):
        page.click("#tour-next")
    options.last.click()
    page.evaluate(grow)
    painted(page)
    assert options.last.is_checked()  # on screen, so it stays
    page.click("#tour-reveal")
    assert "With 1000 masks two runs would agree by 0.9" in told(page)
    assert "It is settled after more than 48 masks. Right!" in told(page)
    page.wait_for_function("document.querySelector('#tour .maps').innerText.includes('the first 1000 masks')")
    assert "all 1000 masks" in page.locator("#tour .maps").inner_text()


def test_close_gives_back_what_the_visitor_had(page):
    mine = f"async (own) => {{ {STORE} store.set({{ selection: own, upto: 500, pixel: {{ x: 0.3, y: 0.6 }} }}); }}"
    page.evaluate(mine, OWN)
    go(page, 5)
    page.click("#tour-skip")
    assert looks(page)[0]["closest"] == [0.3, 0.5]
    page.click("#tour-close")
    assert looks(page) == [OWN, 500, {"x": 0.3, "y": 0.6}]


def test_another_example_starts_the_step_anew(page):
    go(page, 5)
    page.click("#tour-skip")
    choose_preset(page, "“a cup of coffee”")
    page.wait_for_selector("#tour .compared-with blockquote")
    assert told(page) == ""
    assert page.locator("#tour-reveal").is_visible()
    page.click("#tour-close")
    selection, upto, _ = looks(page)
    assert (selection["mode"], selection["threshold"], selection["closest"], upto) == ("mirror", 0.1, None, None)


def test_every_prediction_can_be_skipped_and_nothing_is_asked_of_the_server_but_the_example(page):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    start(page)
    for step, title in enumerate(TITLES, 1):
        assert page.locator("#tour-heading").inner_text() == title
        assert page.locator("#tour .progress").inner_text() == f"{step} of 6"
        page.click("#tour-skip")
        assert told(page)
        assert not re.search("score|Right!|You (said|had)|of 2 right|you chose|than you thought", told(page))
        page.click("#tour-next")
    assert page.locator("#tour-start").is_visible()
    page.wait_for_timeout(1000)
    assert [url for url in asked if not url.startswith(("data:", "blob:")) and "/replay/" not in url] == []


KEYS = [
    ["#tour-pad", "ArrowUp", "ArrowUp", "ArrowRight", "Space"],
    ["#tour input[type=range]", "ArrowLeft", "ArrowLeft"],
    ["[name=tour-copy]", "Space"],
    ["[name=tour-many]", "Space", "ArrowDown"],
    ["[name=tour-ends]", "Space", "Tab", "Space"],
    ["[name=tour-break]", "Space", "ArrowDown", "ArrowDown"],
]
"""For each step the control that Tab must reach, and the keys that answer."""


def tab_to(page: Any, place: str) -> None:
    for _ in range(12):
        if page.evaluate("p => document.activeElement.matches(p)", place):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not reach {place}")


def test_by_keyboard_alone(page):
    page.focus("#tour-start")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tour .panel:not([hidden])")
    for title, (place, *keys) in zip(TITLES, KEYS, strict=True):
        assert page.locator("#tour-heading").inner_text() == title
        page.focus("#tour-heading")  # after Next the focus stays on it, below what it shows
        tab_to(page, place)
        for key in keys:
            page.keyboard.press(key)
        tab_to(page, "#tour-reveal")
        page.keyboard.press("Enter")
        assert not page.locator("#tour-reveal").is_visible(), told(page)
        tab_to(page, "#tour-next")
        page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "tour-start"


def test_links_to_a_step(chromium, served):
    page = chromium.new_page(390, 844)
    page.set_default_timeout(120_000)
    for step in ("0", "7", "1x", "", "-1"):
        page.goto(f"{served.url}/?step={step}")
        page.wait_for_selector("#tour-start")
        assert not page.locator("#tour .panel").is_visible(), step
    page.goto(f"{served.url}/?step=4")
    page.wait_for_selector("[name=tour-many]")
    assert page.locator("#tour .progress").inner_text() == "4 of 6"
    for _ in range(3):
        page.click("#tour-skip")
        rights = "[...document.querySelectorAll('#tour *')].map(e => e.getBoundingClientRect().right)"
        assert page.evaluate(f"Math.max(...{rights})") < 390
        page.click("#tour-next")
    page.close()


def test_without_a_result_it_says_what_to_do(chromium, served):
    page = chromium.new_page()
    page.set_default_timeout(120_000)
    page.route("**/replay/*", lambda route: route.abort())
    page.goto(f"{served.url}/?step=1")
    page.wait_for_selector("#tour .panel")
    assert "Press Run or choose an example first." in page.locator("#tour .task").inner_text()
    assert not page.locator("#tour-reveal").is_visible()
    page.click("#tour-next")
    assert page.locator("#tour-heading").inner_text() == "Distance"
    page.click("#tour-close")
    assert page.locator("#tour-start").is_visible()
    page.close()
