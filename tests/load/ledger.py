"""What happened, written down once: every accepted event and its end, every answer, every time taken."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from page import Event


class Ledger:
    """Of one scenario.

    Attributes:
        lane: The numbers of the events that wait for the network.
        problems: Whatever should not have happened, in words.
        wrong: Results that are not those of the library.
        refused: How many events and uploads were refused in words, by status.
        counts: How many events were accepted, and how they ended.
        times: Seconds taken, by what took them.
    """

    def __init__(self, lane: set[int]) -> None:
        self.lane = lane
        self.problems: list[str] = []
        self.wrong: list[str] = []
        self.refused: Counter[int] = Counter()
        self.counts: Counter[str] = Counter()
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        self._events: dict[str, tuple[Event, str]] = {}
        self._ends: Counter[str] = Counter()
        self._left: set[str] = set()
        self._freed: float | None = None

    def problem(self, words: str) -> None:
        self.problems.append(words)

    def time(self, what: str, seconds: float) -> None:
        self.times[what].append(seconds)

    def answer(self, what: str, status: int, words: str, *, refusal: bool = False) -> None:
        """Judge an answer: only a refusal may have a status from 400 on, and it needs a sentence."""
        if status < 400:
            return
        if refusal and (status < 500 or status == 503) and len(words.split()) >= 3 and "<" not in words:
            self.refused[status] += 1
        else:
            self.problem(f"{what}: {status} {words[:100]!r}")

    def accept(self, event: Event, name: str) -> None:
        self._events[event.id] = (event, name)
        self.counts["accepted"] += 1

    def heard(self, event: Event, kind: str) -> None:
        """Count an event's end; note how soon another run starts after one was cancelled."""
        if kind == "process_completed":
            self._ends[event.id] += 1
        elif kind == "process_starts" and event.number in self.lane and self._freed is not None:
            if event.joined < self._freed:
                self.time("cancel to the next start", time.monotonic() - self._freed)
            self._freed = None

    def freed(self) -> None:
        """A run was cancelled that had begun."""
        self._freed = time.monotonic()

    def leave(self, event: Event) -> None:
        """An event's page was closed; nobody hears of its end."""
        self._left.add(event.id)

    def close(self) -> None:
        """Judge the ends: each event ended once, or its page was closed."""
        for number, (event, name) in self._events.items():
            if number in self._left:
                self.counts["left"] += 1
            elif self._ends[number] != 1:
                self.problem(f"{name} ended {self._ends[number]} times")
            elif event.cancelled:
                self.counts["cancelled"] += 1
            elif event.error is None:
                self.counts["completed"] += 1
            elif event.error.strip():
                self.counts["failed in words"] += 1
            else:
                self.problem(f"{name} failed without a word")


def share(values: list[float], part: float) -> float:
    """A percentile; NaN of nothing."""
    ordered = sorted(values)
    return ordered[round(part * (len(ordered) - 1))] if ordered else float("nan")
