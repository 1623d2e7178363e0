"""Links and files as people use them: copied, opened elsewhere after a restart, shown to a class, taken home."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from explorer.results.links import OURS

from .driving import assert_no_scrolling, calm, choose_preset, in_both_themes

pytestmark = pytest.mark.browser

LONG = 240_000
STATE = """async () => {
    const module = (name) => import(new URL(`browser/instrument/${name}.js`, document.baseURI));
    const [{ store }, { view }] = await Promise.all([module("store"), module("views")]);
    const { result, selection, upto } = store.state;
    if (!result) return null;
    return { n: result.n, seed: result.masking.seed, selection, map: [...view(result, selection, upto).map] };
}"""
"""What the page shows, to the last digit."""
SERVE = "from explorer.ui import build_app, launch; launch(build_app(), server_port={}, quiet=True)"


class Server:
    """The app in a process of its own, always at one address."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", SERVE.format(self.port)])
        until = time.monotonic() + 180
        while time.monotonic() < until:
            assert self._process.poll() is None, "the server ended by itself"
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        raise AssertionError("the server did not start")

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(60)
            self._process = None


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    server.start()
    yield server
    server.stop()


def opened(chromium, address: str, width: int = 1400, height: int = 1000, *, elsewhere: bool = False) -> Any:
    """A page, on another computer if wanted; its ``complaints`` are errors in its console."""
    page = chromium.new_context().new_page() if elsewhere else chromium.new_page(width, height)
    page.set_default_timeout(LONG)
    page.complaints = []
    page.on("console", lambda m: page.complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(address)
    return page


def drawn(page, n_masks: int = 1000) -> dict[str, Any]:
    """Wait for a result and return it."""
    page.wait_for_function(
        "n => document.querySelector('#agreed')?.innerText.includes(`runs of ${n} masks`)", arg=n_masks
    )
    return page.evaluate(STATE)


def status_says(page, text: str) -> None:
    page.wait_for_function("t => document.querySelector('#status')?.innerText.includes(t)", arg=text)


def to_share(page) -> None:
    page.get_by_role("tab", name="Share").click()
    page.locator("#make-link").wait_for()


def link(page, button: str = "#make-link") -> str:
    """Make a link and copy it."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('')")
    page.locator(button).click()
    page.locator("#copy-link").click()
    page.locator(".share-link-root [role=status]", has_text="Copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#address").input_value()
    return page.locator("#address").input_value()


def same(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert after["n"] == before["n"]
    assert after["seed"] == before["seed"]
    assert after["selection"] == before["selection"]
    assert len(after["map"]) == 224 * 224
    assert max(abs(a - b) for a, b in zip(after["map"], before["map"], strict=True)) == 0


def number(page, place: str, value: str) -> None:
    field = page.locator(f"{place} input[type=number]")
    field.fill(value)
    field.press("Enter")
    field.blur()


def test_links_show_the_same_map_in_a_new_browser_after_a_restart(chromium, server):
    example = opened(chromium, server.url, elsewhere=True)
    drawn(example)
    example.locator(".slices summary").click()
    for place, value in (("farthest from", "55"), ("farthest to", "80"), ("closest from", "20"), ("closest to", "45")):
        example.get_by_label(place).fill(value)
        example.get_by_label(place).blur()
    example.locator("#instrument-distance").select_option("angular")
    shown = example.evaluate(STATE)
    assert shown["selection"]["closest"] == [0.2, 0.45]
    to_share(example)
    links = {link(example): shown}

    run = opened(chromium, server.url, elsewhere=True)
    drawn(run)
    run.get_by_text("Advanced").click()
    number(run, "#n-masks", "60")
    run.locator("#seed input").fill("7")
    run.locator("#seed input").blur()
    run.get_by_role("button", name=re.compile("^Run 60 masks")).click()
    drawn(run, 60)
    run.locator(".slices summary").click()
    for place, value in (("closest from", "0"), ("closest to", "25")):
        run.get_by_label(place).fill(value)
        run.get_by_label(place).blur()
    shown = run.evaluate(STATE)
    assert (shown["n"], shown["seed"], shown["selection"]["closest"]) == (60, 7, [0, 0.25])
    to_share(run)
    links[link(run)] = shown
    for page in (example, run):
        assert page.complaints == []
        page.close()

    server.stop()
    server.start()
    for address, before in links.items():
        page = opened(chromium, address, elsewhere=True)
        same(before, drawn(page, before["n"]))
        to_share(page)
        assert link(page) == address  # and it can be passed on
        assert page.complaints == []
        page.close()


def test_a_page_open_over_a_restart_says_so_and_has_everything_still(chromium, server, tmp_path: Path):
    """The server writes its files elsewhere then, and knows no page of before."""
    import numpy as np
    from PIL import Image

    page = opened(chromium, server.url, elsewhere=True)
    drawn(page)
    for place, name in (("#picture", "my first.png"), ("#reference", "my second.png")):
        copy = tmp_path / name
        Image.fromarray(np.random.default_rng(len(name)).integers(0, 256, (120, 160, 3), dtype=np.uint8)).save(copy)
        page.locator(f"{place} button[aria-label='Remove Image']").first.click()
        page.locator(f"{place} input[type=file]").set_input_files(copy)
        page.wait_for_function("p => document.querySelector(p + ' img')?.src.includes('/uploads/')", arg=place)
    number(page, "#n-masks", "30")
    page.get_by_role("button", name=re.compile("^Run 30 masks")).click()
    before = drawn(page, 30)
    page.get_by_role("button", name="Pin this result").click()
    kept = "Object.keys(sessionStorage).filter(key => / (pins|result|controls|bytes .*)$/.test(key)).length"
    page.wait_for_function(f"{kept} === 5")
    page.evaluate(
        """async () => {
            const { dropBytes, kept } = await import(new URL('browser/share/kept.js', document.baseURI));
            dropBytes(kept("files")[1].path); // as of a photograph that is too large to be kept
        }"""
    )
    assert page.evaluate(kept) == 4
    other = opened(chromium, server.url, elsewhere=True)
    drawn(other)
    number(other, "#n-masks", "20")
    status_says(other, "Changed since this example")
    server.stop()
    server.start()
    page.locator("#run").click()
    page.locator(".toast-body", has_text="Connection").wait_for()  # at once, and then the page is loaded anew
    status_says(page, "add my second.png as the picture to compare with again")
    same(before, drawn(page, 30))
    page.wait_for_function("document.querySelector('#picture img')?.src.includes('/uploads/')")
    assert page.locator("#n-masks input[type=number]").input_value() == "30"
    assert "1 of at most 8 pinned" in page.locator(".pin").inner_text()
    page.locator("#reference input[type=file]").set_input_files(tmp_path / "my second.png")
    page.wait_for_function("document.querySelector('#reference img')?.complete")
    page.get_by_role("button", name=re.compile("^Run 30 masks")).click()
    status_says(page, "30 masks; 30 embedded")
    same(before, drawn(page, 30))
    page.close()

    with other.expect_navigation():
        other.locator("#run").click()  # the examples lie elsewhere now, too
    other.get_by_role("button", name=re.compile("^Run 20 masks")).click()
    drawn(other, 20)
    other.close()


def test_an_own_picture_is_asked_for_and_then_gives_the_same_map(chromium, served, assets: Path, tmp_path: Path):
    import numpy as np
    from PIL import Image

    own = tmp_path / "own.png"
    Image.fromarray(np.random.default_rng(8).integers(0, 256, (120, 160, 3), dtype=np.uint8)).save(own)

    def add(page) -> None:
        page.locator("#picture input[type=file]").set_input_files(own)
        page.wait_for_function("document.querySelector('#picture img')?.complete")

    def marked(page, text: str) -> None:
        page.wait_for_function("t => document.querySelector('#map-mark')?.innerText.includes(t)", arg=text)

    page = opened(chromium, served.url)
    drawn(page)
    page.locator("#picture button[aria-label='Remove Image']").first.click()
    add(page)
    number(page, "#n-masks", "40")
    page.get_by_role("button", name=re.compile("^Run 40 masks")).click()
    before = drawn(page, 40)
    to_share(page)
    address = link(page)
    assert "a file of your own" in page.locator("#link-notes").inner_text()
    page.close()

    other = opened(chromium, address, elsewhere=True)
    status_says(other, "add the picture to explain, then press Run")
    drawn(other)  # until then an example, which says that it is one
    asking = "not what the link shows. The link is about a picture that its sender has"
    marked(other, asking)
    assert "last run" not in other.locator("body").inner_text()
    assert asking in other.locator("#big-map").get_attribute("aria-label")
    other.locator("#picture input[type=file]").set_input_files(assets / "rocket.jpg")
    marked(other, "that you added is another one")
    status_says(other, "is not the one that the link is about")
    other.locator("#picture button[aria-label='Remove Image']").first.click()
    marked(other, asking)
    status_says(other, "add the picture to explain, then press Run")
    add(other)
    marked(other, "not what the link shows yet: press Run")
    status_says(other, "is what the link is about. Press Run")
    other.get_by_role("button", name=re.compile("^Run 40 masks")).click()
    same(before, drawn(other, 40))
    other.wait_for_function("document.querySelector('#map-mark').innerText === ''")
    other.close()


def test_a_stopped_run_says_what_its_link_asks_for(page):
    page.get_by_text("Advanced").click()
    page.locator("#seed input").fill("41")
    page.locator("#seed input").blur()
    number(page, "#n-masks", "900")
    page.get_by_role("button", name=re.compile("^Run 900 masks")).click()
    page.wait_for_function("/^[1-9][0-9]+ of 900/.test(document.querySelector('#status').innerText.trim())")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.wait_for_function("/Stopped at [0-9]+ of 900/.test(document.querySelector('#status').innerText)")
    page.wait_for_timeout(1000)
    done = page.evaluate(STATE)["n"]
    to_share(page)
    assert f"n_masks={max(10, done)}&" in link(page) + "&"
    assert f"The maps show {done} of 900 masks" in page.locator("#link-notes").inner_text()


# Teachers


REACHED = """() => {
    const seen = [];
    if (document.activeElement.matches('.what')) return seen; // says what a word means, beside a locked control too
    for (let at = document.activeElement; at && at !== document.body; at = at.parentElement) {
        if (at.dataset.control) seen.push(at.dataset.control);
        if (at.id) seen.push(at.id);
    }
    return seen;
}"""
"""What has the keyboard's focus, from the inside out."""


def reached(page, presses: int) -> set[str]:
    """Everything that Tab leads through."""
    found: set[str] = set()
    page.locator("body").click(position={"x": 2, "y": 2})
    for _ in range(presses):
        page.keyboard.press("Tab")
        found |= set(page.evaluate(REACHED))
    return found


def test_a_teacher_hides_and_locks(chromium, served):
    page = opened(chromium, served.url)
    drawn(page)
    to_share(page)
    page.get_by_text("For teachers: hide or lock controls").click()
    chosen = {
        "#hide": ("Encoder", "Run", "Selection mode and slices", "Compare tab", "Tour"),
        "#lock": ("Threshold", "Distance", "Number of masks (n_masks)", "Examples", "Picture to explain"),
    }
    for group, names in chosen.items():
        for name in names:
            page.locator(group).get_by_label(name, exact=True).check()
    page.locator("#for-teachers").get_by_label("Large text, for a projector").check()
    address = link(page, "#make-teacher-link")
    assert address.endswith(
        "&hide=encoder,mode,run,compare,tour&lock=preset,picture,n_masks,threshold,distance&projector=1"
    )
    page.close()

    pupil = opened(chromium, address)
    before = drawn(pupil)
    pupil.wait_for_function("document.documentElement.classList.contains('projector')")
    away = ("#encoder", "#about-encoder", "#absent-encoders")
    for gone in (*away, "#run", "#stop", "#mode", ".slices", "#compare-tab-button", "#tour"):
        assert not pupil.locator(gone).first.is_visible(), gone
    for fixed in (
        "#instrument-threshold",
        "#instrument-distance",
        "#n-masks input[type=number]",
        "#preset button >> nth=0",
    ):
        assert pupil.locator(fixed).is_visible(), fixed
        assert pupil.locator(fixed).is_disabled(), fixed
    assert pupil.locator("#picture input[type=file]").count() == 0
    assert pupil.locator("#picture button[aria-label='Remove Image']").count() == 0

    found = reached(pupil, 70)
    assert {"opacity", "scrubber", "p-keep", "share-tab-button", "map-frame", "kind"} <= found
    assert not found & {"encoder", "run", "stop", "mode", "compare-tab-button", "tour", "threshold", "distance",
                        "n-masks", "preset"}  # fmt: skip
    plot = pupil.locator(".plot").bounding_box()
    pupil.mouse.move(plot["x"] + 80, plot["y"] + 60)
    pupil.mouse.down()
    pupil.mouse.move(plot["x"] + 300, plot["y"] + 60, steps=5)
    pupil.mouse.up()
    pupil.wait_for_timeout(500)
    assert pupil.evaluate(STATE)["selection"] == before["selection"]
    assert pupil.complaints == []
    pupil.close()


def test_hidden_tabs_cannot_be_opened_on_a_narrow_screen_either(chromium, served):
    page = opened(chromium, f"{served.url}/?hide=share&lock=sweeps&projector=1&preset=two-cat", 390, 844)
    drawn(page)
    page.wait_for_function("document.documentElement.classList.contains('projector')")
    page.get_by_role("tab", name="Share").wait_for(state="hidden")
    usable = [tab.inner_text() for tab in page.get_by_role("tab").all() if tab.is_visible() and tab.is_enabled()]
    assert sorted(usable) == ["Compare", "Evidence", "Explore", "Match", "Words"]
    page.close()


def test_what_is_locked_stays_locked_in_a_tab_opened_later(chromium, served):
    page = opened(chromium, f"{served.url}/?lock=mode,threshold&preset=two-cat")
    drawn(page)
    page.get_by_role("tab", name="Compare").click()
    page.locator("#board-mode-pins").wait_for()
    page.wait_for_function("document.querySelector('#board-mode-pins').matches(':disabled')")
    assert page.locator("#instrument-board-threshold-pins").is_disabled()
    page.get_by_role("tab", name="Explore").click()
    page.locator("#instrument-opacity").fill("0.5")  # what draws the panel anew leaves the lock alone
    calm(page)
    assert page.locator("#instrument-threshold").is_disabled()
    assert page.locator("#mode-closest").is_disabled()
    page.close()


@pytest.mark.parametrize(("theme", "width"), [("light", 1400), ("dark", 390)])
def test_large_text_is_larger_and_fits(chromium, served, width: int, theme: str):
    page = opened(chromium, f"{served.url}/?__theme={theme}", width, 844)
    drawn(page)
    places = ("#status p", "#map-words", "#n-masks label", "#run", "#intro p")
    size = "place => parseFloat(getComputedStyle(document.querySelector(place)).fontSize)"
    before = [page.evaluate(size, place) for place in places]
    to_share(page)
    page.get_by_label("Large text on this page, for a projector").check()
    for shown in in_both_themes(page):
        assert_no_scrolling(page, shown)
    page.get_by_role("tab", name="Explore").click()
    for shown in in_both_themes(page):
        assert_no_scrolling(page, shown)
    after = [page.evaluate(size, place) for place in places]
    least = 1.2 if width > 768 else 1.1
    assert all(least <= large / usual <= 1.5 for large, usual in zip(after, before, strict=True)), (before, after)
    page.close()


# Links that are none


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("preset=two-cat&threshold=nan", "threshold must be a number"),
        ("picture=javascript:alert(1)&caption=x", "No such example"),
        ("picture=cat.jpg&caption=" + "x" * 20_000, "the limit is 500"),
        ("hide=%3Cimg+src=x+onerror=alert(1)%3E", "Unknown name in hide"),
    ],
    ids=["nan", "scheme", "huge", "markup"],
)
def test_a_bad_link_gets_one_message_and_a_page_that_works(chromium, served, query: str, message: str):
    page = opened(chromium, f"{served.url}/?{query}")
    status_says(page, "This link cannot be followed.")
    assert message in page.locator("#status").inner_text()
    assert page.locator(".toast-body").count() == 0  # said once
    drawn(page)
    choose_preset(page, re.compile("and the cat$"))
    page.wait_for_function("document.querySelector('#story').innerText.includes('cat alone')")
    assert page.complaints == []
    page.close()


def test_markup_in_a_links_caption_stays_text(chromium, served):
    page = opened(chromium, "about:blank")
    page.add_init_script("window.alert = () => { window.alerted = true }")
    caption = "<img src=x onerror=alert(1)>"
    page.goto(
        f"{served.url}/?picture=cat.jpg&caption=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E&encoder=conse-lite0&n_masks=20"
    )
    drawn(page, 20)
    assert page.locator("#pair blockquote").inner_text() == f"“{caption}”"
    to_share(page)
    assert "caption=%3Cimg" in link(page)
    assert page.evaluate("window.alerted") is None
    assert page.complaints == []
    page.close()


def test_a_plain_visit_asks_python_for_nothing_about_links(chromium, served):
    sent: list[str] = []
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(LONG)
    page.on("request", lambda r: sent.append(r.post_data or "") if "/queue/join" in r.url else None)
    follow = next(i for i, fn in served.demo.fns.items() if getattr(fn.fn, "__qualname__", "") == "Opening.follow")
    page.goto(f"{served.url}/?utm_source=mail")
    drawn(page)
    assert not [body for body in sent if json.loads(body)["fn_index"] == follow]
    page.goto(f"{served.url}/?{OURS[0]}=two-cat")
    drawn(page)
    assert [body for body in sent if json.loads(body)["fn_index"] == follow]
    context.close()


# Files


def test_everything_can_be_taken_home_and_brought_back(chromium, served, tmp_path: Path):
    page = opened(chromium, f"{served.url}/?preset=two-caption-cat&closest=0-0.3")
    before = drawn(page)
    to_share(page)
    with page.expect_download() as download:
        page.locator("#export").click()
    assert download.value.suggested_filename == "distance-explorer.zip"
    download.value.save_as(tmp_path / "all.zip")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save again: cat_and_espresso.jpg, 1000 masks, slices").click()
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert {"figure.png", "figure.svg", "attribution.npy", "distances.csv", "config.json", "reproduce.py"} <= set(
            archive.namelist()
        )
        archive.extract("config.json", tmp_path)
    assert page.complaints == []
    page.close()

    other = opened(chromium, served.url)
    drawn(other)
    to_share(other)
    other.get_by_label("Load a config.json").set_input_files(tmp_path / "config.json")
    other.get_by_role("tab", name="Explore").click()
    other.wait_for_selector("#pair blockquote")
    same(before, drawn(other))
    assert other.get_by_role("radio", name="a caption").is_checked()
    assert other.complaints == []
    other.close()


def test_a_loaded_config_is_run(page, tmp_path: Path):
    to_share(page)
    from explorer.results.links import preset_recipe

    recipe = preset_recipe("two-cat").to_dict()
    recipe["masking"] |= {"n_masks": 30, "seed": 5}
    recipe["selection"] |= {"mode": "closest", "threshold": 0.3}
    (tmp_path / "config.json").write_text(json.dumps(recipe))
    page.get_by_label("Load a config.json").set_input_files(tmp_path / "config.json")
    page.get_by_role("tab", name="Explore").click()
    shown = drawn(page, 30)
    assert (shown["seed"], shown["selection"]["mode"], shown["selection"]["threshold"]) == (5, "closest", 0.3)


def test_a_file_that_is_no_config_changes_nothing(page, tmp_path: Path):
    before = page.evaluate(STATE)
    to_share(page)
    for content, message in ((b"hello", "Not a config.json"), (b" " * 200_000, "larger than 100 kB")):
        (tmp_path / "config.json").write_bytes(content)
        page.get_by_label("Load a config.json").set_input_files(tmp_path / "config.json")
        page.locator(".toast-body", has_text=message).wait_for()
    assert page.evaluate(STATE) == before


@pytest.mark.parametrize(("theme", "width"), [("light", 1400), ("dark", 390)])
def test_the_tab_fits_and_everything_in_it_has_a_name(chromium, served, width: int, theme: str):
    page = opened(chromium, f"{served.url}/?__theme={theme}", width, 844)
    drawn(page)
    to_share(page)
    page.get_by_text("For teachers: hide or lock controls").click()
    page.locator("#hide").wait_for()
    link(page)
    for shown in in_both_themes(page):
        assert_no_scrolling(page, shown)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('#share-tab :is(input, select, textarea, button)')]
            .filter(e => e.checkVisibility() && !(e.labels?.length || e.ariaLabel || e.innerText))
            .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert unnamed == []
    page.close()
