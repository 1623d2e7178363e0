"""The Evidence tab: is the map on screen faithful, stable, and about the model? Each answer has its price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer.attributions.method import METHODS
from explorer.core.errors import ExplorerError, InvalidInput
from explorer.core.steps import Work as Pieces
from explorer.ui.components import component, look
from explorer.ui.controls import Values
from explorer.ui.failures import noted, told, told_stepwise, words_of
from explorer.ui.jobs import Job, stream
from explorer.ui.methods_menu import offers
from explorer.ui.page import LIGHT, QUIET, SESSION_SECONDS, Page
from explorer.ui.slow_work import patiently
from explorer.ui.tabs.events import TabEvents, named, press_of
from explorer.ui.tabs.evidence.evidence import Evidence, Subject, subject_of
from explorer.ui.tabs.evidence.kinds import KINDS
from explorer.ui.tabs.evidence.trial import Ledger, Trial, line
from explorer.ui.tabs.explore.handlers import Handlers

Kinds = Mapping[str, type[Evidence]]
WEIGHING: dict[str, Any] = QUIET | {"concurrency_id": "weighing", "concurrency_limit": 1, "trigger_mode": "multiple"}
"""Of prices for which an encoder is loaded: one by one, or each who asks again would have it loaded once more, and in
a lane of their own, or the light events would wait for it."""
INTRO = (
    "<h2>Evidence</h2><p>A map nobody can check is decoration. Each question here puts the map to a test of its own; "
    "none of them can prove a map right, and each can show that it is wrong.</p>"
)

UNPRICED = (ExplorerError, RuntimeError, ValueError, OSError, ImportError, MemoryError)
"""What loading a network, and taking it apart, may end in."""


@dataclass(frozen=True, eq=False)
class Widgets:
    """The tab's own components: the map on screen and the questions with their answers; the page's ``Job`` here."""

    view: gr.HTML
    job: gr.State


def evidence_tab(page: Page, handlers: Handlers) -> None:
    """Lay the tab out and wire it."""
    gr.HTML(INTRO, elem_classes="evidence-title")
    judging_view("evidence", KINDS, page, **offers())


def judging_view(name: str, kinds: Kinds, page: Page, **props: Any) -> None:
    """A view of questions that can be put to the map on screen, wired; ``name`` is the module that shows them."""
    empty = dict.fromkeys(("prices", "slow_prices", "progress", "over", *kinds))
    wires = [kind.wire() for kind in kinds.values()]
    view = component(name, events=("priced", "weighed", "ran", "stopped"), kinds=wires, **empty, **props)
    widgets = Widgets(view, gr.State(Job(), time_to_live=SESSION_SECONDS))
    _wire(Judging(page, widgets, kinds), page, widgets)


def _wire(judging: Judging, page: Page, widgets: Widgets) -> None:
    """Prices and Stop are light; a judgement waits for its turn as a run does."""
    whose: set[Any] = {page.session, widgets.job}
    asked = whose | {page.view}
    # Each event by itself: one that Gradio puts off comes with the data of the one before.
    light = LIGHT | {"trigger_mode": "multiple"}
    priced: dict[str, Any] = {"inputs": asked, "outputs": [widgets.view], **light}
    widgets.view.priced(judging.price, **priced)
    widgets.view.weighed(judging.price_slow, **priced | WEIGHING)
    widgets.view.ran(judging.turn, asked, [widgets.view], **light)  # before the run, or it would wait for it
    lane = page.queued() | {"show_progress": "hidden", "trigger_mode": "multiple"}  # each card shows its own
    running = widgets.view.ran(judging.run, asked, [widgets.view], **lane)
    stopped = widgets.view.stopped(judging.stop, whose, None, **light)
    page.after_stop.append((judging.over, whose, [widgets.view]))
    for over in (running.then, running.failure, stopped.then):  # then leaves failures out
        over(judging.over, whose, [widgets.view], **LIGHT)


class Judging(TabEvents[Widgets, Job]):
    """The events of the tab; ``kinds`` are what can be asked, by key."""

    def __init__(self, page: Page, widgets: Widgets, kinds: Kinds) -> None:
        super().__init__(page, widgets)
        self._kinds, self._ledger = kinds, Ledger(page.probes)

    def _subject(self, values: Values) -> Subject:
        return subject_of(self._session(values), look(values[self._page.view]))

    @told
    def price(self, values: Values, event: gr.EventData) -> Any:
        """What each piece of evidence needs of the network, for the map on screen and the settings of its card."""
        return gr.update(prices=self._prices(values, event, slow=False))

    @told_stepwise
    def price_slow(self, values: Values, event: gr.EventData) -> Iterator[Any]:
        """The same for what takes seconds to tell, so that the others need not wait for it."""
        prices = Pieces(patiently(lambda: self._prices(values, event, slow=True)))
        for _ in prices:
            yield gr.skip()
        yield gr.update(slow_prices=prices.result)

    def _prices(self, values: Values, event: gr.EventData, *, slow: bool) -> dict[str, Any]:
        data = named(event._data)
        options = named(data.get("options"))
        kinds = {key: kind for key, kind in self._kinds.items() if _looks_inside(kind, options.get(key)) == slow}
        of = {key: self._price(kind, values, options.get(key)) for key, kind in kinds.items()}
        return {"ask": data.get("ask"), "of": of}

    def _price(self, kind: type[Evidence], values: Values, options: object) -> dict[str, Any]:
        try:
            evidence = kind(self._subject(values), named(options))
            if self._ledger.known(evidence):
                return {"known": True}
            parts = evidence.parts()
        except UNPRICED as error:  # told beside the button, which would wait for its price for ever
            return {"why": words_of(noted(error))}
        return {"passes": sum(passes for _, passes in parts), "seconds": self._ledger.seconds(evidence, parts)}

    @told
    def turn(self, values: Values, event: gr.EventData) -> Any:
        """Say whose turn it is, when it is not the visitor's yet."""
        data = named(event._data)
        turn = self._probes.turn(self._job(values), None, press := press_of(data))
        if turn is None or not turn[0]:
            return gr.skip()
        runs, seconds = turn
        others = "1 run comes" if runs == 1 else f"{runs} runs come"
        said = f"{others} first, about {seconds:.0f} s. Stop takes yours out of the queue."
        return gr.update(progress=line(str(data.get("kind")), press, said))

    @told_stepwise
    def run(self, values: Values, event: gr.EventData) -> Iterator[Any]:
        """Work out a piece of evidence, sending what there is as it comes."""
        job, data = self._job(values), named(event._data)
        press, key = press_of(data), str(data.get("kind"))
        trial = Trial(lambda: self._asked(values, key, data), key, press, self._ledger)
        for _, view in stream(trial, job, self._probes, press):
            yield view

    def _asked(self, values: Values, key: str, data: dict[str, Any]) -> Evidence:
        if key not in self._kinds:
            raise InvalidInput(f"Unknown evidence; choose one of: {', '.join(self._kinds)}.", code="unknown_evidence")
        return self._kinds[key](self._subject(values), named(data.get("options")))

    @told
    def stop(self, values: Values, event: gr.EventData) -> None:
        """End what was begun; what is running says so itself, after its last batch."""
        self._probes.stop(self._job(values), self._session(values), press_of(named(event._data)))

    @told
    def over(self, values: Values) -> Any:
        """Tell the browser which press has come to its end."""
        job = self._job(values)
        return gr.skip() if job.running else gr.update(over=job.over)


def _looks_inside(kind: type[Evidence], options: object) -> bool:
    """Whether an encoder may have to be loaded to tell a price: for its layers, or a method that needs them."""
    method = options.get("method") if isinstance(options, dict) else None
    return kind.slow or (isinstance(method, str) and method in METHODS and bool(METHODS[method].needs))
