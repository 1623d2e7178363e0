"""Every run of the app: its number, place in the queue, price, progress, Stop and last word.

One run is at work at a time, the others wait (``page.HEAVY``). Stop beside a button has Gradio break its run off, which
then says nothing any more, so that ``Desk.stopped`` has the last word. What a page's own script began is not broken
off, as Gradio knows only the last of several presses: it looks at its number, and speaks for itself. So does whatever
another Stop of the page ends.
"""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

import gradio as gr

from explorer.core.errors import Restarting
from explorer.core.probe import Probe
from explorer.ui.failures import broken_off, noted
from explorer.ui.status import Step, status_panel, turn_panel

STALE_SECONDS = 600
"""A run that has not been heard of for so long belonged to a page that was closed."""
LATE_SECONDS = 1.0
"""How long an answer to a press can be on its way."""
TAKEN_OUT = "Taken out of the queue; nothing was run."
MASKED, TEXT = "masked", "text"
"""Kinds of pass: a masked picture, and a sentence."""
J = TypeVar("J", bound="Job")


class Waiting:
    """Runs by whoever asked for them, the first to ask first. Safe to share between threads."""

    def __init__(self) -> None:
        self._runs: WeakKeyDictionary[object, tuple[float, float]] = WeakKeyDictionary()
        self._guard = threading.Lock()

    def expect(self, asker: object, seconds: float) -> None:
        """Note that a run will take so long yet; the asker keeps its place."""
        with self._guard:
            self._runs[asker] = (seconds, time.monotonic())

    def __contains__(self, asker: object) -> bool:
        """Whether a run of theirs waits, or is at work."""
        with self._guard:
            return asker in self._runs

    def done(self, asker: object) -> bool:
        """Forget a run that ended, or never began; returns whether there was one."""
        with self._guard:
            return self._runs.pop(asker, None) is not None

    def before(self, asker: object) -> tuple[int, float]:
        """How many runs come before the asker's, and how many seconds they take."""
        with self._guard:
            now, found = time.monotonic(), []
            for other, (seconds, heard) in self._runs.items():
                if other is asker:
                    break
                if now - heard < STALE_SECONDS:
                    found.append(seconds)
            return len(found), sum(found)


class Rates:
    """Seconds a pass, as measured here, by encoder, precision and kind of pass."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str, str], float] = {}

    def note(self, encoder: str, precision: str, kind: str, seconds: float) -> None:
        """Remember what a pass took; nothing where that could not be told (0)."""
        if seconds > 0:
            self._seconds[encoder, precision, kind] = seconds

    def seconds(self, encoder: str, precision: str, passes: int, *kinds: str) -> float | None:
        """What so many passes take, by the first of the kinds that was measured; None where none was."""
        rates = (self._seconds.get((encoder, precision, kind)) for kind in kinds or (MASKED,))
        return next((passes * rate for rate in rates if rate is not None), None)


class Desk:
    """Where all visitors' runs are known: those that were asked for and have not ended, and what a pass costs."""

    def __init__(self) -> None:
        self.waiting, self.rates = Waiting(), Rates()
        self._closed = threading.Event()

    def close(self) -> None:
        """Let every run end at its next step, and take no other; for the end of the server."""
        self._closed.set()

    def check_open(self) -> None:
        """Refuse work once the server is about to end.

        Raises:
            Restarting: It is.
        """
        if self._closed.is_set():
            raise Restarting

    def turn(self, job: Job, seconds: float | None, press: int | None = None) -> tuple[int, float] | None:
        """Give a press its place in the queue, by its number where the browser counts.

        Returns:
            How many runs come first, and their seconds; None where the run has begun, or ended, meanwhile.
        """
        if job.late(press):
            return None
        job.latest, job.called_off = max(job.latest, press or 0), False
        self.waiting.expect(job, seconds or 0)
        return self.waiting.before(job)

    def queued(self, job: Job, seconds: float | None) -> Any:
        """``turn`` in words, for the status line; nothing where it is the visitor's."""
        turn = self.turn(job, seconds)
        return turn_panel(*turn) if turn and turn[0] else gr.skip()

    def stop(self, job: Job, page: Job, press: int = 0, *, cancelled: bool = False) -> None:
        """Stop was pressed beside a job's button: whatever the page runs ends, and what waits leaves the queue.

        The page knows the other jobs, which say their last words themselves.
        """
        job.stop(press, cancelled=cancelled)
        if not cancelled:
            self.waiting.done(job)
        for other in {page, *(page._others or ())} - {job}:
            waited = self.waiting.done(other)
            if not other.running:
                other.called_off = waited
            if not other.ended():
                other.stop()

    def stopped(self, job: Job, again: str) -> str | None:
        """The last word of a run that Gradio broke off, once what it had still to say is on its way; None for none.

        ``again`` says how it is taken up.
        """
        if not job.ended():
            return None  # Run was pressed since
        began, waited = job.running, self.waiting.done(job)
        job.end()
        return stopped_at(job, again) if began else TAKEN_OUT if waited else None

    def last_word(self, job: Job, again: str, news: Callable[[], Any]) -> tuple[Any, Any]:
        """``stopped`` for the status line, and what there is for the view, by ``news``."""
        if (said := self.stopped(job, again)) is None:
            return gr.skip(), gr.skip()
        return status_panel(Step(said)), news() if job.fresh else gr.skip()


class Job:
    """What one page runs in one place. A run and Stop both write here.

    Presses are numbered, by the browser or as they begin, and Stop ends all up to the last it knows of, so that it
    cannot end the next.

    Attributes:
        latest: The last press that was heard of.
        over: The last press that ended or was stopped.
        running: The press being answered; 0 while there is none.
        rested: When the last run came to its end, by the monotonic clock.
        cancelled: Whether Gradio was told to break the run off, so that ``stopped`` has its last word.
        called_off: Whether a press was stopped that stays in Gradio's queue until its turn.
    """

    def __init__(self) -> None:
        self.latest = self.over = self.running = 0
        self.rested = -math.inf
        self.cancelled = self.called_off = False
        self._others: WeakSet[Job] | None = None  # a page's first job is copied, which a WeakSet does not survive
        self._before: Probe | None = None

    @property
    def probe(self) -> Probe | None:
        """What has been embedded so far, by a run of masks."""
        return None

    @property
    def fresh(self) -> Probe | None:
        """The same, where it is of the last run."""
        return None if self.probe is self._before else self.probe

    def ended(self) -> bool:
        """Whether it was stopped, or has ended, which can happen between any two lines of a run."""
        return self.latest <= self.over

    def silent(self, press: int) -> bool:
        """Whether another has the last word of a run."""
        return self.cancelled or self.running != press

    def late(self, press: int | None = None) -> bool:
        """Whether an answer to a press comes after the run began, or ended."""
        if press is None:
            return bool(self.running) or time.monotonic() - self.rested < LATE_SECONDS
        return bool(self.running) or press <= self.over

    def begin(self, press: int | None = None) -> bool:
        """A press has its turn; False where it was stopped before."""
        off, self.called_off = self.called_off if press is None else press <= self.over, False
        if not off:
            self.latest = self.latest + 1 if press is None else max(self.latest, press)
            self.running, self.cancelled, self._before = self.latest, False, self.probe
        return not off

    def end(self) -> None:
        """What is running goes no further."""
        self.over, self.running = max(self.over, self.running), 0

    def stop(self, press: int = 0, *, cancelled: bool = False) -> None:
        """End what is running, and whatever was pressed up to the last that the browser knows of."""
        self.over = self.latest = max(self.latest, press)
        self.cancelled = cancelled

    def knows(self, other: J) -> J:
        """Note another job of the same page, so that a Stop anywhere on the page stops it."""
        self._others = self._others or WeakSet()
        self._others.add(other)
        return other


class Work(ABC):
    """What a tab gives to be run.

    Attributes:
        every: Seconds between two steps that are told, at least.
    """

    every: float

    @abstractmethod
    def steps(self) -> Iterator[Any]:
        """Do it."""

    @abstractmethod
    def status(self, step: Any) -> Any:
        """Where it is, for the status line."""

    @abstractmethod
    def payload(self, step: Any) -> Any:
        """What the view is sent of it."""

    def at_once(self, step: Any) -> bool:
        """Whether a step is told whenever the last one was."""
        return bool(step.text or step.final)

    def left(self, step: Any) -> float | None:
        """Seconds to its end, for those who wait for it; None while that cannot be told."""
        return step.left  # type: ignore[no-any-return]

    @abstractmethod
    def last(self, finished: bool) -> Iterator[tuple[Any, Any]]:
        """The last word: for the status line and for the view."""

    @abstractmethod
    def broken(self, error: Exception) -> Iterator[tuple[Any, Any]]:
        """The last word where an error ended it."""


class MaskRun(Work):
    """A run of masks, which goes on where it was stopped.

    ``news`` makes the view of what is there now, ``again`` says how the run is taken up.
    """

    def __init__(self, steps: Iterator[Step], job: Job, news: Callable[[], Any], every: float, again: str) -> None:
        self._steps, self._job, self._news, self.every, self._again = steps, job, news, every, again

    def steps(self) -> Iterator[Step]:
        """As they were given."""
        return self._steps

    def status(self, step: Step) -> str:
        """A bar, or a sentence."""
        return status_panel(step)

    def payload(self, step: Step) -> Any:
        """What is there by now."""
        return gr.skip() if step.text else self._news()

    def last(self, finished: bool) -> Iterator[tuple[Any, Any]]:
        """The final step has said it already."""
        if not finished:
            probe = self._job.fresh
            yield status_panel(Step(stopped_at(self._job, self._again))), self._news() if probe else gr.skip()

    def broken(self, error: Exception) -> Iterator[tuple[Any, Any]]:
        """How far it came, before the view, which may fail."""
        probe = self._job.fresh
        reached = "" if probe is None else f"Stopped at {len(probe)} of {probe.wanted} masks"
        yield status_panel(Step(broken_off(reached, error, f"What was done is kept; {self._again}."))), gr.skip()
        if probe:
            yield gr.skip(), self._news()


def stopped_at(job: Job, again: str) -> str:
    """How far a run of masks came that was stopped."""
    if (probe := job.fresh) is None:
        return "Stopped before the first mask."
    if probe.complete:  # before its last words were said
        return f"{len(probe)} masks; all were done before Stop."
    return f"Stopped at {len(probe)} of {probe.wanted} masks; {again}."


def stream(  # noqa: C901, PLR0912 - one loop, each branch a promise about who speaks last
    work: Work, job: Job, desk: Desk, press: int | None = None
) -> Iterator[tuple[Any, Any]]:
    """What a run says and shows, until it is stopped: for the status line and for a view.

    The last is always nothing: Gradio says it a second time when a generator ends, which may be after another has
    spoken. Any error ends the run with what it had reached on screen, and goes on to the caller.

    Args:
        work: The run.
        job: Whose it is, and what Stop ends.
        desk: Whose queue it waited in.
        press: Its number, where the browser counts.

    Raises:
        ExplorerError: Whatever went wrong, in words.
    """
    yield gr.skip(), gr.skip()  # Stop may come before the first step
    called_off = job.called_off
    if not job.begin(press):
        if called_off:
            yield status_panel(Step(TAKEN_OUT)), gr.skip()
        yield gr.skip(), gr.skip()
        return
    number, last = job.running, -math.inf
    try:
        desk.check_open()
        for step in work.steps():
            at_once = work.at_once(step)
            if job.silent(number) or (job.ended() and not at_once):
                break
            desk.check_open()
            if (left := work.left(step)) is not None:
                desk.waiting.expect(job, left)
            if at_once or time.monotonic() - last >= work.every:
                told = work.status(step), work.payload(step)
                if job.silent(number):  # since, while packing
                    break
                yield told
                last = last if at_once else time.monotonic()
            if job.ended():
                break
        if not job.silent(number):
            yield from work.last(not job.ended())
            job.end()
            job.rested = time.monotonic()
    except Exception as error:
        if not job.silent(number):
            job.end()
            yield from work.broken(error)
        raise noted(error) from error
    finally:
        if press is not None and job.running == number:  # others may be broken off before Stop itself is heard of
            job.end()
        desk.waiting.done(job)
    yield gr.skip(), gr.skip()
