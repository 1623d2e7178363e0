"""What the scenarios share: the server, its visitors, and a run that is compared with the library."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from ledger import Ledger, share
from page import Event, Layout, Page, Refused
from questions import ENCODERS, Ask, Oracle
from served import MB, Server, Use

LOST_SECONDS = 240
"""A run that has not ended by then is lost."""
FILL_SECONDS = 150


@dataclass(frozen=True)
class Verdict:
    """One promise, what was measured, and whether it holds; None where it is only noted."""

    promise: str
    measured: str
    holds: bool | None = None


@dataclass
class Crowd:
    """Visitors of one server.

    Attributes:
        files: Pictures that can be asked for.
        unchecked: Results that were not compared with the library's yet.
        lags: How late this process itself was.
    """

    server: Server
    http: httpx.AsyncClient
    layout: Layout
    ledger: Ledger
    oracle: Oracle
    files: dict[str, bytes]
    unchecked: list[tuple[Ask, dict[str, Any]]] = field(default_factory=list)
    checked: int = 0
    lags: list[float] = field(default_factory=list)

    @classmethod
    @contextlib.asynccontextmanager
    async def gather(cls, server: Server, oracle: Oracle, files: dict[str, bytes]) -> AsyncIterator[Crowd]:
        """A crowd, with somebody watching the server."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
        async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=60, trust_env=False) as http:
            layout = Layout.read((await http.get("/config")).json())
            crowd = cls(server, http, layout, Ledger(_lane(layout)), oracle, files)
            watchers = [asyncio.create_task(server.watch()), asyncio.create_task(crowd._measure_lag())]
            try:
                yield crowd
            finally:
                for watcher in watchers:
                    watcher.cancel()

    async def visit(self) -> Visit:
        """Somebody opens the page."""
        page = Page(self.http, self.layout, self.ledger)
        await page.open()
        return Visit(self, page)

    async def _measure_lag(self) -> None:
        """How late this process itself is: no time measured here is more exact."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.1)
            self.lags.append(time.monotonic() - began - 0.1)

    async def fill(self, photo: Callable[[int], bytes]) -> list[Visit]:
        """Open pages with ever new photos until the server's memory no longer grows: what it keeps on purpose is full.

        Args:
            photo: Makes the JPEG of a number.

        Returns:
            The pages, which stay open so that nothing is given back.
        """
        visits, began, before = [], time.monotonic(), 0.0
        while time.monotonic() - began < FILL_SECONDS:
            for _ in range(6):
                visit, number = await self.visit(), 10_000 + 2 * len(visits)
                encoder = ENCODERS[len(visits) % len(ENCODERS)]
                pair = [await visit.page.upload(photo(number + i), "photo.jpg") for i in range(2)]
                await visit.pressed(Ask("", "", None, encoder, 10).values(*pair))
                visits.append(visit)
            now = self.server.mb()
            if now - before < 10:
                break
            before = now
        return visits

    def check_rest(self) -> None:
        """Compare all results with the library's, once the load is over: embedding here would take from the server."""
        self.checked += len(self.unchecked)
        for ask, shown in self.unchecked:
            self.ledger.wrong += [f"{ask}: {complaint}" for complaint in self.oracle.complaints(ask, shown)]
        self.unchecked.clear()

    async def drained(self) -> Verdict:
        """Whether nothing is left in the server's queue."""
        promise = "after the load the queue is empty"
        for _ in range(60):
            answer = await self.http.get("/health")
            if answer.status_code != 200 or "runs" not in answer.text:
                return await self._let_in(promise)
            counts = answer.json()
            if not counts["runs"] and not counts["events"]:
                return Verdict(promise, "0 runs, 0 events wait", True)
            await asyncio.sleep(0.5)
        return Verdict(promise, f"{counts['runs']} runs and {counts['events']} events wait", False)

    async def _let_in(self, promise: str) -> Verdict:
        """Without a word from the server: whether a newcomer's run begins at once."""
        visit = await self.visit()
        run = await visit.run(Ask("cat.jpg", None, "a cat", "conse-lite0", 10))
        await visit.page.close()
        waited = run.started - run.joined if run is not None and run.started is not None else float("inf")
        return Verdict(promise, f"a newcomer's run began after {waited:.1f} s", waited < 5)


@dataclass
class Visit:
    """Somebody with the page open, and the files uploaded there."""

    crowd: Crowd
    page: Page
    uploaded: dict[str, Any] = field(default_factory=dict)

    async def file(self, name: str | None) -> Any:
        """A picture, uploaded once."""
        if name is None:
            return None
        if name not in self.uploaded:
            self.uploaded[name] = await self.page.upload(self.crowd.files[name], name)
        return self.uploaded[name]

    async def values(self, ask: Ask) -> dict[str, Any]:
        return ask.values(await self.file(ask.picture), await self.file(ask.reference))

    async def press(self, values: dict[str, Any]) -> Event:
        """Press Run; the event that waits for the network.

        Raises:
            Refused: It was not taken.
        """
        events = await self.page.press("run", "click", values)
        return next(event for event in events if event.number in self.crowd.ledger.lane)

    async def pressed(self, values: dict[str, Any]) -> Event | None:
        """Press Run and await its end; None where it did not come."""
        event = await self.press(values)
        try:
            await asyncio.wait_for(event.done.wait(), LOST_SECONDS)
        except TimeoutError:
            self.crowd.ledger.problem(f"a run had no end after {LOST_SECONDS} s")
            return None
        return event

    async def run(self, ask: Ask) -> Event | None:
        """Ask, await the answer and compare it; None where there was none."""
        ledger, began = self.crowd.ledger, time.monotonic()
        try:
            event = await self.pressed(await self.values(ask))
        except Refused as refused:
            ledger.problem(f"a good question was refused: {refused}")
            return None
        if event is None:
            return None
        if event.error is not None:
            ledger.problem(f"a good question failed: {event.error[:100]}")
            return None
        ledger.time("run", time.monotonic() - began)
        if event.first_row is not None:
            ledger.time("first row", event.first_row - began)
        shown = event.shown.get("instrument", {})
        self.crowd.unchecked.append((ask, _kept(shown)))
        return event

    async def leave(self) -> None:
        """Close the page once everything there has ended; what has no end is lost."""
        if not self.page.closed:
            try:
                await asyncio.wait_for(self.page.settle(), LOST_SECONDS)
            except TimeoutError:
                self.crowd.ledger.problem(f"a page still waited for an answer after {LOST_SECONDS} s")
            await self.page.close()

    async def stop(self, running: Event, values: dict[str, Any]) -> None:
        """Press Stop; the time until its words are there is noted."""
        began, begun = time.monotonic(), running.started is not None and running.ended is None
        if running.done.is_set():
            return
        if begun:
            self.crowd.ledger.freed()
        events = await self.page.stop("stop", running, values)
        self.crowd.ledger.time("cancel acknowledged", time.monotonic() - began)
        for event in events:
            if event.error is not None:
                self.crowd.ledger.problem(f"Stop failed: {event.error[:100]}")


def growth(uses: list[Use], began: float, ended: float) -> tuple[float, float, float]:
    """MB at the start, once warm, and at the end; and how much it grew."""
    minute = min(60.0, (ended - began) / 5)
    warm = min(120.0, 0.3 * (ended - began))
    first = [use.mb for use in uses if began + warm <= use.at < began + warm + minute]
    last = [use.mb for use in uses if ended - minute <= use.at < ended]
    before, after = share(first, 0.5), share(last, 0.5)
    return before, after, after - before


def _kept(shown: dict[str, Any]) -> dict[str, Any]:
    """A result without its pictures, which are large and not compared."""
    result = shown.get("result")
    return shown if result is None else shown | {"result": result | {"picture": None, "reference": None}}


def _lane(layout: Layout) -> set[int]:
    """The number of the run behind the Run button."""
    ended = layout.cancelled_by("stop", "click")
    return {event["id"] for event in layout.started_by("run", "click") if event["id"] in ended}


__all__ = ["MB", "Crowd", "Verdict", "Visit", "growth"]
