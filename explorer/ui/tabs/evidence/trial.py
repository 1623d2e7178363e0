"""How far a piece of evidence has come, without the page; and what is known of earlier ones."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gradio as gr

from explorer.attributions.method import METHODS
from explorer.core.limits import check_passes
from explorer.core.steps import Work as Pieces
from explorer.ui.failures import broken_off
from explorer.ui.jobs import MASKED, Work
from explorer.ui.memory.kept import Kept
from explorer.ui.probe_cache import ProbeCache
from explorer.ui.slow_work import patient, patiently
from explorer.ui.tabs.evidence.charts import counted
from explorer.ui.tabs.evidence.evidence import Evidence, Report

REPORTS = 64
"""How many finished reports are kept for whoever asks the same, as long as there is room; each is some 100 kB."""
ANEW = "to run it is to begin anew"
BEGUN = object()
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
        self._first: tuple[float, int] | None = None
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
            self._wanted = yield from patiently(evidence.passes, aside)
            check_passes(self._wanted)
            self._began = time.monotonic()
            work: Pieces[Any] = Pieces(patient(evidence.steps(), aside))
            for step in work:
                if isinstance(step, int):
                    self.done += step
                    self._first = self._first or (time.monotonic(), self.done)
                elif step is not None:
                    self._result = step
                yield step
            self._result, self._finished = work.result, True
        finally:
            aside.shutdown(wait=False)

    def at_once(self, step: object) -> bool:
        """Only the first, before there is an encoder."""
        return step is BEGUN

    def left(self, step: object) -> float:
        """Seconds to the end, as far as can be told."""
        rate = self._rate()
        return max(0, self._wanted - self.done) / rate if rate else 0.0

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
            self._ledger.timed(self._evidence, self._rate())
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

    def _rate(self) -> float:
        """Pictures a second, not counting the first batch, which waited for the encoder; 0.0 while unknown."""
        if self._first is None or self.done == self._first[1]:
            return 0.0
        return (self.done - self._first[1]) / max(time.monotonic() - self._first[0], 1e-6)

    def _where(self) -> dict[str, Any]:
        if not self._wanted:
            return self._line("Loading the encoder …")
        seconds = self.left(None)
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
        return {self._key: report | {"of": of, "press": self._press, "step": self._reports}}


def line(kind: str, press: int, text: str, *, rest: bool = False, done: int = 0, wanted: int = 0) -> dict[str, Any]:
    """Where a piece of evidence is, for its progress line; one at rest stays when nothing runs."""
    return {"kind": kind, "press": press, "text": text, "rest": rest, "done": done, "wanted": wanted}
