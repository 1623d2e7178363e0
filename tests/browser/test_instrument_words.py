"""What the screen says about a map is what the screen shows: sentence, slices, axis, scale, values."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from explorer.attributions.method import METHODS, in_menus
from explorer.core.distances import DISTANCES
from explorer.core.selections import MODES
from explorer.encoders.cards import CARDS
from explorer.pictures.examples import shipped_presets
from explorer.results.plots import FULL_AT, paint
from tests.oracles.colours import name_of

from .driving import STATE, ink, painted

pytestmark = pytest.mark.browser

SPREAD = """async () => {
    const at = name => new URL(`browser/instrument/${name}.js`, document.baseURI);
    const [{ store }, { grow }] = await Promise.all([import(at('store')), import(at('maths'))]);
    const { result } = store.state, point = d => [1 - 2 * d, Math.sqrt(1 - (1 - 2 * d) ** 2)];
    const share = i => ((i * 7919) % result.n) / result.n;
    const rows = new Float64Array(Array.from({ length: result.n }, (_, i) => point(0.1 + 0.3 * share(i))).flat());
    const bytes = Array.from(new Uint8Array(rows.buffer), byte => String.fromCharCode(byte)).join('');
    store.set({ result: { ...grow(result, btoa(bytes)), whole: point(0.25) } });
}"""
"""Spreads the copies evenly over the axis, so that a place on it is a share of the ranking."""

LOOK = """async ({ key, mode, other, hatch, opacity }) => {
    const at = name => new URL(`browser/instrument/${name}.js`, document.baseURI);
    const [{ store }, { decode }, { loadPictures }, { replay }] =
        await Promise.all(['store', 'maths', 'paint', 'instrument'].map(name => import(at(name))));
    const changes = { hatch, opacity, selection: { ...store.state.selection, mode, closest: null, farthest: null } };
    if (key && store.state.result.key !== key) {
        changes.result = Object.assign(await loadPictures(decode(await replay(key))), { key });
    }
    const { id } = changes.result ?? store.state.result;
    if (other) other.map = new Float32Array(Uint8Array.from(atob(other.map), letter => letter.charCodeAt(0)).buffer);
    store.set({ ...changes, other: other && { ...other, of: id } });
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))));
    const canvas = document.getElementById('big-map'), { width, height } = canvas;
    const { data } = canvas.getContext('2d').getImageData(0, 0, width, height), bytes = [];
    for (let y = 0; y < height; y += 2) {
        for (let x = 0; x < width; x += 2) bytes.push(...data.subarray(4 * (y * width + x), 4 * (y * width + x) + 3));
    }
    let text = '';
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.slice(i, i + 32768));
    return [btoa(text), Math.ceil(height / 2), Math.ceil(width / 2)];
}"""
"""Looks at an example's map, or at another method's, and reads the large canvas."""


def look(page, **how) -> np.ndarray:
    """The large map's colours (h, w, 3), every second pixel."""
    how = {"key": None, "mode": "mirror", "other": None, "hatch": False, "opacity": 1} | how
    text, height, width = page.evaluate(LOOK, how)
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 3).astype(int)


LEVELS = np.linspace(-1, 1, 201, dtype=np.float32)


def shares(plain: np.ndarray, coloured: np.ndarray) -> np.ndarray:
    """The values of a map over a picture as shares of the colour bar, read from its colours, every fourth pixel."""
    plain, coloured = (pixels[::2, ::2, None].astype(np.float32) for pixels in (plain, coloured))
    over_black = paint(LEVELS[None], np.zeros((1, 201, 3), np.uint8), limit=1, opacity=1)[0].astype(np.float32)
    clear = 1 - np.minimum(np.abs(LEVELS) / FULL_AT, 1)[:, None]
    return LEVELS[np.abs(plain * clear + over_black - coloured).sum(axis=-1).argmin(axis=-1)]


def check_sentence(said: str, values: np.ndarray, hatched: np.ndarray, what: object) -> None:
    """Each region named holds the strongest unhatched colour of its sign, within what can be read from 8 bits."""
    h, w = values.shape
    for sign, verb in ((1, "brings the pair closer"), (-1, "pushes it apart")):
        strength = np.where(hatched, 0, sign * values)
        name = re.search(rf"the ([a-z ]+) {verb}", said, re.IGNORECASE)
        if name is None:
            assert strength.max() < max(0.25 * np.abs(values).max(), 0.06), (what, said)
            continue
        peaks = np.argwhere(strength >= strength.max() - 0.03)
        assert name[1] in {name_of(int(3 * (y + 0.5) / h), int(3 * (x + 0.5) / w)) for y, x in peaks}, (what, said)


def near_hatch(page, how: dict, smooth: np.ndarray) -> np.ndarray:
    """Every fourth pixel: whether its neighbourhood is hatched."""
    lines = np.abs(look(page, **how, hatch=True) - smooth).max(axis=2) > 2
    return maximum_filter(lines, 7)[::2, ::2]


def other_map(values: np.ndarray, limit: float, title: str) -> dict:
    """Another method's map, as the store has it."""
    return {
        "map": base64.b64encode(values.tobytes()).decode(),
        "size": list(values.shape),
        "limit": limit,
        "title": title,
    }


def test_the_sentence_and_the_axis_say_what_is_painted(page):
    words = page.locator("#map-words")
    for preset in shipped_presets():
        plain = look(page, key=preset.key, opacity=0)
        for mode in MODES:
            how = {"key": preset.key, "mode": mode}
            smooth = look(page, **how)
            hatched = near_hatch(page, how, smooth)
            said = words.inner_text()
            check_sentence(said, shares(plain, smooth), hatched, how)
            assert page.locator("#big-map").get_attribute("aria-label") == f"{MODES[mode].label} map. {said}"
        assert "brings the pair closer" in said
        card, cosine = CARDS[preset.encoder], DISTANCES["cosine"]
        most = cosine.high_nonnegative if card.nonnegative else cosine.high
        assert page.locator("#pair .ends").inner_text().split()[:3] == ["0", "same", f"{most:g}"]
        assert ("nothing in common" if card.nonnegative else "opposite") in page.locator("#pair .ends").inner_text()

    random = np.random.default_rng(3)
    plain = look(page, opacity=0)
    for key in [key for key, kind in METHODS.items() if in_menus(kind)]:
        blobs = random.normal(size=(5, 5))
        at = np.linspace(0, 4, 75)
        rows = np.array([[np.interp(x, range(5), line) for x in at] for line in blobs])
        values = np.array([np.interp(at, range(5), column) for column in rows.T]).T.astype("f4")
        other = other_map(values, float(abs(values).max()), METHODS[key].title)
        smooth = look(page, other=other)
        check_sentence(words.inner_text(), shares(plain, smooth), np.zeros(smooth[::2, ::2].shape[:2], bool), key)

    # One pixel by far the strongest: its scale ends before it, and the bar says so.
    values = np.full((75, 75), 0.02, "f4")
    values[5, 70] = -1
    look(page, other=other_map(values, 0.03, "spiky"))
    assert words.inner_text() == "The top left brings the pair closer most, and the top right pushes it apart most."
    assert page.locator(".big .beyond").inner_text() == "The strongest under 0.1 % go beyond the colours."
    page.locator("#map-frame").hover(position={"x": 200, "y": 200})
    painted(page)
    assert page.locator("#map-value").inner_text() == "Here: +0.0200, brings closer"
    page.locator(".other-map button").click()
    painted(page)
    assert page.locator(".big .beyond").is_hidden()


def test_a_slice_is_called_what_it_is(page):
    page.evaluate(SPREAD)
    plot, legend, words = (
        page.locator("#histogram-canvas"),
        page.locator("#histogram figcaption"),
        page.locator("#map-words"),
    )
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    y = box["y"] + box["height"] / 2

    def x(share: float) -> float:
        return box["x"] + 44 + (0.3 * share + 0.006) / 0.312 * (box["width"] - 68)

    def slices() -> tuple:
        painted(page)
        return tuple(page.evaluate(STATE, f"selection.{side}") for side in ("closest", "farthest"))

    def drag(low: float, *stops: float) -> tuple:
        page.mouse.move(x(low), y)
        page.mouse.down()
        for stop in stops:
            page.mouse.move(x(stop), y, steps=3)
        page.mouse.up()
        return slices()

    def about(low: float, high: float) -> object:
        return pytest.approx([low, high], abs=0.01)

    def is_about_closeness() -> bool:
        found = ["closer" in text for text in (words.inner_text(), page.locator(".big .colour-bar").inner_text())]
        found += ["as close" in legend.inner_text(), "as close" in plot.get_attribute("aria-label")]
        found += [page.locator(".big .colour-bar i").get_attribute("data-meaning") == "closer"]
        assert len(set(found)) == 1, found
        return found[0]

    # By mouse, alone and beside another; the side is that of the rank, wherever the drag came by.
    assert drag(0.75, 0.9) == (None, about(0.75, 0.9))
    assert is_about_closeness()
    assert "0 count as close" in legend.inner_text()
    assert drag(0.05, 0.2) == (about(0.05, 0.2), about(0.75, 0.9))
    assert is_about_closeness()
    page.keyboard.down("Shift")
    assert drag(0.1, 0.3) == (about(0.1, 0.3), about(0.75, 0.9))
    page.keyboard.up("Shift")
    assert drag(0.45, 0.6, 0.8) == (about(0.45, 0.8), None)
    assert not is_about_closeness()
    assert "in this slice" in legend.inner_text()
    assert "only what they kept" in page.locator("#mode .about").inner_text()
    green = ink(page)
    assert drag(0.3, 1.05) == (None, about(0.3, 1.0))  # all others lie nearer
    assert is_about_closeness()
    assert ink(page) != green
    plot.dblclick()
    assert slices() == (None, None)

    # By touch.
    touch = page.context.new_cdp_session(page)
    for kind, share in (("touchStart", 0.7), ("touchMove", 0.8), ("touchMove", 0.9), ("touchEnd", None)):
        points = [] if share is None else [{"x": x(share), "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.detach()
    assert slices() == (None, about(0.7, 0.9))
    assert is_about_closeness()

    # By keyboard, where both sides can be named as one likes.
    page.get_by_text("Select slices by number").click()
    page.get_by_role("button", name="Back to the mode").click()

    def type_in(**fields: tuple[int | str, int | str]) -> None:
        for side in ("closest", "farthest"):
            for end, value in zip(("from", "to"), fields.get(side, ("", "")), strict=True):
                field = page.get_by_label(f"{side} {end}")
                field.fill(str(value))
                field.press("Tab")
        painted(page)

    odd = page.locator(".slices [role=status]")
    for fields, closeness in (
        ({"closest": (10, 40)}, True),
        ({"closest": (90, 100)}, False),
        ({"closest": (90, 100), "farthest": (0, 10)}, False),
        ({"farthest": (0, 10)}, False),
        ({"closest": (90, 100), "farthest": (95, 95)}, False),
        ({"closest": (0, 60), "farthest": (30, 100)}, True),
    ):
        type_in(**fields)
        assert is_about_closeness() == closeness, fields
        assert bool(odd.inner_text()) != closeness
    type_in(closest=(90, 100))
    page.locator("#map-frame").click(position={"x": 60, "y": 60})
    painted(page)
    assert "copies in this slice kept" in page.locator("#inspect-sum").inner_text()
    assert page.locator("#inspect h3:visible").all_inner_texts()[0].startswith("In this slice, kept it: ")
    type_in(closest=(50, 50))
    assert "No mask is selected" in page.locator(".big .flat").inner_text()
    assert words.inner_text() == ""


def test_values_are_read_where_one_points(page):
    frame, value = page.locator("#map-frame"), page.locator("#map-value")
    shown = json.loads(page.evaluate(
        """async () => {
            const at = name => new URL(`browser/instrument/${name}.js`, document.baseURI);
            const [{ onScreen }, { store }] = await Promise.all([import(at('stage')), import(at('store'))]);
            const { map, wobble } = onScreen();
            return JSON.stringify({ map: [...map], size: store.state.result.size, wobble });
        }"""
    ))  # fmt: skip
    h, w = shown["size"]
    attribution, box = np.array(shown["map"]).reshape(h, w), page.locator("#big-map").bounding_box()

    def check(x: float, y: float) -> None:
        expected = attribution[int(y * h), int(x * w)]
        settled = abs(expected) >= 2 * shown["wobble"]
        verb = "not settled" if not settled else "brings closer" if expected > 0 else "pushes apart"
        number, said = value.inner_text().removeprefix("Here: ").split(", ")
        assert said == verb
        assert float(number.replace("−", "-")) == pytest.approx(expected, abs=6e-4)

    for x, y in ((0.1, 0.2), (0.25, 0.65), (0.5, 0.5), (0.8, 0.55), (0.95, 0.1)):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        painted(page)
        check((round(box["x"] + x * box["width"], 3) - box["x"]) / box["width"], y)
        assert page.locator(".big .colour-bar b").is_visible()
    page.mouse.move(box["x"] + box["width"] + 200, box["y"] - 5)
    painted(page)
    assert not value.inner_text().strip()
    frame.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    painted(page)
    place = page.evaluate(STATE, "pixel")
    check(place["x"], place["y"])
    page.keyboard.press("Escape")
    painted(page)
    assert not value.inner_text().strip()
