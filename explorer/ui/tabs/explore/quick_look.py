"""A quick look: the same question with few masks, which a run then goes on from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from explorer.ui.components import look
from explorer.ui.controls import Values
from explorer.ui.failures import told
from explorer.ui.page import LIGHT, Page
from explorer.ui.status import Step
from explorer.ui.tabs.explore.handlers import Handlers

FEW = 100
LABEL = f"Quick look: {FEW} masks"


class QuickLook(Handlers):
    """The events of its button: those of Run, with few masks."""

    def wire(self, button: gr.Button) -> Any:
        """Wire the button, which says its price, and return its run, which Stop must know."""
        page, everything = self._page, self._page.everything()
        button.click(self.queue, everything, [page.status, page.session], **LIGHT)  # before the run, as for Run
        running = button.click(self.run, everything, [page.status, page.view], **page.queued())
        priced: list[Any] = [page.controls.encoder.change, page.controls.precision.change, running.then]
        for event in priced:
            event(self.quick_price, {page.controls.encoder, page.controls.precision}, [button], **LIGHT)
        return running

    @told
    def quick_price(self, values: Values) -> Any:
        """Put what it costs on the button, where that is known."""
        seconds = self._probes.seconds(*self._controls.network(values), FEW)
        return gr.update(value=LABEL if seconds is None else f"{LABEL}, about {max(1.0, seconds):.0f} s")

    def _steps(self, values: Values) -> Iterator[Step]:
        session, selection = self.session(values), look(values[self._page.view]).selection
        question = self._controls.question(values)
        session.changed = False
        wanted = question.masking.n_masks
        few = replace(question.masking, n_masks=min(FEW, wanted))
        yield from self._probes.run(replace(question, masking=few, until=None, of=wanted), session, selection)

    def _seconds(self, values: Values) -> float | None:
        return self._probes.seconds(*self._controls.network(values), FEW)


def quick_look(page: Page, preset: gr.HTML, story: gr.Markdown, button: gr.Button) -> Any:
    """Wire the button, and return its run."""
    return QuickLook(page, preset, story).wire(button)
