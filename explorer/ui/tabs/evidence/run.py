"""How far a piece of evidence has come, without the page; and what is known of earlier ones."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from explorer.attributions.method import METHODS
from explorer.core.limits import check_passes
from explorer.ui.failures import broken_off
from explorer.ui.jobs import MASKED
from explorer.ui.memory.kept import Kept
from explorer.ui.probe_cache import ProbeCache
from explorer.ui.slow_work import patient, patiently
from explorer.ui.tabs.evidence.answer import Evidence, Report
from explorer.ui.tabs.evidence.charts import counted

REPORTS = 64
"""How many finished reports are kept for whoever asks the same, as long as there is room; each is some 100 kB."""
SECONDS_BETWEEN = 0.3
EVIDENCE = "evidence"
"""The kind of pass that most evidence takes, with what is worked out between two."""


class Ledger:
    """What all visitors share: finished reports, oldest forgotten first, and how fast each kind of evidence goes."""

    def __init__(self, probes: ProbeCache) -> None:
        self._probes = probes
        self._reports: OrderedDict[object, Kept[Report]] = OrderedDict()
        self._guard = threading.Lock()

    def seconds(self, evidence: Evidence, passes: int) -> float | None:
        """How long so many passes take: as the last of its kind went, or the last of any, or the last run.

        None where gradients are needed and none of its kind was run, as they cost ten times what others do.
        """
        request, (own, masked) = evidence.subject.request, _kind(evidence)
        others = (EVIDENCE, MASKED) if masked else ()
        return self._probes.rates.seconds(request.encoder, request.precision, passes, own, *others)

    def timed(self, evidence: Evidence, rate: float) -> None:
        """Note how many passes went by in a second; 0.0 where that could not be told."""
        request, (own, masked) = evidence.subject.request, _kind(evidence)
        usual = masked and not evidence.slow  # the others say nothing about what is
        for kind in (own, EVIDENCE) if usual else (own,):
            self._probes.rates.note(request.encoder, request.precision, kind, 1 / rate if rate else 0)

    def check_open(self) -> None:
        """As ``ProbeCache.check_open``."""
        self._probes.check_open()

    def known(self, evidence: Evidence) -> Report | None:
        """The finished report of the same question with the same settings."""
        with self._guard:
            kept = self._reports.get(_name(evidence))
            return None if kept is None else kept.get()

    def keep(self, evidence: Evidence, report: Report) -> None:
        """Remember a finished report."""
        with self._guard:
            self._reports[_name(evidence)] = self._probes.memory.keep(report)
            self._reports.move_to_end(_name(evidence))
            while len(self._reports) > REPORTS:
                self._reports.popitem(last=False)


def _kind(evidence: Evidence) -> tuple[str, bool]:
    """The kind of its passes, and whether they are of masked pictures only."""
    methods = evidence.chosen.get("methods", evidence.method).split(", ")
    masked = not any(METHODS[key].needs for key in methods)
    return f"{evidence.key}, {MASKED if masked else 'gradient'}", masked


def _name(evidence: Evidence) -> object:
    return evidence.key, evidence.subject.recipe, tuple(sorted(evidence.chosen.items()))


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
        self._began = 0.0

    def news(self) -> Iterator[dict[str, Any]]:
        """Work until it is done or stopped, yielding what the browser is to be told, its properties by name."""
        known = self._ledger.known(self.evidence)
        if known is not None:
            yield self._tell(known) | self._line("Known from an earlier run.", rest=True)
            return
        yield self._line("Loading the encoder …")
        last = self._began = time.monotonic()
        for told in self._advance():
            if self._ended():
                break
            self._ledger.check_open()
            self.left = self._seconds_left()
            if time.monotonic() - last >= SECONDS_BETWEEN:
                yield self._moment() if told else self._where()
                last = time.monotonic()
        yield self._last_words(time.monotonic() - self._began)

    def _advance(self) -> Iterator[bool]:
        """Take the steps, yielding whether one is done: one that takes long must not keep a visitor who has gone."""
        aside = ThreadPoolExecutor(1, thread_name_prefix="evidence")
        steps = self._steps(aside)
        try:
            while True:
                try:
                    step = next(steps)
                except StopIteration as end:
                    self._result, self._finished = end.value, True
                    return
                if isinstance(step, int):
                    self.done += step
                    self._first = self._first or (time.monotonic(), self.done)
                elif step is not None:
                    self._result = step
                yield step is not None
        finally:
            aside.shutdown(wait=False)

    def _steps(self, aside: ThreadPoolExecutor) -> Generator[Any, None, Any]:
        self._wanted = yield from patiently(self.evidence.passes, aside)
        check_passes(self._wanted)
        self._began = time.monotonic()
        return (yield from patient(self.evidence.steps(), aside))

    def _rate(self) -> float:
        """Pictures a second, not counting the first batch, which waited for the encoder; 0.0 while unknown."""
        if self._first is None or self.done == self._first[1]:
            return 0.0
        return (self.done - self._first[1]) / max(time.monotonic() - self._first[0], 1e-6)

    def _seconds_left(self) -> float:
        rate = self._rate()
        return max(0, self._wanted - self.done) / rate if rate else 0.0

    def _where(self) -> dict[str, Any]:
        if not self._wanted:
            return self._line("Loading the encoder …")
        left = f", about {self.left:.0f} s left" if self.left else ""
        return self._line(f"{self.done} of {self._wanted} passes{left}", done=self.done, wanted=self._wanted)

    def _moment(self) -> dict[str, Any]:
        told = self._where()
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
        return told | self._part()

    def _part(self) -> dict[str, Any]:
        """What there is of a result that goes no further."""
        if self._result is None:
            return {}
        return self._tell(self.evidence.report(self._result, True) | {"over": True})

    def broken(self, error: Exception) -> Iterator[dict[str, Any]]:
        """The last words where an error ended it, and what there is by then."""
        reached = f"Stopped after {self.done} of {self._wanted} passes" if self.done else ""
        said = broken_off(reached, error, "To run it is to begin anew.")
        yield self._line(said, rest=True)
        if not self._finished and (part := self._part()):
            yield part

    def _line(self, text: str, *, rest: bool = False, done: int = 0, wanted: int = 0) -> dict[str, Any]:
        return {"progress": line(self.evidence.key, self._press, text, rest=rest, done=done, wanted=wanted)}

    def _tell(self, report: Report) -> dict[str, Any]:
        self._said += 1
        of = self.evidence.subject.wire(self.evidence.method)
        return {self.evidence.key: report | {"of": of, "press": self._press, "step": self._said}}


def line(kind: str, press: int, text: str, *, rest: bool = False, done: int = 0, wanted: int = 0) -> dict[str, Any]:
    """Where a piece of evidence is, for its progress line; one at rest stays when nothing runs."""
    return {"kind": kind, "press": press, "text": text, "rest": rest, "done": done, "wanted": wanted}
