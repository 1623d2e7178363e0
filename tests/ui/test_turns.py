"""The queue a visitor is told about."""

from __future__ import annotations

import gc

import pytest

from explorer.ui import turns as queue
from explorer.ui.turns import Waiting


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
