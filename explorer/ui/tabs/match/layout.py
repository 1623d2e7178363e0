"""The Match tab: which part of the one goes with which part of the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer.pictures.examples import shipped_presets
from explorer.results.match_wire import match_of
from explorer.ui.components import component, status_line
from explorer.ui.controls import Values
from explorer.ui.failures import told
from explorer.ui.page import LIGHT, SESSION_SECONDS, Page
from explorer.ui.session import on_screen
from explorer.ui.status import Step
from explorer.ui.tabs.events import MaskEvents
from explorer.ui.tabs.explore.handlers import Handlers
from explorer.ui.tabs.match.run import Matching, missing

MATCH = "Match the two"
ABOUT = (
    "Which part of the one goes with which part of the other? Point at a part of either, tap it, drag a box or use the "
    "arrow keys: what it goes with lights up in the other."
)


@dataclass(frozen=True, eq=False)
class Widgets:
    """The tab's own components; ``job`` holds the page's ``Matching``, whose button says what it costs."""

    run: gr.Button
    status: gr.HTML
    view: gr.HTML
    job: gr.State


def match_tab(page: Page, handlers: Handlers) -> None:
    """Lay the tab out and wire it."""
    gr.HTML(f"<h2>Match</h2><p>{ABOUT}</p>", elem_classes="match-title")
    shipped = [preset.key for preset in shipped_presets() if match_of(preset.key)]
    view = component("match", events=("shown",), match=None, shipped=shipped)
    run = gr.Button(MATCH, elem_id="match-run")
    status = status_line("match-status")
    widgets = Widgets(run, status, view, gr.State(Matching(), time_to_live=SESSION_SECONDS))
    events, session = MatchEvents(page, widgets), page.session
    running = events.wire([run.click], {session, widgets.job}, [status, view])
    running.then(events.price, {session}, [run], **LIGHT)
    view.shown(events.price, {session}, [run], **LIGHT)


class MatchEvents(MaskEvents[Widgets, Matching]):
    """The events of the tab."""

    every = 1.0

    def steps(self, values: Values, job: Matching) -> Iterator[Step]:
        """Match the two things on screen."""
        yield from job.steps(self._session(values), self._probes)

    def news(self, job: Matching) -> Any:
        """The match, once it is there."""
        return gr.skip() if job.found is None else gr.update(match=job.found)

    def seconds(self, values: Values) -> float | None:
        """Of what is missing; words, which take little, are left out."""
        session = self._session(values)
        if session.shown() is None:  # the run itself says what is wrong
            return None
        shown = on_screen(session)
        return self._probes.seconds(shown.encoder, shown.precision, missing(session, self._probes))

    @told
    def price(self, values: Values) -> Any:
        """Put what a match costs on its button, which is out of the way where the example brings one."""
        session = self._session(values)
        if session.shown() is None:
            return gr.skip()
        count, seconds = missing(session, self._probes), self.seconds(values)
        price = "" if not count or seconds is None else f", about {max(1.0, seconds):.0f} s"
        label = f"{MATCH}: {count} masks{price}" if count else MATCH
        shipped = session.replay is not None and match_of(session.replay) is not None
        return gr.update(value=label, visible=not shipped)
