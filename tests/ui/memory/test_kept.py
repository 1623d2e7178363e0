"""What visitors make is counted in bytes under one cap: what goes first, what must stay, and what is said of it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer.core.errors import InvalidInput
from explorer.core.masks import MaskSettings
from explorer.core.selections import SelectionSettings
from explorer.ui import probe_cache as benches
from explorer.ui.components import Look
from explorer.ui.memory import kept as memories
from explorer.ui.memory.kept import GONE, Kept, Memory, buffers
from explorer.ui.probe_cache import ProbeCache
from explorer.ui.session import RunRequest, Session, on_screen
from explorer.ui.tabs.evidence.evidence import subject_of
from explorer.ui.tabs.words.run import Worded, WordsRequest
from tests.conftest import TinyNetwork

PLAIN = SelectionSettings()
KB = 1000


def block(kilobytes: int) -> np.ndarray:
    return np.ones(kilobytes * KB, np.uint8)


def test_the_least_recently_used_goes_first() -> None:
    memory = Memory(most=300 * KB)
    one, two, three = (memory.keep(block(100)) for _ in range(3))
    assert memory.bytes == 300 * KB
    one.get()
    four = memory.keep(block(100))
    assert [kept.forgotten for kept in (one, two, three, four)] == [False, True, False, False]
    assert (two.get(), memory.bytes) == (None, 300 * KB)


def test_what_two_hold_is_counted_once() -> None:
    memory, shared = Memory(most=250 * KB), block(100)
    kept = [memory.keep({"of": (shared[i:], str(i))}) for i in range(5)]
    assert 100 * KB <= memory.bytes < 110 * KB
    assert not any(one.forgotten for one in kept)
    apart = [memory.keep(shared.copy()) for _ in range(5)]  # the same five by themselves would not fit
    assert sum(not one.forgotten for one in apart) == 2


def test_what_its_owner_drops_is_counted_no_more() -> None:
    memory = Memory()
    kept = memory.keep(block(100))
    assert memory.bytes == 100 * KB
    del kept
    assert memory.bytes == 0


def test_what_is_worked_at_stays_and_the_newest_too() -> None:
    memory = Memory(most=1)
    running = memory.keep(block(100), busy=True)
    newest = memory.keep(block(100))
    assert not running.forgotten
    assert not newest.forgotten
    running.busy = False
    memory.keep(block(1))
    assert running.forgotten
    assert newest.forgotten


def test_what_grows_makes_room_for_itself() -> None:
    memory = Memory(most=300 * KB)
    old, grows = memory.keep(block(100)), memory.keep(block(100))
    grows.set(block(250))
    assert (old.forgotten, grows.forgotten, memory.bytes) == (True, False, 250 * KB)


def test_what_nobody_uses_goes_in_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(memories.time, "monotonic", lambda: now[0])
    memory = Memory(seconds=60)
    idle, used, running = memory.keep(block(1)), memory.keep(block(1)), memory.keep(block(1), busy=True)
    now[0] = 50
    used.get()
    now[0] = 70
    memory.make_room()
    assert [kept.forgotten for kept in (idle, used, running)] == [True, False, False]


def test_everything_heavy_inside_is_found() -> None:
    table = {"rows": [["x" * 5000], [1.5] * 10], "chart": (block(2), b"y" * 3000)}
    assert 10 * KB < sum(buffers(table).values()) < 12 * KB
    assert sum(buffers(np.broadcast_to(block(1)[:1], (10**6,))).values()) == 1 * KB  # what is there, not what is seen


# Sessions


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> ProbeCache:
    """With a tiny network, and room for some of the results below."""
    encoder = TinyNetwork()
    monkeypatch.setattr(benches, "load_encoder", lambda key, **options: encoder)
    return ProbeCache(cache_bytes=3_000_000)


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Path]:
    """Photos of 3 megapixels, 9 MB decoded, each another."""

    def make() -> Iterator[Path]:
        light = np.linspace(0, 200, 2000, dtype=np.uint8)[None, :, None].repeat(1500, 0).repeat(3, 2)
        for number in range(1000):
            light[:50, :50] = number
            path = tmp_path / f"{number}.jpg"
            Image.fromarray(light).save(path)
            yield path

    return make()


def asked(probes: ProbeCache, photos: Iterator[Path], n_masks: int = 16) -> RunRequest:
    picture, reference = (probes.pictures.open(next(photos)) for _ in range(2))
    return RunRequest(picture, reference, None, "efficientnet-lite0", "float32", MaskSettings(n_masks=n_masks))


def finish(probes: ProbeCache, question: RunRequest, session: Session | None = None) -> Session:
    session = session or Session()
    for _ in probes.run(question, session, PLAIN):
        pass
    return session


def test_sessions_never_hold_more_than_the_cap(probes: ProbeCache, photos: Iterator[Path]) -> None:
    sessions = [finish(probes, asked(probes, photos)) for _ in range(12)]
    assert probes.memory.bytes <= 3_000_000
    gc.collect()
    whole = [a for a in gc.get_objects() if isinstance(a, np.ndarray) and a.nbytes >= 9_000_000]
    assert whole == []
    lost = [session.lost for session in sessions]
    assert lost == sorted(lost, reverse=True)  # the first to come are the first to go
    assert lost[0]
    assert not any(lost[-2:])
    assert sessions[-1].explanation(PLAIN).attribution.shape == (32, 32)


def test_a_lost_result_is_said_to_be(probes: ProbeCache, photos: Iterator[Path]) -> None:
    session = finish(probes, question := asked(probes, photos))
    shown = session.shown()
    assert shown is not None
    assert not session.lost
    for _ in range(8):
        finish(probes, asked(probes, photos))
    assert session.lost
    assert (session.result, session.probe, session.question, session.shown()) == (None, None, None, None)
    for ask in (on_screen, lambda page: page.recipe(PLAIN), lambda page: page.explanation(PLAIN)):
        with pytest.raises(InvalidInput) as caught:
            ask(session)
        assert str(caught.value) == GONE
    with pytest.raises(InvalidInput, match="no longer has the map on screen"):
        subject_of(session, Look(PLAIN, None, shown, 16))
    finish(probes, question, session)  # and Run brings it back
    assert (session.lost, session.shown()) == (False, shown)


def test_a_run_that_goes_on_keeps_what_it_has(probes: ProbeCache, photos: Iterator[Path]) -> None:
    session = Session()
    run = probes.run(asked(probes, photos, n_masks=40), session, PLAIN)
    while next(run).done < 8:
        pass
    for _ in range(10):
        finish(probes, asked(probes, photos))
    assert [step.done for step in run][-1] == 40
    assert session.probe is not None
    assert session.probe.complete


def test_a_page_at_rest_does_not_follow_its_run(probes: ProbeCache, photos: Iterator[Path]) -> None:
    session = Session()
    run = probes.run(asked(probes, photos, n_masks=24), session, PLAIN)
    while next(run).done < 8:
        pass
    still = session.at_rest()
    for _ in run:
        pass
    assert (len(still.probe), len(session.probe)) == (8, 24)


def test_results_are_kept_for_their_time_only(probes: ProbeCache, photos: Iterator[Path]) -> None:
    session = finish(probes, question := asked(probes, photos))
    assert probes.known(question) == 16
    brief = ProbeCache(seconds=0)
    gone = finish(brief, replace(question))
    brief.memory.make_room()
    assert gone.lost
    assert brief.known(question) == 0
    assert brief.memory.bytes == 0
    probes.memory.make_room()
    assert not session.lost


def test_the_same_question_of_many_costs_once(probes: ProbeCache, photos: Iterator[Path]) -> None:
    question = asked(probes, photos)
    first = finish(probes, question)
    before = probes.memory.bytes
    others = [finish(probes, question) for _ in range(20)]
    assert not first.lost
    assert not any(session.lost for session in others)
    assert probes.memory.bytes - before < 20 * 5 * KB  # a reference's embedding each


def test_words_that_had_to_go_are_said_to_be() -> None:
    probes, worded = ProbeCache(cache_bytes=1), Worded()
    question = WordsRequest("a cat drinks coffee", "drop", "conse-lite0", MaskSettings(n_masks=20), None, "a kitten")
    for _ in worded.steps(question, probes):
        pass
    assert worded.answer() is not None
    held = probes.memory.bytes
    assert held > 15 * 384 * 4  # every different sentence has its embedding
    keeper = probes.memory.keep(block(1))
    assert worded.probe is None
    with pytest.raises(InvalidInput, match="The server no longer has this result"):
        worded.answer()
    del keeper


def test_kept_without_a_memory_is_just_kept() -> None:
    kept = Kept([1])
    kept.set([2])
    assert (kept.get(), kept.forgotten) == ([2], False)
