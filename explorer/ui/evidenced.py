"""How far a piece of evidence has come, without the page; and what is known of earlier ones."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..case import Parts
from .charts import counted
from .judged import Evidence, Report
from .workbench import Workbench

REPORTS = 64
"""How many finished reports are kept for whoever asks the same; each is some 100 kB."""
SECONDS_BETWEEN = 0.3


class Ledger:
    """What all visitors share: finished reports, oldest forgotten first, and how fast each kind of evidence goes."""

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self._reports: OrderedDict[object, Report] = OrderedDict()
        self._rates: dict[tuple[str, str, str], float] = {}
        self._guard = threading.Lock()

    def seconds(self, evidence: Evidence, passes: int) -> float | None:
        """How long so many passes take: as the last of its kind went, or the last of any, or the last run."""
        question = evidence.subject.question
        encoder = question.encoder, question.precision
        rate = self._rates.get((evidence.key, *encoder)) or self._rates.get(("", *encoder))
        return passes / rate if rate else self._workbench.seconds(*encoder, passes)

    def timed(self, evidence: Evidence, rate: float) -> None:
        """Note how many passes went by in a second; 0.0 where that could not be told."""
        question = evidence.subject.question
        if not rate:
            return
        self._rates[evidence.key, question.encoder, question.precision] = rate
        if not evidence.slow:  # which says nothing about the others
            self._rates["", question.encoder, question.precision] = rate

    def known(self, evidence: Evidence) -> Report | None:
        """The finished report of the same question with the same settings."""
        with self._guard:
            return self._reports.get(_name(evidence))

    def keep(self, evidence: Evidence, report: Report) -> None:
        """Remember a finished report."""
        with self._guard:
            self._reports[_name(evidence)] = report
            self._reports.move_to_end(_name(evidence))
            while len(self._reports) > REPORTS:
                self._reports.popitem(last=False)


def _name(evidence: Evidence) -> object:
    return evidence.key, evidence.subject.config, tuple(sorted(evidence.chosen.items()))


@dataclass(eq=False)
class Page:
    """What one open page is judging. A running judgement and Stop both write here.

    Attributes:
        over: Which of the page's presses, counted from 1, was the last that ended or was stopped. A judgement looks
            here instead of being cancelled, so that its last words are the last to arrive.
        running: The press being answered.
    """

    over: int = 0
    running: int | None = None

    def end(self, press: int) -> None:
        """What was begun with a press goes no further."""
        self.running, self.over = None, max(self.over, press)


class Trial:
    """A piece of evidence being worked out.

    Args:
        evidence: What is asked.
        press: Which press of a button it answers.
        ledger: What is known already, and where a finished report goes.
        ended: Whether Stop was pressed.

    Attributes:
        done: Pictures embedded so far.
        left: Seconds to the end, as far as can be told.
    """

    def __init__(self, evidence: Evidence, press: int, ledger: Ledger, ended: Callable[[], bool]) -> None:
        self.evidence, self.done, self.left = evidence, 0, 0.0
        self._press, self._ledger, self._ended = press, ledger, ended
        self._result: Any = None
        self._told: Any = None
        self._finished, self._said, self._wanted = False, 0, 0
        self._first: tuple[float, int] | None = None

    def news(self) -> Iterator[dict[str, Any]]:
        """Work until it is done or stopped, yielding what the browser is to be told, its properties by name."""
        known = self._ledger.known(self.evidence)
        if known is not None:
            yield self._tell(known) | self._line("Known from an earlier run.", rest=True)
            return
        yield self._line("Loading the encoder …")
        self._wanted, began = self.evidence.passes(), time.monotonic()
        last = began
        for _ in self._advance(self.evidence.steps()):
            if self._ended():
                break
            self.left = self._seconds_left()
            if time.monotonic() - last >= SECONDS_BETWEEN:
                yield self._moment()
                last = time.monotonic()
        yield self._last_words(time.monotonic() - began)

    def _advance(self, steps: Parts[Any]) -> Iterator[None]:
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                self._result, self._finished = end.value, True
                return
            if isinstance(step, int):
                self.done += step
                self._first = self._first or (time.monotonic(), self.done)
            else:
                self._result = step
            yield

    def _rate(self) -> float:
        """Pictures a second, not counting the first batch, which waited for the encoder; 0.0 while unknown."""
        if self._first is None or self.done == self._first[1]:
            return 0.0
        return (self.done - self._first[1]) / max(time.monotonic() - self._first[0], 1e-6)

    def _seconds_left(self) -> float:
        rate = self._rate()
        return max(0, self._wanted - self.done) / rate if rate else 0.0

    def _moment(self) -> dict[str, Any]:
        left = f", about {self.left:.0f} s left" if self.left else ""
        told = self._line(f"{self.done} of {self._wanted} passes{left}", done=self.done, wanted=self._wanted)
        if self._result is None or self._result is self._told:
            return told
        self._told = self._result
        return told | self._tell(self.evidence.report(self._result, False) | {"over": False})

    def _last_words(self, seconds: float) -> dict[str, Any]:
        if self._finished:
            report = self.evidence.report(self._result, False) | {"over": True}
            self._ledger.timed(self.evidence, self._rate())
            self._ledger.keep(self.evidence, report)
            return self._tell(report) | self._line(f"{counted(self.done, 'pass')} in {seconds:.1f} s.", rest=True)
        told = self._line(f"Stopped after {self.done} of {self._wanted} passes; to run it is to begin anew.", rest=True)
        if self._result is None:
            return told
        return told | self._tell(self.evidence.report(self._result, True) | {"over": True})

    def _line(self, text: str, *, rest: bool = False, done: int = 0, wanted: int = 0) -> dict[str, Any]:
        return {"progress": line(self.evidence.key, self._press, text, rest=rest, done=done, wanted=wanted)}

    def _tell(self, report: Report) -> dict[str, Any]:
        self._said += 1
        of = self.evidence.subject.wire(self.evidence.method)
        return {self.evidence.key: report | {"of": of, "press": self._press, "step": self._said}}


def line(kind: str, press: int, text: str, *, rest: bool = False, done: int = 0, wanted: int = 0) -> dict[str, Any]:
    """Where a piece of evidence is, for its progress line; one at rest stays when nothing runs."""
    return {"kind": kind, "press": press, "text": text, "rest": rest, "done": done, "wanted": wanted}
