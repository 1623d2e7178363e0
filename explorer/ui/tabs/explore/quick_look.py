"""A quick look: the same question, stopped after few masks; Run goes on from there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from explorer.core.probe import enlarge
from explorer.ui.controls import Values
from explorer.ui.failures import told, told_stepwise
from explorer.ui.page import LIGHT, Page
from explorer.ui.session import Session
from explorer.ui.status import Step
from explorer.ui.tabs.explore.handlers import Handlers

FEW = 100
LABEL = f"Quick look: {FEW} masks"


def quick_look(page: Page, handlers: Handlers, button: gr.Button) -> Any:
    """Wire the button, which says its price, and return its run, which Stop must know."""
    looking, everything, c = QuickLook(page, handlers), page.everything(), page.controls
    button.click(looking.queue, everything, [page.status, page.session], **LIGHT)  # before the run, as for Run
    running = button.click(looking.run, everything, [page.status, page.view], **page.queued())
    priced: list[Any] = [c.encoder.change, c.precision.change, running.then]
    for event in priced:
        event(looking.price, {c.encoder, c.precision}, [button], **LIGHT)
    return running


class QuickLook:
    """The events of the button."""

    def __init__(self, page: Page, handlers: Handlers) -> None:
        self._page, self._handlers = page, handlers

    def _few(self, values: Values) -> Values:
        c = self._page.controls
        asked = values[c.n_masks]  # anything, where a page was not asked by a browser
        few = asked if isinstance(asked, int | float) and asked < FEW else FEW
        return {**values, c.n_masks: few, c.until: False}

    @told
    def queue(self, values: Values) -> tuple[Any, Session]:
        """As ``Handlers.queue``."""
        return self._handlers.queue(self._few(values))

    @told_stepwise
    def run(self, values: Values) -> Iterator[tuple[Any, Any]]:
        """As ``Handlers.run``."""
        yield from self._handlers.show(values, self._steps(values))

    def _steps(self, values: Values) -> Iterator[Step]:
        """Those of few masks; what they leave is what Stop would have left of the whole run."""
        question, session = self._page.controls.question(values), self._handlers.session(values)
        wanted, turn = question.masking.n_masks, session.turn()
        for step in self._handlers.steps(self._few(values)):
            result = session.result
            if not step.final or result is None or wanted <= step.done:
                yield step
                continue
            session.change(turn, question=question, probe=enlarge(result.probe, wanted))
            yield replace(step, wanted=wanted)

    @told
    def price(self, values: Values) -> Any:
        """Put what it costs on the button, where that is known."""
        seconds = self._page.probes.seconds(*self._page.controls.network(values), FEW)
        return gr.update(value=LABEL if seconds is None else f"{LABEL}, about {max(1.0, seconds):.0f} s")
