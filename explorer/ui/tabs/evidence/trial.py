"""How far a piece of evidence has come, without the page; and what is known of earlier ones."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gradio as gr

from explorer.core.limits import check_passes
from explorer.core.steps import Work as Pieces
from explorer.ui.failures import broken_off
from explorer.ui.jobs import Work
from explorer.ui.memory.kept import Kept
from explorer.ui.probe_cache import ProbeCache
from explorer.ui.slow_work import patient, patiently
from explorer.ui.tabs.evidence.charts import counted
from explorer.ui.tabs.evidence.evidence import Evidence, Part, Report

REPORTS = 64
"""How many finished reports are kept for whoever asks the same, as long as there is room; each is some 100 kB."""
ANEW = "to run it is to begin anew"
BEGUN = object()
BESIDE = 4
"""Judgements of the same map with other settings that are told beside one."""


class Ledger:
    """What all visitors share: finished reports, oldest forgotten first, and how fast each kind of evidence goes."""

    def __init__(self, probes: ProbeCache) -> None:
        self._probes = probes
        self._reports: OrderedDict[tuple[object, object, object], Kept[Report]] = OrderedDict()
        self._guard = threading.Lock()

    def seconds(self, evidence: Evidence, parts: Iterable[Part]) -> float | None:
        """How long its passes take, by how long those of each kind took; None where one was never measured."""
        each = [self.expected(evidence, *part) for part in parts if part[1]]
        return None if None in each else sum(each)  # type: ignore[arg-type]

    def expected(self, evidence: Evidence, kind: str, passes: int) -> float | None:
        """How long so many passes of one kind take; None where none was measured."""
        request = evidence.subject.request
        return self._probes.rates.seconds(request.encoder, request.precision, passes, kind)

    def timed(self, evidence: Evidence, rates: Mapping[str, float]) -> None:
        """Note the seconds a pass of each kind took."""
        request = evidence.subject.request
        for kind, seconds in rates.items():
            self._probes.rates.note(request.encoder, request.precision, kind, seconds)

    def known(self, evidence: Evidence) -> Report | None:
        """The finished report of the same question with the same settings."""
        with self._guard:
            kept = self._reports.get(_name(evidence))
            return None if kept is None else kept.get()

    def beside(self, evidence: Evidence, report: Report) -> list[str]:
        """How the same map was judged with other settings, the last first, in words."""
        with self._guard:
            others = [kept.get() for name, kept in self._reports.items() if name[:2] == _name(evidence)[:2]]
        said = {
            other["under"]: f"The same with {other['under']}."
            if other["outcome"] == report["outcome"]
            else f"Otherwise with {other['under']}: {other['outcome']}"
            for other in reversed(others)
            if other and other["outcome"] and report["outcome"] and other["under"] != report["under"]
        }
        return list(said.values())[:BESIDE]

    def keep(self, evidence: Evidence, report: Report) -> None:
        """Remember a finished report."""
        with self._guard:
            self._reports[_name(evidence)] = self._probes.memory.keep(report)
            self._reports.move_to_end(_name(evidence))
            while len(self._reports) > REPORTS:
                self._reports.popitem(last=False)


def _name(evidence: Evidence) -> tuple[object, object, object]:
    """What is asked; of what map; and how."""
    map_judged = evidence.subject.recipe, evidence.method
    return evidence.key, map_judged, tuple(sorted(evidence.chosen.items()))


class Pace:
    """How fast the parts of a piece of work go, one after another.

    Args:
        parts: How many passes of which kind.
        known: Seconds that so many passes of a kind take, where that was measured before.
    """

    def __init__(self, parts: Iterable[Part], known: Callable[[str, int], float | None]) -> None:
        self._parts, self._known = [part for part in parts if part[1]], known
        self._seconds, self._done = [0.0] * len(self._parts), [0] * len(self._parts)
        self._at, self._since = 0, time.monotonic()

    def begin(self) -> None:
        """The first pass is made now."""
        self._since = time.monotonic()

    def did(self, passes: int) -> None:
        """So many were made since the last time."""
        now = time.monotonic()
        if self._at < len(self._parts):
            self._done[self._at] += passes
            self._seconds[self._at] += now - self._since
            self._at += self._done[self._at] >= self._parts[self._at][1]
        self._since = now

    def rates(self) -> dict[str, float]:
        """Seconds a pass of each kind took, of those that were made."""
        spent: dict[str, tuple[float, int]] = {}
        for (kind, _), seconds, done in zip(self._parts, self._seconds, self._done, strict=True):
            before = spent.get(kind, (0.0, 0))
            spent[kind] = before[0] + seconds, before[1] + done
        return {kind: seconds / done for kind, (seconds, done) in spent.items() if done}

    def left(self) -> float | None:
        """Seconds to the end; None where a kind of pass still to come was never measured."""
        rates, total = self.rates(), 0.0
        for (kind, wanted), done in zip(self._parts, self._done, strict=True):
            missing = wanted - done
            seconds = missing * rates[kind] if kind in rates else self._known(kind, missing)
            if missing and seconds is None:
                return None
            total += seconds or 0.0
        return total


class Trial(Work):
    """A piece of evidence being worked out.

    Args:
        ask: Makes what is asked, once it is its turn.
        key: Of what is asked.
        press: Which press of a button it answers.
        ledger: What is known already, and where a finished report goes.

    Attributes:
        done: Pictures embedded so far.
    """

    every = 0.3

    def __init__(self, ask: Callable[[], Evidence], key: str, press: int, ledger: Ledger) -> None:
        self._ask, self._key, self._press, self._ledger = ask, key, press, ledger
        self.done = self._wanted = self._reports = 0
        self._known: Report | None = None
        self._result: Any = None
        self._shown: Any = None
        self._finished = False
        self._pace: Pace | None = None
        self._began = time.monotonic()

    def steps(self) -> Iterator[Any]:
        """The evidence's own; None where one takes long, which must not keep a visitor who has gone."""
        self._evidence = evidence = self._ask()
        self._known = self._ledger.known(evidence)
        if self._known is not None:
            return
        yield BEGUN
        aside = ThreadPoolExecutor(1, thread_name_prefix="evidence")
        try:
            parts = yield from patiently(evidence.parts, aside)
            self._wanted = sum(passes for _, passes in parts)
            check_passes(self._wanted)
            self._began = time.monotonic()
            self._pace = pace = Pace(parts, lambda kind, passes: self._ledger.expected(evidence, kind, passes))
            work: Pieces[Any] = Pieces(patient(evidence.steps(), aside))
            for step in work:
                if isinstance(step, int):
                    pace.did(step) if step else pace.begin()
                    self.done += step
                elif step is not None:
                    self._result = step
                yield step
            self._result, self._finished = work.result, True
        finally:
            aside.shutdown(wait=False)

    def at_once(self, step: object) -> bool:
        """Only the first, before there is an encoder."""
        return step is BEGUN

    def left(self, step: object) -> float | None:
        """Seconds to the end; None while that cannot be told."""
        return None if self._pace is None else self._pace.left()

    def status(self, step: object) -> Any:
        """Each card shows its own, with the view."""
        return gr.skip()

    def payload(self, step: object) -> Any:
        """How far it is, and what there is by now that was not sent."""
        news = self._where()
        if step is not None and self._result is not self._shown:
            self._shown = self._result
            news |= self._tell(self._evidence.report(self._result, False) | {"over": False})
        return gr.update(**news)

    def last(self, finished: bool) -> Iterator[tuple[Any, Any]]:
        """The report, whole or in part."""
        if self._known is not None:
            news = self._tell(self._known) | self._line("Known from an earlier run.", rest=True)
        elif self._finished:
            seconds = time.monotonic() - self._began
            report = self._evidence.report(self._result, False) | {"over": True}
            if self._pace and self.done == self._wanted:  # or what was made cannot be told apart
                self._ledger.timed(self._evidence, self._pace.rates())
            self._ledger.keep(self._evidence, report)
            news = self._tell(report) | self._line(f"{counted(self.done, 'pass')} in {seconds:.1f} s.", rest=True)
        else:
            news = self._line(f"Stopped after {self.done} of {self._wanted} passes; {ANEW}.", rest=True) | self._part()
        yield gr.skip(), gr.update(**news)

    def broken(self, error: Exception) -> Iterator[tuple[Any, Any]]:
        """How far it came, before what there is by then, which may fail."""
        reached = f"Stopped after {self.done} of {self._wanted} passes" if self.done else ""
        yield gr.skip(), gr.update(**self._line(broken_off(reached, error, f"{ANEW.capitalize()}."), rest=True))
        if not self._finished and (part := self._part()):
            yield gr.skip(), gr.update(**part)

    def _where(self) -> dict[str, Any]:
        if not self._wanted:
            return self._line("Loading the encoder …")
        seconds = self.left(None) if self.done else None
        left = f", about {seconds:.0f} s left" if seconds else ""
        return self._line(f"{self.done} of {self._wanted} passes{left}", done=self.done, wanted=self._wanted)

    def _part(self) -> dict[str, Any]:
        """What there is of a result that goes no further."""
        return {} if self._result is None else self._tell(self._evidence.report(self._result, True) | {"over": True})

    def _line(self, text: str, *, rest: bool = False, done: int = 0, wanted: int = 0) -> dict[str, Any]:
        return {"progress": line(self._key, self._press, text, rest=rest, done=done, wanted=wanted)}

    def _tell(self, report: Report) -> dict[str, Any]:
        self._reports += 1
        of = self._evidence.subject.wire(self._evidence.method) | {"label": self._evidence.about()}
        beside = self._ledger.beside(self._evidence, report) if report.get("over") else []
        return {self._key: report | {"of": of, "beside": beside, "press": self._press, "step": self._reports}}


def line(kind: str, press: int, text: str, *, rest: bool = False, done: int = 0, wanted: int = 0) -> dict[str, Any]:
    """Where a piece of evidence is, for its progress line; one at rest stays when nothing runs."""
    return {"kind": kind, "press": press, "text": text, "rest": rest, "done": done, "wanted": wanted}
