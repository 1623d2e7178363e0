"""How many may wait: runs and cheap events by page, by address and in all, and streams that are kept open.

Gradio has one number for its whole queue, so whoever fills it takes everybody's Stop away. Here each lane has its own
room. Whoever waits is found in Gradio's queue itself, so that nothing has to be kept in step with it; what is on its
way there is counted too, or a burst would pass before its first event has arrived.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from gradio.queueing import Event, Queue
from gradio.server_messages import ProcessCompletedMessage

from explorer.ui.gate.refusals import Refusal

MODEL = "model"
MOST_ADDRESSES = 1000
GAVE_WAY = "Your run had to give way: all places are taken, and your network holds the most. Press Run again later."
PATIENCE = 10.0
"""Seconds that an event is kept with nobody listening for its answer."""


class Limit(NamedTuple):
    """How many of a kind may wait or be at work at a time.

    Attributes:
        page: Of one open page.
        address: Of one network address, behind which a whole class can sit.
        all: Of everybody.
    """

    page: int
    address: int
    all: int


RUNS = Limit(8, 64, 128)
"""A page has five places that start runs."""
CHEAP = Limit(64, 600, 1200)
"""Opening a page and moving a slider send a handful each; a lane of their own is never filled by runs."""
ANSWERS = Limit(4, 400, 1500)
SIGNS = Limit(4, 400, 3000)
"""Streams: a page keeps one open as a sign of life, and another while it waits for an answer, which must have room."""
PAGES = 400
"""Pages of one address whose results are remembered; opening more makes its own oldest go, and nobody else's."""

Key = TypeVar("Key")
Asker = tuple[str, str]
"""Page and address."""


class Admission:
    """Counts who waits, and refuses whom there is no room for.

    Args:
        queue: Gradio's.
        forget: Called with a page's name once nobody listens there and nothing of it waits, and with whether its
            results are to go as well.
    """

    def __init__(self, queue: Queue, forget: Callable[[str, bool], None] = lambda page, wholly: None) -> None:
        self._queue, self._forget = queue, forget
        self._entering: dict[str, Counter[Asker]] = defaultdict(Counter)
        self._streams: dict[bool, Counter[Asker]] = {True: Counter(), False: Counter()}
        self._pages: dict[str, OrderedDict[str, None]] = defaultdict(OrderedDict)
        self._listening: Counter[str] = Counter()
        self._unheard: dict[str, float] = {}
        """Since when nobody has listened, by page."""
        self.closed = False

    @contextlib.contextmanager
    def entering(self, page: str, address: str, lane: str) -> Iterator[None]:
        """Hold a place while an event is on its way into the queue.

        Raises:
            Refusal: There is none.
        """
        if self.closed:
            raise Refusal(503, "The server is restarting; try again in a minute.")
        waiting = Counter((event.session_hash, _address(event)) for event in self._events(lane))
        found, what = self._entering[lane], "runs" if lane == MODEL else "requests"
        if lane == MODEL and (waiting + found).total() >= RUNS.all:
            waiting -= self._make_place(address)
        self._remember(page, address)
        _check(waiting + found, page, address, RUNS if lane == MODEL else CHEAP, what)
        with _counted(found, (page, address)):
            if not self._listening[page]:
                self._unheard[page] = time.monotonic()
            yield
            if lane == MODEL:
                self._take_turns()

    @contextlib.contextmanager
    def listening(self, page: str, address: str, *, answers: bool) -> Iterator[None]:
        """Hold a stream open.

        Args:
            page: Who listens.
            address: From where.
            answers: Whether it brings the answers of events, and not only signs of life.

        Raises:
            Refusal: Too many are open.
        """
        streams = self._streams[answers]
        _check(streams, page, address, ANSWERS if answers else SIGNS, "connections")
        with _counted(streams, (page, address)):
            if not answers:
                yield
                return
            with _counted(self._listening, page):
                try:
                    yield
                finally:
                    self._unheard[page] = time.monotonic()

    def drop_unheard(self, now: float | None = None) -> int:
        """End what nobody listens for any more, and forget pages that are gone; returns how many events ended.

        Args:
            now: The monotonic clock; as it stands when None.
        """
        now = time.monotonic() if now is None else now
        events, dropped = list(self._events()), 0
        for event in events:
            since = max(event.enqueue_time, self._unheard.get(event.session_hash, 0.0))
            if not self._listening[event.session_hash] and now - since > PATIENCE and event.alive:
                self._drop(event)
                dropped += 1
        busy = {event.session_hash for event in events}
        for page, since in list(self._unheard.items()):
            if self._listening[page]:
                del self._unheard[page]
            elif page not in busy and now - since > PATIENCE:
                del self._unheard[page]
                self._queue.pending_messages_per_session.pop(page, None)
                self._queue.pending_event_ids_session.pop(page, None)
                self._forget(page, False)
        return dropped

    def oldest_wait(self, now: float | None = None) -> float:
        """Seconds that the first of the cheap events has waited: whether the queue moves at all."""
        now = time.monotonic() if now is None else now
        waits = [now - e.enqueue_time for e in self._waiting() if e.concurrency_id != MODEL]
        return max(waits, default=0.0)

    def counts(self) -> dict[str, int]:
        """How many runs and other events wait or are at work, and how many streams are open."""
        events = list(self._events())
        runs = sum(event.concurrency_id == MODEL for event in events)
        return {
            "runs": runs,
            "events": len(events) - runs,
            "streams": sum(each.total() for each in self._streams.values()),
        }

    def _make_place(self, address: str) -> Counter[Asker]:
        """Where all places are taken and an address has none, the last run of the address with the most gives way."""
        waiting = [event for event in self._waiting() if event.concurrency_id == MODEL]
        holders = Counter(_address(event) for event in waiting)
        if not holders or holders[address]:
            return Counter()
        greediest = max(holders, key=lambda each: holders[each])
        last = next(event for event in reversed(waiting) if _address(event) == greediest)
        words = {"error": GAVE_WAY, "visible": True, "duration": 10}
        self._queue.send_message(last, ProcessCompletedMessage(output=words, title="Error", success=False))
        self._drop(last)
        return Counter([(last.session_hash, greediest)])

    def _remember(self, page: str, address: str) -> None:
        pages = self._pages[address]
        pages[page] = None
        pages.move_to_end(page)
        if len(pages) > PAGES:
            there = {asker[0] for each in self._streams.values() for asker in each}
            oldest = next((name for name in pages if name not in there), None)
            if oldest is not None:
                del pages[oldest]
                self._forget(oldest, True)
        if len(self._pages) > MOST_ADDRESSES:
            del self._pages[next(iter(self._pages))]

    def _events(self, lane: str | None = None) -> Iterator[Event]:
        """What waits and what is at work, of one lane or, of the model's and all others, of both."""
        at_work = (event for job in self._queue.active_jobs if job for event in job)
        for event in (*self._waiting(), *at_work):
            if lane is None or (event.concurrency_id == MODEL) == (lane == MODEL):
                yield event

    def _waiting(self) -> list[Event]:
        return [event for each in self._queue.event_queue_per_concurrency_id.values() for event in each.queue]

    def _take_turns(self) -> None:
        """First every page's first run, then every page's second; among equals every address's first, and so on."""
        lane = self._queue.event_queue_per_concurrency_id.get(MODEL)
        if lane is None:
            return
        pages: Counter[str] = Counter()
        addresses: Counter[str] = Counter()
        places: dict[Event, tuple[int, int]] = {}
        for event in sorted(lane.queue, key=lambda event: event.enqueue_time):
            places[event] = pages[event.session_hash], addresses[_address(event)]
            pages[event.session_hash] += 1
            addresses[_address(event)] += 1
        lane.queue.sort(key=lambda event: (*places[event], event.enqueue_time))

    def _drop(self, event: Event) -> None:
        event.alive = False  # one at work ends at its next word
        lane = self._queue.event_queue_per_concurrency_id[event.concurrency_id]
        if event in lane.queue:
            lane.queue.remove(event)
            self._queue.event_ids_to_events.pop(event._id, None)


def _address(event: Event) -> str:
    client = event.request.client
    return client.host if client else ""


def _check(taken: Counter[Asker], page: str, address: str, limit: Limit, what: str) -> None:
    mine = sum(count for asker, count in taken.items() if asker[0] == page)
    ours = sum(count for asker, count in taken.items() if asker[1] == address)
    if mine >= limit.page:
        raise Refusal(429, f"{mine} {what} of this page are open already, the most there may be; wait, or press Stop.")
    if ours >= limit.address:
        raise Refusal(429, f"{ours} {what} of your network are open already, the most there may be; try again soon.")
    if taken.total() >= limit.all:
        raise Refusal(429, f"{taken.total()} {what} are open already, the most there may be; try again later.")


@contextlib.contextmanager
def _counted(counter: Counter[Key], key: Key) -> Iterator[None]:
    counter[key] += 1
    try:
        yield
    finally:
        counter[key] -= 1
        if not counter[key]:
            del counter[key]
