"""Runs without an app: the queue a visitor is told about, prices, Stop, and who has the last word."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import gradio as gr
import pytest

from explorer.ui import jobs as queue
from explorer.ui.jobs import MASKED, TAKEN_OUT, TEXT, Desk, Job, MaskRun, Rates, Waiting, stream
from explorer.ui.status import Step


class Asker:
    pass


def test_runs_come_in_the_order_they_were_asked_for():
    desk, first, second, third = Waiting(), Asker(), Asker(), Asker()
    for asker, seconds in ((first, 10.0), (second, 5.0), (third, 1.0)):
        desk.expect(asker, seconds)
    assert desk.before(first) == (0, 0)
    assert desk.before(third) == (2, 15.0)
    desk.expect(first, 4.0)  # it has gone on, and keeps its place
    assert desk.before(third) == (2, 9.0)
    desk.done(first)
    assert desk.before(third) == (1, 5.0)
    desk.done(first)  # twice is no harm


def test_pages_that_were_closed_do_not_count(monkeypatch: pytest.MonkeyPatch):
    desk, gone, mine = Waiting(), Asker(), Asker()
    desk.expect(gone, 10.0)
    desk.expect(mine, 1.0)
    del gone
    gc.collect()
    assert desk.before(mine) == (0, 0)
    other = Waiting()
    silent = Asker()
    monkeypatch.setattr(queue.time, "monotonic", lambda: 0.0)
    other.expect(silent, 10.0)
    monkeypatch.setattr(queue.time, "monotonic", lambda: queue.STALE_SECONDS + 1.0)
    other.expect(mine, 1.0)
    assert other.before(mine) == (0, 0)


def test_each_kind_of_pass_has_its_own_price():
    rates = Rates()
    rates.note("a", "float32", MASKED, 0.1)
    rates.note("a", "float32", "gradient", 1.0)
    rates.note("a", "float32", MASKED, 0.0)  # could not be told
    assert rates.seconds("a", "float32", 10) == pytest.approx(1)
    assert rates.seconds("a", "float32", 10, "gradient") == 10
    assert rates.seconds("a", "float32", 10, "unknown", "gradient") == 10
    assert rates.seconds("a", "float32", 10, TEXT) is None
    assert rates.seconds("a", "bfloat16", 10) is None


# Stop


def working(job: Job, desk: Desk, during: Callable[[], None] = lambda: None) -> list[str]:
    """What a run of three steps says, if something happens in the second."""

    def steps() -> Iterator[Step]:
        for done in (1, 2, 3):
            if done == 2:
                during()
            yield Step(done=done, wanted=3, final=done == 3)

    said = [status for status, _ in stream(MaskRun(steps(), job, gr.skip, 0, "Run goes on"), job, desk)]
    assert said[0] == said[-1] == gr.skip()
    return [line for line in said[1:-1] if isinstance(line, str)]


def test_a_run_stopped_beside_its_button_leaves_the_last_word_to_stop():
    desk, page = Desk(), Job()
    said = working(page, desk, lambda: desk.stop(page, page, cancelled=True))
    assert len(said) == 1
    assert desk.stopped(page, "Run goes on") == "Stopped before the first mask."
    assert desk.stopped(page, "Run goes on") is None  # said once
    assert len(working(page, desk)) == 3  # and the next one is whole


@pytest.mark.parametrize("beside", ["the page's own run", "another tab"])
def test_stop_ends_what_is_running_whichever_tab_began_it(beside: str):
    desk, page = Desk(), Job()
    tab, third = page.knows(Job()), page.knows(Job())
    running, pressed = (page, tab) if beside == "another tab" else (tab, page)
    desk.turn(third, 5)
    said = working(running, desk, lambda: desk.stop(pressed, page, cancelled=True))
    assert len(said) == 2
    assert "Stopped before the first mask." in said[-1]  # itself, since nobody broke it off
    assert desk.stopped(pressed, "") is None
    assert desk.waiting.before(Job()) == (0, 0)  # what waited has left the queue, and says so at its turn
    (line,) = working(third, desk)
    assert TAKEN_OUT in line
    for job in (page, tab, third):
        assert len(working(job, desk)) == 3


def test_stop_on_one_page_leaves_another_alone():
    desk, page, stranger = Desk(), Job(), Job()
    assert len(working(stranger, desk, lambda: desk.stop(page, page, cancelled=True))) == 3


def test_stop_in_the_queue_says_so_and_the_next_press_counts():
    desk, page = Desk(), Job()
    assert desk.turn(page, 3) == (0, 0)
    desk.stop(page, page, cancelled=True)
    assert desk.stopped(page, "") == TAKEN_OUT
    assert len(working(page, desk)) == 3
    assert desk.turn(page, 3) is None  # late: it has ended just now
