"""Links, files and exports over HTTP: what strangers send is checked, and what is served is what was asked for."""

from __future__ import annotations

import io
import json
import re
import threading
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import numpy as np
import pytest
from gradio_client.utils import apply_diff
from PIL import Image

from explorer import MaskSettings, SelectionSettings
from explorer.core.errors import InvalidInput
from explorer.core.limits import N_MASKS
from explorer.pictures.examples import FIRST_PRESET, asset_path, preset_named, presets
from explorer.pictures.images import as_picture
from explorer.results.links import CONTROLS, TABS, View, preset_recipe, to_query
from explorer.results.recipe import Recipe, example_sha256
from explorer.results.wire import load_replay, replay_of
from explorer.ui.controls import CAPTION, Controls
from explorer.ui.page import SESSION_SECONDS
from explorer.ui.tabs.share.layout import LABELS, OPENED
from tests.ui.talk import at_first

RUN = Recipe(
    picture="cat.jpg",
    picture_sha256=example_sha256("cat.jpg"),
    reference="espresso.jpg",
    reference_sha256=example_sha256("espresso.jpg"),
    encoder="efficientnet-lite0",
    masking=MaskSettings(n_masks=20, seed=7, p_keep=0.25, feature_res=6, fill="mean"),
    selection=SelectionSettings(distance="euclidean", closest=(0.0, 0.25)),
)
OWN = replace(RUN, picture=None, picture_sha256="0" * 64)


@dataclass
class Page:
    """One open page, without its browser."""

    demo: Any
    url: str
    session: str = field(default_factory=lambda: uuid.uuid4().hex)

    def send(self, name: str, event: Any = None, **values: Any) -> tuple[dict[str, Any], str]:
        """Start the event of that name; what it set, by elem_id, and the error it ended with."""
        index, function = next((i, f) for i, f in self.demo.fns.items() if getattr(f.fn, "__qualname__", "") == name)
        data = [values.get(block.elem_id, at_first(block)) for block in function.inputs]
        body = {"data": data, "fn_index": index, "session_hash": self.session, "event_data": event}
        status, text = get(f"{self.url}/gradio_api/queue/join", json.dumps(body).encode())
        if status == 400:
            return {}, str(json.loads(text)["detail"])
        assert status == 200, text
        _, events = get(f"{self.url}/gradio_api/queue/data?session_hash={self.session}")
        assert b"Traceback" not in events
        messages = [json.loads(line.removeprefix("data: ")) for line in events.decode().split("\n\n") if line]
        assert messages[-2]["msg"] == "process_completed"  # then the stream is closed
        set_to: dict[str, Any] = {}
        for data in whole(messages):
            answers = zip(function.outputs, data, strict=True)
            set_to |= {block.elem_id: answer for block, answer in answers if not skipped(answer)}
        return set_to, "" if messages[-2]["success"] else str(messages[-2]["output"]["error"])

    def follow(self, query: str) -> tuple[dict[str, Any], str]:
        """Open the page at an address with that query."""
        return self.send("Opening.follow", {"query": dict(parse_qsl(query, keep_blank_values=True))})


@pytest.fixture
def page(demo, url) -> Page:
    return Page(demo, url)


def get(url: str, data: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def whole(messages: list[dict[str, Any]]) -> Iterator[list[Any]]:
    """What each message sets; on the way all but the first are changes to the one before."""
    before: list[Any] | None = None
    for message in messages:
        if message["msg"] == "process_generating":
            data = message["output"]["data"]
            before = data if before is None else [apply_diff(*pair) for pair in zip(before, data, strict=True)]
            yield before
        elif message["msg"] == "process_completed" and message["success"]:
            yield message["output"]["data"]


def skipped(answer: Any) -> bool:
    nothing = {"__type__": "update"}
    return isinstance(answer, dict) and nothing in (answer, answer.get("props"))


def value(answer: Any) -> Any:
    return answer["value"] if isinstance(answer, dict) and "value" in answer else answer


def shown(answers: dict[str, Any]) -> dict[str, Any]:
    """What the instrument is told to show."""
    show = dict(answers["instrument"]["props"]["show"])
    assert show.pop("stamp") > 0
    return show


PLAIN = SelectionSettings()


def seeing(result: str, selection: SelectionSettings = PLAIN, n: int = 1000, upto: int | None = None) -> str:
    """The instrument's value."""
    return json.dumps({"id": result, "n": n, "selection": selection.to_dict(), "upto": upto, "opacity": 0.85})


def id_of(preset: str) -> str:
    path = replay_of(preset)
    assert path is not None
    return load_replay(path)["id"]


# Opening a link


def test_an_address_without_a_link_changes_nothing(page):
    assert page.send("Opening.follow", {"query": {}}) == ({}, "")
    assert page.send("Opening.follow", {"query": {"__theme": "dark", "utm_source": "mail"}}) == ({}, "")


def test_a_preset_is_shown_from_its_replay_without_a_model(page, monkeypatch):
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("an encoder was loaded")

    monkeypatch.setattr("explorer.ui.probe_cache.load_encoder", fail)
    answers, error = page.follow("preset=two-cat&closest=0.2-0.5&distance=angular")
    assert not error
    selection = SelectionSettings(closest=(0.2, 0.5), distance="angular")
    assert shown(answers) == {"replay": "two-cat", "selection": json.loads(json.dumps(selection.to_dict()))}
    assert answers["preset"] == "two-cat"
    assert "cat alone" in answers["story"]
    assert "embedded earlier" in answers["status"]
    assert "run" not in answers["links"]["props"]  # nothing is run


def test_a_run_is_asked_for_as_it_was(page):
    answers, error = page.follow(to_query(RUN))
    assert not error
    assert {name: value(answers[name]) for name in ("kind", "caption", "encoder", "precision", "fill")} == {
        "kind": "another picture",
        "caption": "",
        "encoder": "efficientnet-lite0",
        "precision": "float32",
        "fill": "mean",
    }
    assert [answers[name] for name in ("n-masks", "p-keep", "feature-res", "seed")] == [20, 0.25, 6, 7]
    assert answers["until"] is False
    for place, name in (("picture", "cat.jpg"), ("reference", "espresso.jpg")):
        _, data = get(value(answers[place])["url"])
        with Image.open(io.BytesIO(data)) as picture:
            np.testing.assert_array_equal(np.asarray(picture), as_picture(asset_path(name)).pixels)
    assert shown(answers) == {"selection": json.loads(json.dumps(RUN.selection.to_dict()))}
    assert answers["links"]["props"]["run"] > 0
    assert answers["preset"] is None


def test_a_pair_that_is_an_example_is_run_all_the_same(page):
    """A link to a run gives what a run gives: a replay was embedded on another machine, whose rounding may differ."""
    answers, _ = page.follow(to_query(preset_recipe("two-cat")))
    assert "replay" not in shown(answers)
    assert answers["links"]["props"]["run"] > 0


def test_a_caption_is_put_where_captions_go(page):
    caption = '<img src=x onerror="alert(1)">'
    recipe = replace(RUN, reference=None, reference_sha256=None, caption=caption, encoder="conse-lite0")
    answers, error = page.follow(to_query(recipe))
    assert not error
    assert answers["kind"] == "a caption"
    assert (answers["caption"]["value"], answers["caption"]["visible"]) == (caption, True)
    assert (answers["reference"]["value"], answers["reference"]["visible"]) == (None, False)


def upload(url: str, content: bytes) -> str:
    body = (
        b'--e\r\nContent-Disposition: form-data; name="files"; filename="own.png"\r\n\r\n' + content + b"\r\n--e--\r\n"
    )
    request = urllib.request.Request(
        f"{url}/gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=e"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(json.loads(answer.read())[0])


def test_nobodys_file_is_found_by_its_hash(page, url):
    pixels = np.random.default_rng(3).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "PNG")
    upload(url, packed.getvalue())
    answers, error = page.follow(to_query(replace(OWN, picture_sha256=as_picture(pixels).sha256)))
    assert not error
    assert answers["picture"] is None
    assert "add the picture to explain, then press Run" in answers["status"]
    assert "run" not in answers["links"]["props"]
    assert shown(answers)["replay"] == FIRST_PRESET  # a page is never empty
    assert answers["n-masks"] == 20


def test_both_files_are_named_where_both_are_the_users(page):
    both = replace(OWN, reference=None, reference_sha256="1" * 64)
    assert "the picture to explain and the picture to compare with" in page.follow(to_query(both))[0]["status"]


def test_long_runs_wait_for_a_press(page):
    for count, waits in ((int(N_MASKS.default), False), (int(N_MASKS.default) + 1, True)):
        answers, _ = page.follow(to_query(replace(RUN, masking=MaskSettings(n_masks=count))))
        assert ("Press Run: 1001 masks" in answers["status"]) == waits
        assert ("run" in answers["links"]["props"]) != waits


def test_a_run_that_fails_leaves_the_first_example_on_a_fresh_page(page, url, demo):
    answers, _ = page.send("Opening.replay_again")
    assert shown(answers) == {"replay": FIRST_PRESET}
    used = Page(demo, url)
    run(used, RUN)
    assert used.send("Opening.replay_again") == ({}, "")  # and a used page with what is on it


def test_an_encoder_that_is_not_here_is_not_fetched_by_a_link(page, own_cache):
    answers, error = page.follow("picture=cat.jpg&reference=espresso.jpg&encoder=keras-vgg16")
    assert not error
    assert "needs VGG16 (Keras), which is not on this server" in answers["status"]
    assert "run" not in answers["links"]["props"]


def test_arithmetic_that_is_not_here_is_refused(page, demo, monkeypatch):
    radio = next(block for block in demo.blocks.values() if block.elem_id == "precision")
    monkeypatch.setattr(radio, "choices", [("float32", "float32")])
    _, error = page.follow(to_query(replace(RUN, precision="bfloat16")))
    assert "bfloat16 arithmetic" in error


BAD = {
    "preset=nonsense": "No such example",
    "preset=two-cat&threshold=nan": "threshold must be a number",
    "preset=two-cat&n_masks=1e9": "n_masks must be a whole number",
    "preset=two-cat&n_masks=100000": "n_masks must be 10 to 10000",
    "preset=two-cat&seed=-1": "seed must be 0",
    "preset=two-cat&closest=0.5-0.2": "closest",
    "preset=two-cat&closest=nan-inf": "closest must be two shares",
    "preset=../../etc/passwd": "No such example",
    "picture=/etc/passwd&caption=x": "No such example",
    "picture=https://evil.test/x.png&caption=x": "No such example",
    "picture=cat.jpg": "half of a pair",
    "picture=cat.jpg&caption=": "The caption is empty",
    "picture=cat.jpg&caption=" + "x" * 100_000: "the limit is 500",
    "picture=cat.jpg&reference=espresso.jpg&encoder=../../x": "encoder",
    "picture=cat.jpg&reference=espresso.jpg&encoder=open_clip:evil/repo:x": "encoder",
    "picture=cat.jpg&reference=espresso.jpg&scheme=dianna": "scheme",
    "picture_sha256=../../x&caption=x": "picture_sha256",
    "hide=<script>": "Unknown name in hide",
    "lock=run,__proto__": "Unknown name in lock",
    "step=7": "step must be 1 to 6",
    "projector=yes": "projector must be 0 or 1",
}


@pytest.mark.parametrize("query", BAD, ids=lambda query: query[:40])
def test_bad_links_get_one_message_and_a_page_that_works(page, query):
    answers, error = page.follow(query)
    assert error.startswith("This link cannot be followed.")
    assert BAD[query] in error
    assert "<script" not in error
    assert len(error) < 400
    assert shown(answers) == {"replay": FIRST_PRESET}
    assert set(answers) <= {"instrument", "links", "status"}


KINDS = (None, [], {}, "preset=two-cat", {"query": "preset=two-cat"}, {"query": {"preset": 5}}, {"query": {"hide": {}}},
         {"query": {}, "files": 5}, {"query": {}, "files": [""] * 17}, {"query": {}, "back": 1},
         {"query": {}, "lost": {"picture": 5}})  # fmt: skip


@pytest.mark.parametrize("sent", KINDS)
def test_data_of_another_kind_is_refused(page, sent):
    answers, error = page.send("Opening.follow", sent)
    assert "could not be read" in error
    assert set(answers) <= {"instrument", "status"}


# Teachers


def test_locked_controls_stand_still_and_tabs_go(page):
    answers, error = page.follow("hide=compare,mode&lock=n_masks,run,threshold,picture,preset,sweeps&projector=1")
    assert not error
    for name in ("n-masks", "run", "picture", "sweeps-tab"):
        assert answers[name]["interactive"] is False, name
    assert answers["compare-tab"]["interactive"] is False
    assert answers["links"]["props"]["view"] == {
        "hide": ["mode", "compare"],
        "lock": ["preset", "picture", "n_masks", "threshold", "run", "sweeps"],
        "projector": True,
    }
    assert "instrument" not in answers  # which shows the first example by itself


def test_every_control_has_a_label_and_a_place(demo):
    assert tuple(LABELS) == CONTROLS
    assert set(TABS) < set(OPENED) < set(CONTROLS)
    places = {block.elem_id for block in demo.blocks.values()}
    scripts = "".join(file.read_text() for file in (Path(__file__).parents[4] / "explorer/ui/browser").glob("*/*.js"))
    for name in CONTROLS:
        known = {name.replace("_", "-"), f"{name}-tab"} & places
        own = re.search(f'"data-control": "{name}"|slider\\("{name}"|dataset.control = "{name}"', scripts)
        assert known or own, name


# A config.json


def test_a_config_is_loaded_like_a_link(page):
    answers, error = page.send("Opening.load", {"text": RUN.to_json()})
    assert not error
    assert answers["seed"] == 7
    assert answers["links"]["props"]["run"] > 0
    assert shown(answers) == {"selection": json.loads(json.dumps(RUN.selection.to_dict()))}


def test_an_examples_config_shows_its_replay(page):
    recipe = replace(preset_recipe("two-cat"), selection=SelectionSettings(mode="farthest"))
    answers, _ = page.send("Opening.load", {"text": recipe.to_json()})
    assert shown(answers)["replay"] == "two-cat"
    assert shown(answers)["selection"]["mode"] == "farthest"


BAD_FILES = {
    "": "Not a config.json",
    "[" * 50_000: "Not a config.json",
    "x" * 100_001: "larger than 100 kB",
    '{"schema_version": 2}': "schema_version",
    RUN.to_json().replace("0.25", "NaN", 1): "Not a config.json",
    RUN.to_json().replace('"seed": 7', '"seed": 1e400'): "seed",
    RUN.to_json().replace('"n_masks": 20', '"n_masks": 100000'): "n_masks must be 10 to 10000",
    RUN.to_json().replace("philox", "dianna"): "scheme",
    RUN.to_json().replace(RUN.picture_sha256, "1" * 64): "The example cat.jpg here is not the picture",
    RUN.to_json().replace("efficientnet-lite0", "open_clip:a:b"): "encoder",
    RUN.to_json().replace("{", '{"more": 1,', 1): "Unknown field",
}


@pytest.mark.parametrize("text", BAD_FILES, ids=range(len(BAD_FILES)))
def test_bad_files_change_nothing(page, text):
    answers, error = page.send("Opening.load", {"text": text})
    assert BAD_FILES[text] in error
    assert answers == {}


def test_a_file_that_is_none_is_refused(page):
    assert page.send("Opening.load", None)[1]
    assert page.send("Opening.load", {"text": 5})[1]


# Making links


def made(page: Page, name: str = "Sharing.link", **values: Any) -> tuple[str, list[str]]:
    """The query of a link, and what is said about it."""
    answers, error = page.send(name, **values)
    assert not error
    assert set(answers) == {"share-link"}
    link = answers["share-link"]["props"]["link"]
    return link["query"], link["notes"]


def test_the_first_screen_has_a_link(page):
    looked = seeing(id_of(FIRST_PRESET), SelectionSettings(mode="closest"))
    assert made(page, instrument=looked) == (f"preset={FIRST_PRESET}&mode=closest", [])


def test_a_teachers_link_holds_what_was_chosen(page):
    chosen = {"hide": ["run", "encoder"], "lock": ["mode"], "step": 3, "projector": True}
    query, _ = made(page, "Sharing.teach", instrument=seeing(id_of(FIRST_PRESET)), **chosen)
    assert query == f"preset={FIRST_PRESET}&hide=encoder,run&lock=mode&step=3&projector=1"
    view = View(hide=("run", "encoder"), lock=("mode",), step=3, projector=True)
    assert query == to_query(preset_recipe(FIRST_PRESET), view, replay=FIRST_PRESET)


def test_the_build_up_is_not_in_a_link_and_that_is_said(page):
    _, notes = made(page, instrument=seeing(id_of(FIRST_PRESET), upto=100))
    assert notes == ["The link shows all masks, not the first 100 alone."]


@pytest.mark.parametrize("name", ["Sharing.link", "Sharing.export"])
def test_what_the_server_no_longer_has_is_not_guessed(page, name):
    for result in (id_of("two-cat"), "", "0" * 16):
        answers, error = page.send(name, instrument=seeing(result))
        assert "press Run or choose an example" in error
        assert answers == {}


VIEWS = (None, 5, "{", "[]", '{"id": 5}', '{"id": 5, "selection": {}}', '{"id": "x", "selection": {"mode": "best"}}',
         '{"n": 1e999, "selection": {}}', '{"n": true, "selection": {}}', '{"upto": -1, "selection": {}}')  # fmt: skip


@pytest.mark.parametrize("looked", VIEWS)
def test_views_that_no_page_sends_are_refused(page, looked):
    for name in ("Sharing.link", "Sharing.export"):
        assert page.send(name, instrument=looked)[1]


def asking(page: Page, recipe: Recipe) -> dict[str, Any]:
    """The controls' values once a link was followed."""
    answers, _ = page.follow(to_query(recipe))
    named = ("picture", "kind", "reference", "caption", "encoder", "n-masks", "p-keep", "feature-res", "seed", "fill",
             "scheme", "precision")  # fmt: skip
    return {name: value(answers[name]) for name in named} | {"until": False, "agreement": 0.9}


def run(page: Page, recipe: Recipe) -> str:
    """Run what a link asks for, as its page does, and return the result's id."""
    answers, error = page.send("Handlers.run", instrument=seeing("x", recipe.selection), **asking(page, recipe))
    assert not error
    props = answers["instrument"]["props"]
    return props["rows" if "rows" in props else "result"]["id"]


def test_a_run_opened_from_a_link_has_that_link(page):
    result = run(page, RUN)
    assert made(page, instrument=seeing(result, RUN.selection, n=20)) == (to_query(RUN), [])


def test_a_link_asks_for_the_masks_on_screen(page):
    """After Stop the server may know a batch more than the page was sent."""
    query, notes = made(page, instrument=seeing(run(page, RUN), RUN.selection, n=16))
    assert query == to_query(replace(RUN, masking=replace(RUN.masking, n_masks=16)))
    assert notes == ["The maps show 16 of 20 masks, so the link asks for 16."]


# Exports


def exported(page: Page, looked: str) -> tuple[str, dict[str, bytes]]:
    answers, error = page.send("Sharing.export", instrument=looked)
    assert not error
    address = answers["zip"]["value"]["url"]
    status, data = get(address)
    assert status == 200
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return address, {name: archive.read(name) for name in archive.namelist()}


def test_an_example_is_exported_without_a_model(page, monkeypatch):
    monkeypatch.setattr("explorer.ui.probe_cache.load_encoder", None)
    selection = SelectionSettings(mode="farthest", threshold=0.2)
    _, files = exported(page, seeing(id_of(FIRST_PRESET), selection))
    assert Recipe.from_json(files["config.json"]) == replace(preset_recipe(FIRST_PRESET), selection=selection)
    assert np.load(io.BytesIO(files["attribution.npy"])).shape == (224, 224)
    with Image.open(io.BytesIO(files["figure.png"])) as figure:
        assert min(figure.size) > 300


def test_a_run_is_exported_with_the_settings_that_made_it(page):
    result = run(page, RUN)
    _, files = exported(page, seeing(result, RUN.selection, n=16))
    assert Recipe.from_json(files["config.json"]).masking.n_masks == 16
    assert files["distances.csv"].count(b"\n") == 1 + 16
    _, files = exported(page, seeing(result, RUN.selection, n=20))
    assert Recipe.from_json(files["config.json"]) == RUN
    assert page.send("Opening.load", {"text": files["config.json"].decode()})[0]["seed"] == 7


def test_an_export_lies_where_nobody_can_guess(page):
    looked = seeing(id_of(FIRST_PRESET))
    (first, _), (second, _) = exported(page, looked), exported(page, looked)
    folders = [unquote(address).split("/")[-2] for address in (first, second)]
    assert folders[0] != folders[1]
    assert all(re.fullmatch("[0-9a-f]{32}", folder) for folder in folders)
    root = first.rsplit("/", 2)[0]
    for guess in (root, f"{root}/", f"{root}/distance-explorer.zip", first.rsplit("/", 1)[0], f"{first}.bak"):
        assert get(guess)[0] in (403, 404), guess


def test_exports_are_swept(demo, page):
    address, _ = exported(page, seeing(id_of(FIRST_PRESET)))
    path, sweep = Path(unquote(address.split("file=")[1])), vars(demo)["behind"].uploads.sweep
    sweep(time.time() + 500)
    assert get(address)[0] == 200
    sweep(time.time() + 700)
    assert get(address)[0] == 404
    assert not path.parent.exists()


def test_an_export_that_cannot_be_written_says_so(page, monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr("explorer.ui.memory.temp_folder.root", lambda: tmp_path / "file")
    answers, error = page.send("Sharing.export", instrument=seeing(id_of(FIRST_PRESET)))
    assert "cannot store files now" in error
    assert str(tmp_path) not in error
    assert answers == {}


# An example


@pytest.mark.parametrize("name", ["Handlers.stale", "Handlers.choose_kind", "Handlers.choose_encoder"])
def test_an_event_from_before_an_example_does_not_undo_it(page, name):
    page.follow("")
    other = next(preset.key for preset in presets() if preset.key != FIRST_PRESET and replay_of(preset.key))
    before = {"preset": FIRST_PRESET, "kind": CAPTION}
    assert page.send(name, **before)[0]  # as long as no other is chosen
    assert page.send("Handlers.apply_preset", preset=other)[0]["story"] == preset_named(other).story
    answers, error = page.send(name, **before)
    assert error == ""
    assert not answers.keys() & {"preset", "story", "kind", "encoder"}


# A class


def test_a_class_that_waits_can_still_press_stop(demo, url, monkeypatch):
    go = threading.Event()

    def held(*_: Any) -> None:
        go.wait(60)
        raise InvalidInput("Over.", code="over")

    monkeypatch.setattr(Controls, "question", held)

    def joined(name: str, visitor: int) -> int:
        index, function = next((i, f) for i, f in demo.fns.items() if getattr(f.fn, "__qualname__", "") == name)
        data = [at_first(block) for block in function.inputs]
        body = {"data": data, "fn_index": index, "session_hash": f"pupil{visitor}"}
        return get(f"{url}/gradio_api/queue/join", json.dumps(body).encode())[0]

    try:
        assert {joined("Handlers.run", visitor) for visitor in range(40)} == {200}
        assert joined("Handlers.stop", 39) == 200
        assert joined("Handlers.apply_preset", 40) == 200
    finally:
        go.set()


def test_what_a_page_runs_has_its_time_to_live(demo, page):
    assert page.send("Handlers.queue", instrument=seeing("x"), **asking(page, RUN))[1] == ""
    state = demo.state_holder.session_data[page.session]
    assert [seconds for seconds, _ in state._state_ttl.values()] == [SESSION_SECONDS]
    page.send("MaskEvents.turn")
    assert len(state._state_ttl) == 2
