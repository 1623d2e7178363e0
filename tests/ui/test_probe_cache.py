"""The app's shared probes: what is known is never embedded again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from explorer.core.errors import InvalidInput
from explorer.core.masks import MaskSettings
from explorer.core.selections import SelectionSettings
from explorer.encoders.cards import load_encoder
from explorer.pictures import images
from explorer.pictures.images import as_picture
from explorer.ui import jobs
from explorer.ui.probe_cache import ProbeCache, loaded
from explorer.ui.session import RunRequest, Session, on_screen
from explorer.ui.tabs.explore import handlers
from tests.asked import watch

PLAIN = SelectionSettings()
ASSETS = Path(__file__).parents[2] / "assets"


def question(n_masks: int) -> RunRequest:
    picture, reference = as_picture(ASSETS / "cat.jpg"), as_picture(ASSETS / "espresso.jpg")
    masking = MaskSettings(n_masks=n_masks, seed=77)
    return RunRequest(picture, reference, None, "efficientnet-lite0", "float32", masking)


def test_a_stopped_run_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch):
    encoder, rows = load_encoder("efficientnet-lite0"), []
    watch(monkeypatch, encoder, rows.append)
    probes, session = ProbeCache(), Session()
    for step in probes.run(question(80), session, PLAIN):
        if step.done >= 24:
            break  # as Stop does
    assert len(session.probe) == 24
    rows.clear()
    last = list(probes.run(question(80), session, PLAIN))[-1]
    assert (last.done, last.embedded) == (80, 56)
    assert sum(rows) == 56 + 1  # and the reference

    rows.clear()
    other = Session()
    assert list(probes.run(question(40), other, PLAIN))[-1].done == 40  # cut from what is known
    assert rows == [1]
    np.testing.assert_array_equal(other.probe.embeddings, session.probe.embeddings[:40])


@pytest.mark.parametrize(
    "key", ["timm:local-dir:/etc", "open_clip:local-dir:.", "timm:hf-hub:a/b", "open_clip:HF_HUB:a/b"]
)
def test_nothing_a_visitor_sends_names_a_folder_or_an_address(key: str):
    with pytest.raises(InvalidInput, match="Unknown encoder"):
        next(loaded(key))


def test_the_oldest_probes_are_forgotten_first():
    probes = ProbeCache(cache_bytes=1)
    first, second = (replace(question(10), masking=MaskSettings(n_masks=10, seed=seed)) for seed in (1, 2))
    for asked in (first, second):
        list(probes.run(asked, Session(), PLAIN))
    assert (probes.known(first), probes.known(second)) == (0, 10)


def test_an_example_chosen_during_a_run_ends_it_quietly():
    probes, session = ProbeCache(), Session()
    run = probes.run(question(80), session, PLAIN)
    while next(run).done < 16:
        pass
    session.show_replay("cat-cheetah")
    assert session.ended()
    assert [step.done for step in run] == []
    assert (session.replay, session.probe, session.question, session.running) == ("cat-cheetah", None, None, False)
    assert probes.known(question(80)) == 24  # its last batch is not lost


def test_an_example_chosen_while_the_encoder_loads_stays():
    session = Session()
    run = ProbeCache().run(question(40), session, PLAIN)
    assert next(run).text
    session.show_replay("cat-cheetah")
    assert list(run) == []
    assert (session.replay, session.result) == ("cat-cheetah", None)


def test_a_run_says_nothing_after_what_took_its_place(monkeypatch: pytest.MonkeyPatch):
    """Gradio says the last a second time when a generator ends, so the last must be nothing."""
    monkeypatch.setattr(jobs, "status_panel", lambda step: step)
    for leave in (lambda session: None, lambda session: session.show_replay("cat-cheetah")):
        probes, session = ProbeCache(), Session()
        work = jobs.MaskRun(probes.run(question(24), session, PLAIN), session, session.shown, 0, "")
        said = jobs.stream(work, session, probes)
        words = []
        for status, view in said:
            words.append(status)
            if getattr(status, "done", 0) == 8:
                assert view == session.shown()
                leave(session)
        assert words[-1] == gr.skip()
        assert [step.done for step in words[2:-1]] == ([8] if session.replay else [8, 16, 24])
        assert not session.running


def test_another_reference_chosen_during_a_run_is_kept():
    probes, session = ProbeCache(), Session()
    run = probes.run(question(40), session, PLAIN)
    while next(run).done < 8:
        pass
    other = probes.embed_target(session.probe.encoder, as_picture(ASSETS / "rocket.jpg"), None)
    assert session.change(session.turn(), target=other)
    assert [step.done for step in run][-1] == 40
    assert (len(session.probe), session.result.target) == (40, other)


def test_a_run_until_stable_ends_at_the_same_mask_whatever_was_known():
    asked = replace(question(600), until=0.6)
    fresh, session = ProbeCache(), Session()
    last = list(fresh.run(asked, session, PLAIN))[-1]
    assert last.final
    assert last.done % 100 == 0
    assert last.done < 600
    assert last.agreement >= 0.6
    for known in (last.done + 48, 104):  # more was known, or a little
        other, again = ProbeCache(), Session()
        list(other.run(question(known), Session(), PLAIN))
        steps = list(other.run(asked, again, PLAIN))
        assert (steps[-1].done, steps[-1].agreement) == (last.done, last.agreement)
        np.testing.assert_array_equal(again.probe.embeddings, session.probe.embeddings)
    assert session.recipe(PLAIN).masking.n_masks == last.done


def test_a_run_that_is_never_stable_embeds_all():
    last = list(ProbeCache().run(replace(question(120), until=0.99), session := Session(), PLAIN))[-1]
    assert (last.done, last.final) == (120, True)
    assert session.probe.complete


def test_replays_are_explained_without_a_probe():
    session = Session()
    session.show_replay("two-espresso")
    explanation = session.explanation(SelectionSettings(mode="closest"))
    assert len(explanation.distances) == 1000
    assert session.recipe(PLAIN).picture == "cat_and_espresso.jpg"
    assert session.probe is None


def test_runs_that_end_leave_the_queue():
    probes, session = ProbeCache(), Session()
    steps = probes.run(question(80), session, PLAIN)
    run = jobs.stream(jobs.MaskRun(steps, session, gr.skip, 0, ""), session, probes)
    while len(session.probe or ()) < 16:
        next(run)
    assert probes.waiting.before(Session())[0] == 1
    run.close()  # as Stop does
    assert probes.waiting.before(Session()) == (0, 0)


def test_what_settles_one_run_leaves_the_next_alone(monkeypatch: pytest.MonkeyPatch):
    """It comes with the reference of the run that has ended, and would put it into the one that goes on."""
    probes, session, asked = ProbeCache(), Session(), []
    list(probes.run(question(10), session, PLAIN))
    late = object.__new__(handlers.Handlers)
    vars(late)["_page"] = SimpleNamespace(session="session")
    monkeypatch.setattr(handlers.Handlers, "compare", lambda self, values: asked.append(values) or ("", ""))
    session.running = True
    assert late.settle({"session": session}) == (gr.skip(), gr.skip())
    assert asked == []
    session.running = False
    late.settle({"session": session})
    assert len(asked) == 1


def test_what_a_stopped_run_has_made_comes_to_the_screen():
    """Pressed before its first masks were sent, Stop left the result of before on screen, which is no longer here."""
    probes, session = ProbeCache(), Session()
    steps = probes.run(question(80), session, PLAIN)
    session.begin()
    while len(session.probe or ()) < 16:
        next(steps)
    session.stop(cancelled=True)
    steps.close()
    stopping = object.__new__(handlers.Handlers)
    vars(stopping).update(_page=SimpleNamespace(session="session", view="view"), _probes=probes)
    said, view = stopping.stopped({"session": session, "view": ""})
    assert "Stopped at 16 of 80 masks" in said
    shown = view["result"]
    assert (shown["wanted"], shown["masking"]["n_masks"]) == (80, 80)
    assert stopping.stopped({"session": session, "view": ""}) == (gr.skip(), gr.skip())  # said once

    list(probes.run(question(80), session, PLAIN))
    session.begin()
    session.change(session.turn(), probe=replace(session.probe, embeddings=session.probe.embeddings[:40]))
    session.stop(cancelled=True)
    seen = json.dumps({"selection": PLAIN.to_dict(), "id": shown["id"], "n": 16})
    assert set(stopping.stopped({"session": session, "view": seen})[1]["rows"]) == {"id", "plane", "seen"}


def test_prices_decode_no_picture_again(monkeypatch: pytest.MonkeyPatch):
    probes, page = ProbeCache(), Session()
    page.show_replay("two-espresso")

    def asked() -> tuple[object, ...]:
        """What a price reads: the upload, the question on screen, and its map."""
        upload = probes.pictures.open(ASSETS / "rocket.jpg")
        seen = on_screen(page)
        return upload.sha256, seen.picture.sha256, seen.reference.sha256, len(page.explanation(PLAIN).distances)

    first, decoded, plain = asked(), [], images._from_file
    monkeypatch.setattr(images, "_from_file", lambda content: decoded.append(content) or plain(content))
    assert asked() == first
    assert decoded == []
