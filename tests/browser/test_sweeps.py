"""The Sweeps tab by hand: free and costly sweeps, Stop, loading a tile, the pilot; Python is the truth."""

from __future__ import annotations

import csv
import io
import itertools
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explorer.core import pilot as pilots
from explorer.core.masks import MaskSettings
from explorer.core.rank import rank_against
from explorer.core.selections import SelectionSettings
from explorer.pictures.examples import FIRST_PRESET, asset_path, preset_named
from explorer.pictures.images import as_picture
from explorer.results.wire import load_replay, replay_of, unpack
from explorer.studies.sweeps import SWEEPS, columns
from explorer.ui.probe_cache import ProbeCache
from explorer.ui.session import RunRequest, Session
from explorer.ui.tabs.sweeps.run import COSTLY, PILOT, SLOTS, costly_tiles

from .conftest import FINISHED
from .driving import FIRST_ENCODER, assert_no_scrolling, choose_preset, in_both_themes, toast
from .test_accessible import barriers
from .test_instrument import MAP
from .test_main_job import count_forward

pytestmark = pytest.mark.browser
PATIENCE = 240_000
FREE = [key for key, sweep in SWEEPS.items() if sweep.free]
SELECTIONS = [
    SelectionSettings(),
    SelectionSettings(mode="closest", threshold=0.3),
    SelectionSettings(mode="farthest", threshold=0.07, distance="euclidean"),
    SelectionSettings(mode="rank_weighted", threshold=0.15),
    SelectionSettings(closest=(0.4, 0.5), farthest=(0.5, 0.6)),
    SelectionSettings(threshold=0.2, closest=(0.25, 0.5)),
]

TILES = """async ([key, selection, values]) => {
    const at = name => new URL(`browser/${name}.js`, document.baseURI);
    const [{ store }, { freeTiles }] =
        await Promise.all([import(at('instrument/store')), import(at('sweeps/sweep-tiles'))]);
    return freeTiles(key, selection, store.state.words.modes, values);
}"""
SET = """async (changes) =>
    (await import(new URL('browser/instrument/store.js', document.baseURI))).store.select(changes)"""
SELECTION = (
    """async () => (await import(new URL('browser/instrument/store.js', document.baseURI))).store.state.selection"""
)
INK = """canvas => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((sum, value, i) => (sum * 31 + value + (i & 3)) % 1000000007, 7);
}"""
"""A number that changes with a canvas's pixels."""
CUT = """() => {
    const right = document.querySelector('#sweep-grid').getBoundingClientRect().right;
    const beyond = [...document.querySelectorAll('#sweep-grid *')].filter(e => e.getBoundingClientRect().right > right);
    return beyond.map(e => e.outerHTML);
}"""
"""What reaches beyond the edge, where it is not seen."""
seeds = itertools.count(5000)
"""A seed for each test: what one embeds another must not find."""


def open_sweeps(page, key: str) -> None:
    page.get_by_role("tab", name="Sweeps").click()
    page.locator("#sweep .choices").first.wait_for()
    page.locator(f"input[name=sweep-choice][value={key}]").check()


def fill(page, place: str, value: object) -> None:
    number = page.locator(f"{place} input[type=number]")
    number.fill(str(value))
    number.press("Enter")
    number.blur()


def ask(page, key: str, n_masks: int, price: str) -> int:
    """Choose a costly sweep of few masks that nobody embedded yet, and wait for its price; returns the seed."""
    seed = next(seeds)
    page.get_by_text("Advanced").click()
    fill(page, "#seed", seed)
    fill(page, "#n-masks", n_masks)
    open_sweeps(page, key)
    says(page, "#run-sweep", price)
    return seed


def says(page, place: str, text: str) -> None:
    page.wait_for_function(
        "([p, t]) => new RegExp(t).test(document.querySelector(p)?.innerText)", arg=[place, text], timeout=PATIENCE
    )


def tiles(page):
    return page.locator("#sweep-grid button.tile")


def inks(page) -> list[int]:
    return page.locator("#sweep-grid .tile canvas").evaluate_all(f"all => all.map({INK})")


def wait_repainted(page, before: list[int]) -> None:
    page.wait_for_function(
        f"b => [...document.querySelectorAll('#sweep-grid .tile canvas')].every((c, i) => ({INK})(c) !== b[i])",
        arg=before,
    )


def first_question(masking: MaskSettings) -> RunRequest:
    """What the first screen asks."""
    preset = preset_named(FIRST_PRESET)
    picture, reference = (as_picture(asset_path(name)) for name in (preset.image, preset.reference))
    return RunRequest(picture, reference, None, preset.encoder, "float32", masking)


def known(served, masking: MaskSettings) -> Session:
    """What the app has embedded for the first screen's pair."""
    session = Session()
    for _ in served.probes.run(first_question(masking), session, SelectionSettings()):
        pass
    return session


def assert_same_map(page, expected: np.ndarray) -> None:
    shown = np.array(page.evaluate(MAP))
    np.testing.assert_allclose(shown, expected.ravel(), atol=1e-4 * np.abs(expected).max())


# Free sweeps


def test_free_tiles_are_those_of_python(page):
    for key, selection, values in itertools.product(FREE, SELECTIONS, (None, [0.0123, 0.1, 1 / 3])):
        if values and not SWEEPS[key].own:
            continue
        found = page.evaluate(TILES, [key, selection.to_dict(), values])
        expected = SWEEPS[key].over(values, MaskSettings(), selection)
        assert [(t["title"], t["row"]) for t in found] == [(t.title, t.row) for t in expected], (key, selection)
        assert [SelectionSettings.from_dict(t["selection"]) for t in found] == [t.selection for t in expected]


def test_a_free_sweep_asks_for_nothing(page):
    open_sweeps(page, "sides")
    page.wait_for_function("document.querySelector('#sweep .choices input[value=p_keep] ~ span small').innerText")
    page.wait_for_timeout(1000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for key in FREE:
        open_sweeps(page, key)
        expected = SWEEPS[key].tiles(MaskSettings(), SelectionSettings())
        page.wait_for_function("n => document.querySelectorAll('#sweep-grid .tile').length === n", arg=len(expected))
        assert not page.locator("#run-sweep").is_visible()
        assert page.locator("#sweep-grid .current").count() == 1
        longest = page.locator("#sweep-grid .line-of-tiles").evaluate_all(
            "rows => Math.max(...rows.map(r => r.children.length))"
        )
        assert longest == columns(expected)
    open_sweeps(page, "one_sided")
    before = inks(page)
    page.evaluate(SET, {"distance": "dot"})
    page.wait_for_function(f"b => ({INK})(document.querySelector('#sweep-grid .tile canvas')) !== b", arg=before[0])
    page.evaluate(SET, {"distance": "cosine"})
    says(page, "#sweep-grid .tile:first-of-type .agreed", "agreement 0")
    maps = page.locator("#sweep-grid canvas").evaluate_all("all => all.map(c => c.getAttribute('aria-label'))")
    assert all("brings the pair closer most" in label for label in maps)

    page.get_by_role("button", name="closest 30 %").click()
    page.locator("#big-map").wait_for()
    says(page, ".from-sweep", "Loaded from the sweep “One side of the ranking”: closest 30 %.")
    expected_selection = SelectionSettings(mode="closest", threshold=0.3)
    assert SelectionSettings.from_dict(page.evaluate(SELECTION)) == expected_selection
    probe, target = unpack(load_replay(replay_of(FIRST_PRESET)))
    assert_same_map(page, rank_against(probe, target, expected_selection).relative)
    page.get_by_role("button", name="Back to the sweep").click()
    assert page.locator("#sweep-grid .current b").inner_text() == "closest 30 %"
    assert asked == []

    # Values of one's own: what is wrong with them is said and leaves the maps; right ones are drawn at once, for free.
    open_sweeps(page, "thresholds")
    own = page.locator("#sweep-values")
    titles = page.locator("#sweep-grid .tile b")
    own.fill("0.07 0.25 0.333")
    page.wait_for_function("document.querySelectorAll('#sweep-grid .tile').length === 3")
    assert titles.all_inner_texts() == ["closest 7 %", "closest 25 %", "closest 33.3 %"]
    for typed, said in (("0.07, 2", "2 lies outside 0.01 to 0.5"), ("0.1 a", "“a” is no number"),
                        (" ".join(f"0.{i}" for i in range(10, 23)), "13 values are too many")):  # fmt: skip
        own.fill(typed)
        says(page, "#sweep-values-why", said)
        assert titles.count() == 3
    open_sweeps(page, "sides")
    assert not own.is_visible()  # it varies no number
    open_sweeps(page, "one_sided")
    assert own.input_value() == ""
    open_sweeps(page, "thresholds")
    own.fill("0.25")
    page.wait_for_function("document.querySelectorAll('#sweep-grid .tile').length === 1")
    assert asked == []


def test_free_tiles_follow_the_result(page):
    open_sweeps(page, "thresholds")
    page.wait_for_function("document.querySelectorAll('#sweep-grid .tile canvas').length === 5")
    before = inks(page)
    choose_preset(page, "Cheetah and lion")
    wait_repainted(page, before)


# Costly sweeps


def test_every_costly_sweep_has_room_on_the_page():
    for key, n, f, p in itertools.product(COSTLY, (30, 1000, 10_000), (3, 8, 64), (0.25, 0.5)):
        made = costly_tiles(key, MaskSettings(n_masks=n, feature_res=f, p_keep=p, seed=9), SelectionSettings())
        assert 0 < len(made) <= len(SLOTS)
        assert all(tile.masking.feature_res <= 64 and tile.masking.n_masks <= 10_000 for tile in made)


def test_a_costly_sweep_its_cache_and_loading_a_tile(page, served, monkeypatch, tmp_path):
    rows = count_forward(monkeypatch, FIRST_ENCODER)
    seed = ask(page, "p_keep", 20, "^Run 5 maps, 100 passes through the network")
    says(page, "#sweep-grid .about", "Nothing has been swept yet")
    page.locator("#run-sweep").click()
    page.wait_for_function(
        """() => document.querySelector('#run-sweep').disabled
            && /Tile [1-5] of 5: [0-9]+ of 20 masks, about [0-9]+ s left in all/.test(
                document.querySelector('#sweep-status').innerText)"""
    )
    says(page, "#sweep-status", "5 maps; 100 masks embedded in")
    says(page, "#sweep-grid .about", "^cat_and_espresso.jpg against espresso.jpg: 5 of 5 maps")
    assert page.locator("#sweep-grid .tile b").all_inner_texts() == [f"p_keep 0.{p}" for p in (1, 3, 5, 7, 9)]
    assert page.locator("#sweep-grid .current").inner_text().startswith("p_keep 0.5")
    assert "as set now" in page.locator("#sweep-grid .current").inner_text()
    assert sum(rows) - 100 <= 2 * 5  # each tile's reference and whole picture

    rows.clear()
    says(page, "#run-sweep", "^Run 5 maps, all embedded already: at once")
    page.locator("#run-sweep").click()
    says(page, "#sweep-status", "5 maps, known from earlier runs")
    page.wait_for_function("document.querySelectorAll('#sweep-grid button.tile').length === 5")
    assert set(rows) <= {1}  # references; a batch of masked copies is longer

    before = inks(page)
    page.locator("#board-mode-sweep").select_option("rank_weighted")
    wait_repainted(page, before)
    page.locator("#board-mode-sweep").select_option("mirror")
    tiles(page).nth(1).click()
    page.locator("#big-map").wait_for()
    says(page, "#status", "20 masks, known from an earlier run")
    says(page, ".from-sweep", r"Loaded from the sweep “Share kept \(p_keep\)”: p_keep 0.3")
    values = [page.locator(f"{at} input[type=number]").input_value() for at in ("#n-masks", "#p-keep", "#feature-res")]
    assert values == ["20", "0.3", "8"]
    assert set(rows) <= {1}
    session = known(served, MaskSettings(n_masks=20, p_keep=0.3, seed=seed))
    assert_same_map(page, rank_against(session.probe, session.result.target, SelectionSettings()).relative)
    page.get_by_role("button", name="Back to the sweep").click()
    says(page, "#sweep-grid .current", "^p_keep 0.3")

    # Values of one's own have their own price, and the maps can be taken home.
    page.locator("#sweep-values").fill("0.2, 0.45, 7")
    says(page, "#sweep-values-why", "7 lies outside 0.01 to 0.99")
    page.wait_for_function("document.querySelector('#run-sweep').disabled")
    page.locator("#sweep-values").fill("0.45 0.2")
    says(page, "#run-sweep", "^Run 2 maps, 40 passes")
    page.locator("#run-sweep").click()
    says(page, "#sweep-status", "2 maps; 40 masks embedded in")
    assert page.locator("#sweep-grid .tile b").all_inner_texts() == ["p_keep 0.2", "p_keep 0.45"]
    with page.expect_download() as download:
        page.locator("#save-sweep").click()
    download.value.save_as(tmp_path / "sweep.zip")
    with zipfile.ZipFile(tmp_path / "sweep.zip") as archive:
        rows_of = list(csv.DictReader(io.StringIO(archive.read("sweep.csv").decode())))
        assert [row["p_keep"] for row in rows_of] == ["0.2", "0.45"]
        saved = np.load(io.BytesIO(archive.read("maps/02.npy")), allow_pickle=False)
        assert archive.read("maps/02.png").startswith(b"\x89PNG")
    session = known(served, MaskSettings(n_masks=20, p_keep=0.45, seed=seed))
    expected = rank_against(session.probe, session.result.target, SelectionSettings())
    np.testing.assert_allclose(saved, expected.attribution, atol=1e-6)


def test_masks_and_seeds_are_cut_from_the_longest(served):
    probes, longer = ProbeCache(), MaskSettings(n_masks=24, seed=next(seeds))
    list(probes.run(first_question(longer), Session(), SelectionSettings()))
    short = first_question(replace(longer, n_masks=16))
    assert list(probes.run(short, Session(), SelectionSettings()))[-1].embedded == 0
    assert probes.known(short) == 24  # still


def test_stop_keeps_the_tiles_and_a_sweep_goes_on(page, monkeypatch):
    ask(page, "p_keep", 200, "^Run 5 maps, 1000 passes")  # long enough for Stop to come before its end
    page.locator("#run-sweep").click()
    page.wait_for_function("document.querySelectorAll('#sweep-grid button.tile').length === 2", timeout=PATIENCE)
    page.locator("#stop").click()  # the one for all
    says(page, "#sweep-status", "^Stopped: [2-4] of 5 maps are here")
    kept = tiles(page).count()
    assert 2 <= kept < 5
    assert page.locator("#sweep-grid .waiting").all_inner_texts()[-1].endswith("not run")
    says(page, "#sweep-grid .about", f"{kept} of 5 maps; it ended early")
    says(page, "#run-sweep", "^Run 5 maps, [0-9]+ passes")
    left = int(re.search(r"(\d+) passes", page.locator("#run-sweep").inner_text())[1])
    assert 0 < left <= 1000 - 200 * kept
    rows = count_forward(monkeypatch, FIRST_ENCODER)
    page.locator("#run-sweep").click()
    says(page, "#sweep-status", f"5 maps; {left} masks embedded in")
    page.wait_for_function("document.querySelectorAll('#sweep-grid button.tile').length === 5")
    assert left <= sum(rows) <= left + 2 * 5


def test_a_sweep_of_another_pair_cannot_be_loaded(page, assets: Path):
    ask(page, "p_keep", 10, "^Run 5 maps, 50 passes")
    page.locator("#run-sweep").click()
    says(page, "#sweep-status", "5 maps; 50 masks embedded")
    page.locator("#reference button[aria-label='Remove Image']").first.click()
    page.locator("#reference input[type=file]").set_input_files(assets / "cat.jpg")
    page.wait_for_function("document.querySelector('#reference img')?.complete")
    tiles(page).first.click()
    assert "have changed since this sweep" in toast(page)
    assert page.locator("#sweep-grid").is_visible()


def test_without_a_picture_nothing_can_be_swept(page):
    open_sweeps(page, "p_keep")
    says(page, "#run-sweep", "^Run 5 maps")
    page.locator("#picture button[aria-label='Remove Image']").first.click()
    says(page, "#sweep .why[role=alert]", "Add an image first.")
    assert page.locator("#run-sweep").is_disabled()


def test_a_sweep_that_cannot_begin_says_why(page):
    open_sweeps(page, "p_keep")
    page.locator("#reference button[aria-label='Remove Image']").first.click()
    says(page, "#run-sweep", "^Run 5 maps")  # no mask depends on the reference
    page.locator("#run-sweep").click()
    says(page, "#sweep-status", "That could not be run: Add a picture to compare with first.")
    assert page.locator(".toast-body").count() == 0
    page.wait_for_function("!document.querySelector('#run-sweep').disabled")


def test_captions_stay_text(page):
    page.get_by_role("radio", name="a caption").check()
    box = page.locator("#caption textarea, #caption input").first
    box.fill("a fly <i>")
    ask(page, "p_keep", 10, "^Run 5 maps, 50 passes")
    page.locator("#run-sweep").click()
    says(page, "#sweep-grid .about", "against “a fly <i>”: 5 of 5 maps")
    tiles(page).nth(4).click()
    says(page, "#status", "10 masks, known from an earlier run")
    assert page.locator("#pair blockquote").inner_text() == "“a fly <i>”"


def test_one_sweep_waits_for_another(page, chromium, served):
    ask(page, "n_masks", 30, "^Run 12 maps")
    page.locator("#run-sweep").click()
    says(page, "#sweep-status", "Tile [1-9]")
    other = chromium.new_page()
    other.set_default_timeout(60_000)
    other.goto(served.url)
    other.wait_for_function(FINISHED)
    open_sweeps(other, "feature_res")
    says(other, "#run-sweep", "^Run ")
    other.locator("#run-sweep").click()
    says(other, "#sweep-status", "1 run comes before yours")
    other.locator("#stop").click()
    says(other, "#sweep-status", "Taken out of the queue")
    other.locator("#stop-sweep").wait_for(state="hidden")  # there is nothing more to stop
    page.locator("#stop-sweep").click()
    says(page, "#sweep-status", "^Stopped: ")
    other.wait_for_function("!document.querySelector('#run-sweep').disabled")
    assert tiles(other).count() == 0
    other.close()


# The pilot


def test_the_pilot_says_what_it_found(page, served, monkeypatch):
    monkeypatch.setattr(pilots, "MASKS_EACH", 40)
    seed = ask(page, PILOT, 500, "^Pilot: 5 × 40 masks, 200 passes through the network")
    page.locator("#run-sweep").click()
    page.wait_for_function("document.querySelector('#sweep-grid button.tile')", timeout=PATIENCE)
    assert not page.locator("#sweep-grid .verdict li >> nth=0").is_visible()
    says(page, "#sweep-status", "5 maps; 200 masks embedded")
    page.locator("#sweep-grid .verdict li").first.wait_for()

    masking, trials = MaskSettings(n_masks=500, seed=seed), []
    for p in pilots.P_KEEPS:
        session = known(served, replace(masking, n_masks=40, p_keep=p))
        trials.append(pilots.trial(session.probe, session.result.target))
    expected = pilots.verdict(trials, masking.p_keep)
    assert page.locator("#sweep-grid .verdict li").all_inner_texts() == list(expected)
    rows = page.locator("#sweep-grid tbody tr").all()
    assert len(rows) == 5
    for row, trial in zip(rows, trials, strict=True):
        cells = row.locator("td").all_inner_texts()[1:]
        assert cells[0] == f"{trial.p_keep:g}" + " (as set)" * (trial.p_keep == 0.5)
        assert float(cells[1]) == pytest.approx(trial.spread, rel=0.06)
        assert cells[2] == " to ".join(f"{edge:.4f}" for edge in trial.band)
        assert cells[3] == f"{trial.expected:.2f}" + ": no pattern" * (not trial.repeats)

    tiles(page).nth(3).click()
    says(page, "#status", "40 masks, known from an earlier run")
    assert page.locator("#p-keep input[type=number]").input_value() == "0.7"
    assert_same_map(page, trials[3].explanation.relative)


def test_by_keyboard(page, monkeypatch):
    def reach(selector: str) -> None:
        for _ in range(60):
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
            page.keyboard.press("Tab")
        pytest.fail(f"{selector} is out of the keyboard's reach")

    ask(page, "sides", 10, "")
    page.locator("#sweep input[value=sides]").focus()
    while page.evaluate("document.activeElement.value") != "p_keep":
        page.keyboard.press("ArrowDown")
    says(page, "#run-sweep", "^Run 5 maps, 50 passes")
    reach("#run-sweep")
    page.keyboard.press("Enter")
    says(page, "#sweep-status", "5 maps; 50 masks embedded")
    reach("#sweep-grid button.tile")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    says(page, ".from-sweep", "p_keep 0.3")
    assert page.evaluate("document.activeElement.textContent") == "Explore"
    reach(".from-sweep button")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Sweeps"


# Looks


@pytest.mark.parametrize(("theme", "width"), [("light", 1400), ("dark", 390)])
def test_no_barrier_and_nothing_sideways(chromium, served, monkeypatch, theme: str, width: int):
    monkeypatch.setattr(pilots, "MASKS_EACH", 20)
    page = chromium.new_page(width)
    page.set_default_timeout(60_000)
    page.goto(f"{served.url}/?__theme={theme}")
    page.wait_for_function(FINISHED)
    if width < 768:
        page.locator("#masks > button").click()  # folded away on a narrow screen
    fill(page, "#n-masks", 10)
    for key, words in (("one_sided", ""), ("p_keep", "^Run 5 maps"), (PILOT, "^Pilot")):
        open_sweeps(page, key)
        if words:
            says(page, "#run-sweep", words)
            page.locator("#run-sweep").click()
            says(page, "#sweep-status", "5 maps[,;]")
        page.wait_for_function("document.querySelectorAll('#sweep-grid button.tile').length >= 5", timeout=PATIENCE)
        for shown in in_both_themes(page):
            assert barriers(page) == [], (key, shown)
            assert_no_scrolling(page, (key, shown))
            assert page.evaluate(CUT) == [], (key, shown)
