"""The Evidence tab: is the map on screen faithful, stable, and about the model? Each answer has its price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer.core.errors import ExplorerError, InvalidInput
from explorer.ui.components import component, look
from explorer.ui.controls import Values
from explorer.ui.failures import broken_off, noted, told, told_stepwise
from explorer.ui.jobs import Job
from explorer.ui.methods_menu import offers
from explorer.ui.page import LIGHT, SESSION_SECONDS, Page
from explorer.ui.tabs.evidence.answer import Evidence, Subject, subject_of
from explorer.ui.tabs.evidence.kinds import KINDS
from explorer.ui.tabs.evidence.run import Ledger, Trial, line
from explorer.ui.tabs.explore.run import Handlers

Kinds = Mapping[str, type[Evidence]]
INTRO = (
    "<h2>Evidence</h2><p>A map nobody can check is decoration. Each question here puts the map to a test of its own; "
    "none of them can prove a map right, and each can show that it is wrong.</p>"
)


@dataclass(frozen=True, eq=False)
class Widgets:
    """The tab's own components.

    Attributes:
        view: The map on screen and the questions, with their answers.
        presses: Holds the page's ``Job`` here.
    """

    view: gr.HTML
    presses: gr.State


def evidence_tab(page: Page, handlers: Handlers) -> None:
    """Lay the tab out and wire it."""
    gr.HTML(INTRO, elem_classes="evidence-title")
    judging_view("evidence", KINDS, page, handlers, **offers())


def judging_view(name: str, kinds: Kinds, page: Page, handlers: Handlers, **props: Any) -> None:
    """A view of questions that can be put to the map on screen, wired.

    Args:
        name: The module of ``browser/`` that shows them.
        kinds: The questions, by key.
        page: What they act on.
        handlers: The main screen's, which know the session.
        props: What else the module is given.
    """
    empty = dict.fromkeys(("prices", "slow_prices", "progress", "over", *kinds))
    wires = [kind.wire() for kind in kinds.values()]
    view = component(name, events=("priced", "weighed", "ran", "stopped"), kinds=wires, **empty, **props)
    widgets = Widgets(view, gr.State(Job(), time_to_live=SESSION_SECONDS))
    _wire(Judging(page, handlers, widgets, kinds), page, widgets)


def _wire(judging: Judging, page: Page, widgets: Widgets) -> None:
    """Prices and Stop are light; a judgement waits for its turn as a run does."""
    whose: set[Any] = {page.session, widgets.presses}
    asked = whose | {page.view}
    # Each event by itself: one that Gradio puts off comes with the data of the one before.
    light = LIGHT | {"trigger_mode": "multiple"}
    priced: dict[str, Any] = {"inputs": asked, "outputs": [widgets.view], **light}
    widgets.view.priced(judging.price, **priced)
    widgets.view.weighed(judging.price_slow, **priced)
    widgets.view.ran(judging.turn, asked, [widgets.view], **light)  # before the run, or it would wait for it
    lane = page.queued() | {"show_progress": "hidden", "trigger_mode": "multiple"}  # each card shows its own
    running = widgets.view.ran(judging.run, asked, [widgets.view], **lane)
    stopped = widgets.view.stopped(judging.stop, whose, None, **light)
    for over in (running.then, running.failure, stopped.then):  # then leaves failures out
        over(judging.over, whose, [widgets.view], **LIGHT)


class Judging:
    """The events of the tab.

    Args:
        page: What they act on.
        handlers: The main screen's, which know the session.
        widgets: The tab's own components.
        kinds: What can be asked, by key.
    """

    def __init__(self, page: Page, handlers: Handlers, widgets: Widgets, kinds: Kinds) -> None:
        self._page, self._handlers, self._widgets, self._kinds = page, handlers, widgets, kinds
        self._probes, self._ledger = page.probes, Ledger(page.probes)

    def _presses(self, values: Values) -> Job:
        return self._handlers.session(values).knows(values[self._widgets.presses])  # type: ignore[no-any-return]

    def _subject(self, values: Values) -> Subject:
        return subject_of(self._handlers.session(values), look(values[self._page.view]))

    @told
    def price(self, values: Values, event: gr.EventData) -> Any:
        """What each piece of evidence needs of the network, for the map on screen and the settings of its card."""
        return gr.update(prices=self._prices(values, event, slow=False))

    @told
    def price_slow(self, values: Values, event: gr.EventData) -> Any:
        """The same for what takes seconds to tell, so that the others need not wait for it."""
        return gr.update(slow_prices=self._prices(values, event, slow=True))

    def _prices(self, values: Values, event: gr.EventData, *, slow: bool) -> dict[str, Any]:
        kinds = {key: kind for key, kind in self._kinds.items() if kind.slow == slow}
        data = _named(event._data)
        try:
            subject, options = self._subject(values), _named(data.get("options"))
        except ExplorerError as error:
            of = {key: {"why": str(error)} for key in kinds}
        else:
            of = {key: self._price(kind, subject, options.get(key)) for key, kind in kinds.items()}
        return {"ask": data.get("ask"), "of": of}

    def _price(self, kind: type[Evidence], subject: Subject, options: object) -> dict[str, Any]:
        try:
            evidence = kind(subject, _named(options))
            if self._ledger.known(evidence):
                return {"known": True}
            passes = evidence.passes()
        except ExplorerError as error:
            return {"why": str(error)}
        return {"passes": passes, "seconds": self._ledger.seconds(evidence, passes)}

    @told
    def turn(self, values: Values, event: gr.EventData) -> Any:
        """Say whose turn it is, when it is not the visitor's yet."""
        data = _named(event._data)
        turn = self._probes.turn(self._presses(values), None, press := _press(data))
        if turn is None or not turn[0]:
            return gr.skip()
        runs, seconds = turn
        others = "1 run comes" if runs == 1 else f"{runs} runs come"
        said = f"{others} first, about {seconds:.0f} s. Stop takes yours out of the queue."
        return gr.update(progress=line(str(data.get("kind")), press, said))

    @told_stepwise
    def run(self, values: Values, event: gr.EventData) -> Iterator[Any]:
        """Work out a piece of evidence, sending what there is as it comes."""
        presses, data = self._presses(values), _named(event._data)
        press, key = _press(data), str(data.get("kind"))
        yield gr.skip()  # Gradio blanks what never is yielded
        if not presses.begin(press):  # stopped while it waited for its turn
            return
        trial = None
        try:
            self._ledger.check_open()
            trial = Trial(self._asked(values, key, data), press, self._ledger, lambda: press <= presses.over)
            for news in trial.news():
                self._probes.waiting.expect(presses, trial.left)
                yield gr.update(**news)
        except Exception as error:
            if trial is None:
                yield gr.update(progress=line(key, press, broken_off("", error, ""), rest=True))
            else:
                for news in trial.broken(error):
                    yield gr.update(**news)
            raise noted(error) from error
        finally:
            presses.end()
            self._probes.waiting.done(presses)

    def _asked(self, values: Values, key: str, data: dict[str, Any]) -> Evidence:
        if key not in self._kinds:
            raise InvalidInput(f"Unknown evidence; choose one of: {', '.join(self._kinds)}.", code="unknown_evidence")
        return self._kinds[key](self._subject(values), _named(data.get("options")))

    @told
    def stop(self, values: Values, event: gr.EventData) -> None:
        """End what was begun; what is running says so itself, after its last batch."""
        self._probes.stop(self._presses(values), self._handlers.session(values), _press(_named(event._data)))

    @told
    def over(self, values: Values) -> Any:
        """Tell the browser which press has come to its end."""
        presses = self._presses(values)
        return gr.skip() if presses.running else gr.update(over=presses.over)


def _named(data: Any) -> dict[str, Any]:
    """What a page sent by name; anyone can send anything."""
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise InvalidInput("The choice could not be read; reload the page.", code="evidence_data")
    return data


def _press(data: dict[str, Any]) -> int:
    """Which press of a button is meant."""
    press = data.get("press")
    if type(press) is not int:
        raise InvalidInput("The choice could not be read; reload the page.", code="evidence_data")
    return press
