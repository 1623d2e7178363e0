"""Whatever fails in a run or an event: it ends in words, what was done is kept, and the next one works."""

from __future__ import annotations

import contextlib
import copy
import errno
import inspect
import itertools
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio.context import LocalContext

from explorer.core.errors import CannotWrite, Exhausted, ExplorerError, Failed, InvalidInput, WeightsMissing, in_words
from explorer.core.masks import MaskSettings
from explorer.core.selections import SelectionSettings
from explorer.pictures.images import as_picture
from explorer.ui import failures, probe_cache, slow_work
from explorer.ui.components import Look
from explorer.ui.jobs import MaskRun, stream
from explorer.ui.probe_cache import ProbeCache
from explorer.ui.session import RunRequest, Session
from explorer.ui.slow_work import patiently
from explorer.ui.tabs.compare.methods import OtherMethods
from explorer.ui.tabs.evidence import evidence as judged
from explorer.ui.tabs.evidence.evidence import subject_of
from explorer.ui.tabs.evidence.kinds import KINDS
from explorer.ui.tabs.evidence.trial import Ledger, Trial
from explorer.ui.tabs.sweeps import layout
from explorer.ui.tabs.sweeps.run import SweepPlan, SweepRun, Swept, costly_tiles
from tests.pictured import Pictured
from tests.ui.trials import last_news_of, news_of, trial_of

ASSETS = Path(__file__).parents[2] / "assets"
PLAIN = SelectionSettings()
RESTARTING = "The server is restarting; press Run again in a minute."
ERRORS: list[tuple[Exception, str, type[ExplorerError]]] = [
    (RuntimeError("Check 'i < n' failed"), "the encoder failed (RuntimeError)", Failed),
    (KeyError("x"), "the encoder failed (KeyError)", Failed),
    (AssertionError(), "the encoder failed (AssertionError)", Failed),
    (OSError(errno.EIO, "Input/output error", "/srv/secret"), "the encoder failed (OSError)", Failed),
    (MemoryError(), "there was not enough memory", Exhausted),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "not enough memory", Exhausted),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "not enough memory", Exhausted),
    (RuntimeError("Check 'ptr' failed\nFailed to allocate 5160960 bytes of memory"), "not enough memory", Exhausted),
    (RuntimeError("can't start new thread"), "not enough memory", Exhausted),
    (OSError(errno.ENOSPC, "No space left on device", "/srv/secret"), "the storage is full", CannotWrite),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), "the storage is full", CannotWrite),
    (OSError(errno.EMFILE, "Too many open files"), "too many files are open", Exhausted),
    (InvalidInput("That was wrong.", code="wrong"), "That was wrong.", InvalidInput),
]
IDS = [f"{type(error).__name__}-{words[:24]}" for error, words, _ in ERRORS]


class Faulty(Pictured):
    """Fails at a batch, until it is mended."""

    def __init__(self) -> None:
        super().__init__()
        self.after, self.error, self.batches = 10**9, RuntimeError("mid-run"), 0

    def _forward(self, pixels: Any) -> Any:
        self.batches += 1
        if self.batches > self.after:
            raise self.error
        return super()._forward(pixels)

    def fail(self, error: Exception, after: int) -> None:
        self.error, self.after, self.batches = error, after, 0

    def mend(self) -> None:
        self.after = 10**9


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Faulty:
    """In the place of every encoder of the app."""
    encoder = Faulty()
    for module in (probe_cache, judged):
        monkeypatch.setattr(module, "load_encoder", lambda key, **options: encoder)
    return encoder


def question(n_masks: int = 40) -> RunRequest:
    picture, reference = (as_picture(ASSETS / name) for name in ("cat_and_espresso.jpg", "espresso.jpg"))
    return RunRequest(picture, reference, None, "efficientnet-lite0", "float32", MaskSettings(n_masks=n_masks, seed=3))


def streamed(steps: Iterator[Any], session: Session, desk: ProbeCache, news: Any, every: float) -> Iterator[Any]:
    return stream(MaskRun(steps, session, news, every, "Run goes on from here"), session, desk)


def texts(said: Iterator[tuple[Any, Any]]) -> tuple[list[str], list[Any], Exception | None]:
    """The status lines, the views that were sent, and the error at the end."""
    lines, views = [], []
    try:
        for status, view in said:
            lines += [status] if isinstance(status, str) else []
            views += [] if view == gr.skip() else [view]
    except ExplorerError as error:
        return lines, views, error
    return lines, views, None


# Errors in words


@pytest.mark.parametrize(("error", "words", "kind"), ERRORS, ids=IDS)
def test_every_error_has_words(error: Exception, words: str, kind: type[ExplorerError]):
    said = in_words(error)
    assert type(said) is kind
    told = failures.broken_off("Stopped at 8 of 80 masks", error, "Again.")
    assert words in told
    assert "secret" not in f"{said} {told}"


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "[::1]:7860", "space.hf.space"])
def test_who_cannot_fetch_an_encoder_is_told_who_can(host: str):
    request = gr.Request(headers={"host": host})
    error = WeightsMissing("It is not here; run explorer models fetch it.", code="weights_offline")
    LocalContext.request.set(request)
    try:
        told = failures.broken_off("", error, "")
    finally:
        LocalContext.request.set(None)
    assert "explorer models fetch it" in told
    assert ("Only the host of this page" in told) == (host == "space.hf.space")


def test_words_look_behind_what_a_library_made_of_an_error():
    outer = ValueError("could not save")
    outer.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert in_words(outer).code == "storage_full"


# The main run, the reverse run and the words share one loop


@pytest.mark.parametrize(("error", "words", "kind"), ERRORS, ids=IDS)
def test_a_run_that_fails_at_batch_7_keeps_what_it_had(
    faulty: Faulty, caplog: pytest.LogCaptureFixture, error: Exception, words: str, kind: type[ExplorerError]
):
    bench, session = ProbeCache(), Session()
    faulty.fail(error, after=7)  # the reference, then six batches of masks
    bench.waiting.expect(session, 9)
    lines, views, raised = texts(
        streamed(bench.run(question(80), session, PLAIN), session, bench, lambda: len(session.probe or ()), 99)
    )
    assert "Stopped at 48 of 80 masks: " in lines[-1]
    assert words in lines[-1]
    assert "What was done is kept; Run goes on from here." in lines[-1]
    assert views[-1] == 48  # and it is on screen
    assert type(raised) is kind
    assert not session.running
    assert bench.waiting.before(Session()) == (0, 0)  # its place in the queue is free
    assert ("Traceback" in caplog.text) == (kind is not InvalidInput)  # which is no fault of ours

    faulty.mend()
    before = faulty.batches
    lines, views, raised = texts(
        streamed(bench.run(question(80), session, PLAIN), session, bench, lambda: len(session.probe or ()), 0)
    )
    assert raised is None
    assert views[-1] == 80
    assert faulty.batches - before == 1 + 4  # the reference, and what was missing


def test_a_run_whose_first_batch_fails_has_no_masks_but_words(faulty: Faulty):
    bench, session = ProbeCache(), Session()
    faulty.fail(RuntimeError("first"), after=1)
    lines, views, raised = texts(streamed(bench.run(question(), session, PLAIN), session, bench, lambda: "view", 0))
    assert "Stopped at 0 of 40 masks: the encoder failed (RuntimeError)" in lines[-1]
    assert (views, type(raised)) == ([], Failed)


def test_an_encoder_that_cannot_be_loaded_is_said_and_the_result_before_is_not_called_kept(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
):
    bench, session = ProbeCache(), Session()
    list(bench.run(question(), session, PLAIN))

    def refuse(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(probe_cache, "load_encoder", refuse)
    lines, _, raised = texts(streamed(bench.run(question(80), session, PLAIN), session, bench, lambda: "view", 0))
    assert "That could not be run: there was not enough memory." in lines[-1]
    assert "Stopped at" not in lines[-1]
    assert type(raised) is Exhausted


def test_a_view_that_cannot_be_made_ends_the_run_in_words_too(faulty: Faulty):
    bench, session = ProbeCache(), Session()

    def broken() -> None:
        raise KeyError("plane")

    said = streamed(bench.run(question(), session, PLAIN), session, bench, broken, 0)
    with pytest.raises(KeyError):  # of the second view, which the decorator of the handler words
        list(said)
    assert not session.running
    assert bench.waiting.before(Session()) == (0, 0)


def test_stop_has_the_last_word_also_over_a_failing_run(faulty: Faulty, monkeypatch: pytest.MonkeyPatch):
    bench, session, plain = ProbeCache(), Session(), faulty._forward
    faulty.fail(RuntimeError("late"), after=3)

    def pressed(pixels: Any) -> Any:
        if faulty.batches == 3:  # in the batch that fails
            session.stop(cancelled=True)
        return plain(pixels)

    monkeypatch.setattr(faulty, "_forward", pressed)
    lines, _, raised = texts(streamed(bench.run(question(), session, PLAIN), session, bench, lambda: 1, 0))
    assert type(raised) is Failed
    assert not any("Stopped" in line for line in lines)
    assert session.running  # so that ``stopped`` speaks


# The end of the server


def test_closing_ends_a_run_at_its_next_step_and_refuses_others(faulty: Faulty):
    bench, session = ProbeCache(), Session()

    def news() -> int:
        done = len(session.probe or ())
        if done == 16:
            bench.close()
            bench.close()
        return done

    lines, views, raised = texts(streamed(bench.run(question(80), session, PLAIN), session, bench, news, 0))
    assert f"Stopped at 16 of 80 masks. {RESTARTING}" in lines[-1]
    assert views == [8, 16, 16]
    assert str(raised) == RESTARTING
    assert not session.running
    again, _, raised = texts(streamed(bench.run(question(), session, PLAIN), session, bench, lambda: 1, 0))
    assert RESTARTING in again[-1]
    assert str(raised) == RESTARTING


def test_closing_ends_evidence_and_sweeps(faulty: Faulty, monkeypatch: pytest.MonkeyPatch):
    bench, plain = ProbeCache(), faulty._forward
    trial = _trial(bench, "stability", {"masks": "100", "runs": "2"})

    def closing(pixels: Any) -> Any:
        bench.close()
        return plain(pixels)

    monkeypatch.setattr(faulty, "_forward", closing)
    line = last_news_of(trial, bench)[0][0]["progress"]["text"]
    assert (trial.done, line) == (0, RESTARTING)  # at the reference, before the first pass
    plan = SweepPlan("pilot", question(), costly_tiles("pilot", MaskSettings(), PLAIN))
    sweep = SweepRun(lambda: plan, Swept(), bench)
    with pytest.raises(ExplorerError, match="restarting"):
        list(sweep.steps())


# Evidence and methods


def _trial(bench: ProbeCache, key: str, options: dict[str, object]) -> Trial:
    page = Session()
    for _ in bench.run(question(), page, PLAIN):
        pass
    subject = subject_of(page, Look(PLAIN, None, page.shown(), 40))
    kind = OtherMethods if key == "methods" else KINDS[key]
    return trial_of(kind(subject, options), Ledger(bench))


JUDGED = {
    "deletion": {"steps": "10", "orders": "3"},
    "stability": {"masks": "100", "runs": "2"},
    "sensitivity": {"samples": "5", "masks": "60"},
    "randomization": {"masks": "30"},
    "planting": {"masks": "60"},
    "methods": {"methods": ["rise", "grad-cam"]},
}


@pytest.mark.parametrize("key", JUDGED)
def test_evidence_that_fails_midway_says_how_far_it_came(faulty: Faulty, key: str):
    trial = _trial(ProbeCache(), key, JUDGED[key])
    faulty.fail(RuntimeError("mid-run"), after=5)
    said, error = last_news_of(trial)
    assert "mid-run" in str(error.__cause__)
    text = said[0]["progress"]["text"]
    assert text.startswith("Stopped after ")
    assert text.endswith("passes: the encoder failed (RuntimeError). To run it is to begin anew.")
    assert said[0]["progress"]["rest"]
    for part in said[1:]:
        assert part[key]["over"]


@pytest.mark.parametrize(("key", "after"), [("deletion", 5), ("stability", 16)])
def test_what_evidence_had_by_then_is_shown_as_a_part(faulty: Faulty, key: str, after: int):
    trial = _trial(ProbeCache(), key, JUDGED[key])
    faulty.fail(MemoryError(), after)
    (line, part), error = last_news_of(trial)
    assert isinstance(error, Exhausted)
    assert "there was not enough memory" in line["progress"]["text"]
    assert part[key]["verdict"][0].startswith("Stopped")


# What takes long


def _value(steps: Generator[Any, None, int]) -> int:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return int(end.value)


def test_waiting_yields_and_whoever_leaves_does_not_wait(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(slow_work, "SECONDS", 0.01)
    go, ended = threading.Event(), threading.Event()

    def work() -> int:
        go.wait(20)
        ended.set()
        return 7

    waiting = patiently(work)
    assert [next(waiting), next(waiting)] == [None, None]
    go.set()
    assert _value(waiting) == 7

    go.clear()
    ended.clear()
    left = patiently(work)
    next(left)
    left.close()
    assert not ended.is_set()
    go.set()
    assert ended.wait(20)


def test_errors_of_what_is_waited_for_go_on():
    def late() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        list(patiently(late))


def test_a_slow_step_of_evidence_keeps_speaking(faulty: Faulty, monkeypatch: pytest.MonkeyPatch):
    """A client that left is only seen when something is said, so no step may keep silent."""
    trial = _trial(ProbeCache(), "deletion", JUDGED["deletion"])
    monkeypatch.setattr(slow_work, "SECONDS", 0.01)
    monkeypatch.setattr(Trial, "every", 0.01)
    go, plain = threading.Event(), faulty._forward

    def slow(pixels: Any) -> Any:
        go.wait(20)
        return plain(pixels)

    monkeypatch.setattr(faulty, "_forward", slow)
    news = news_of(trial)
    said = [next(news)["progress"]["text"] for _ in range(4)]
    assert trial.done == 0
    assert len(said) == 4
    go.set()
    assert list(news)[-1]["progress"]["rest"]


# Events


def test_no_event_of_the_app_can_end_in_a_bare_error(demo: Any):
    bare = [fn.fn for fn in demo.fns.values() if fn.fn is not None and not hasattr(fn.fn, "__wrapped__")]
    assert bare == []


@pytest.mark.parametrize(("error", "words", "kind"), ERRORS, ids=IDS)
def test_a_handler_tells_any_error_as_text(
    caplog: pytest.LogCaptureFixture, error: Exception, words: str, kind: type[ExplorerError]
):
    def once(_: object) -> None:
        raise error

    def stepwise(_: object) -> Iterator[int]:
        yield 1
        raise error

    with pytest.raises(gr.Error) as told:
        failures.told(once)(0)
    with pytest.raises(gr.Error) as told_later:
        list(failures.told_stepwise(stepwise)(0))
    for shown in (told.value, told_later.value):
        assert shown.message == str(in_words(error))
        assert not shown.print_exception  # the log has it, once
    faults = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(faults) == (0 if kind is InvalidInput else 2)


def test_an_error_told_already_stays_what_it_was():
    def fail() -> None:
        raise gr.Error("as it is", title="mine")

    with pytest.raises(gr.Error) as told:
        failures.told(fail)()
    assert (told.value.message, told.value.title) == ("as it is", "mine")


def test_a_stopped_generator_is_no_error():
    ended = []

    def stepwise() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.append(True)

    steps = failures.told_stepwise(stepwise)()
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert ended == [True]


HOSTILE = [None, True, -1, 1.5, float("nan"), 10**400, "\0", "\ud800", "a" * 5000, [], ["x"], [[]], {}, {"path": "/x"},
           "/etc/passwd", '{"selection": {"mode": [1]}}', "null"]  # fmt: skip
SENT = [
    *HOSTILE,
    {"press": "x"},
    {"press": 10**30, "kind": []},
    {"press": 1, "kind": "deletion", "options": []},
    {"press": 1, "kind": "deletion", "options": {"steps": [], "method": {}}},
    {"press": 2, "sweep": {}},
    {"ask": {}, "options": {"deletion": []}},
    {"options": {"deletion": {"method": []}, "methods": {"methods": [[], {}]}}},
    {"sweep": [], "tile": True, "stamp": {}},
    {"text": "[]"},
    {"picture": "../../x", "encoder": "evil"},
]


def test_no_value_from_outside_is_a_fault(demo: Any, faulty: Faulty, caplog: pytest.LogCaptureFixture):
    """Every handler called with values no control has, past Gradio's own checks: refused in words, or done."""
    for fn in demo.fns.values():
        if fn.fn is None:
            continue
        takes_data = len(inspect.signature(fn.fn).parameters) > 1
        for data in SENT if takes_data else ():
            _call(fn, {}, data)
        for block in (block for block in fn.inputs if not isinstance(block, gr.State)):
            for value in HOSTILE:
                _call(fn, {block: value}, {"press": 1, "kind": "deletion", "sweep": "pilot"})
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def _call(fn: Any, changed: dict[Any, Any], data: Any) -> None:
    """Call a handler as Gradio does, a few steps far; it may refuse in words."""
    values: dict[Any, Any] = {}
    for block in fn.inputs:
        few = 10 if block.elem_id in ("n-masks", "words-n-masks") else block.value
        values[block] = copy.deepcopy(block.value) if isinstance(block, gr.State) else few
    values |= changed
    with contextlib.suppress(gr.Error):
        takes_data = len(inspect.signature(fn.fn).parameters) > 1
        answer = fn.fn(values, gr.EventData(None, data)) if takes_data else fn.fn(values)
        if inspect.isgenerator(answer):
            list(itertools.islice(answer, 3))
            answer.close()


# The sweeps


def test_a_sweep_that_fails_keeps_its_maps_and_goes_on(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(layout, "look", lambda _: Look(PLAIN))
    bench, swept = ProbeCache(), Swept()
    controls = SimpleNamespace(question=lambda _: question())
    room = SimpleNamespace(probes=bench, controls=controls, view="view", session="session")
    sweeping = layout.Sweeping(room, SimpleNamespace(job="job"))  # type: ignore[arg-type]
    values = {"job": swept, "view": "", "session": Session()}
    faulty.fail(RuntimeError("mid-run"), after=1 + 25 + 1 + 3)  # 200 masks a tile; the second one breaks off
    lines, told = [], None
    try:
        for status, _ in sweeping.run(values, gr.EventData(None, {"press": 1, "sweep": "pilot"})):
            lines += [status] if isinstance(status, str) else []
    except gr.Error as error:
        told = error
    assert told is not None
    assert "Stopped: 1 of 5 maps are here: the encoder failed (RuntimeError)" in lines[-1]
    assert "What is embedded is kept; run it again to go on." in lines[-1]
    assert not swept.running
    assert bench.waiting.before(Session()) == (0, 0)
    assert "mid-run" in caplog.text

    faulty.mend()
    lines = [s for s, _ in sweeping.run(values, gr.EventData(None, {"press": 2, "sweep": "pilot"}))]
    assert "5 maps; " in lines[-2]
    assert lines[-1] == gr.skip()
    assert 600 < int(re.findall(r"5 maps; (\d+) masks embedded", lines[-2])[0]) < 800  # the first and more were kept


# Memory


LIMITED = """
import contextlib, resource
from pathlib import Path
from explorer.core.errors import in_words
from explorer.pictures.images import as_picture
from explorer.core.masks import MaskSettings
from explorer.core.selections import SelectionSettings
from explorer.ui.session import RunRequest, Session
from explorer.ui.probe_cache import ProbeCache

assets, plain = Path("assets"), SelectionSettings()
pictures = as_picture(assets / "cat.jpg"), as_picture(assets / "espresso.jpg")
asked = lambda n: RunRequest(*pictures, None, "efficientnet-lite0", "float32", MaskSettings(n_masks=n, seed=3))
cache, session = ProbeCache(), Session()
list(cache.run(asked(16), session, plain))
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used, -1))
ballast = []
with contextlib.suppress(MemoryError):
    while True:
        ballast.append(bytearray(1_000_000))  # what the allocator has kept of what was freed
try:
    list(cache.run(asked(2000), session, plain))
except Exception as error:
    ballast.clear()
    print(in_words(error))
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
print([step.done for step in cache.run(asked(24), session, plain)][-1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and a limit that is kept")
def test_a_run_that_runs_out_of_memory_says_so_and_the_next_one_works():
    answer = subprocess.run([sys.executable, "-c", LIMITED], cwd=ASSETS.parent, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert "There is not enough memory for this" in answer.stdout
    assert answer.stdout.splitlines()[-1] == "24"
