"""What each event of the Explore tab does: read the controls, make one call, paint."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from ..caps import N_MASKS
from ..encoders.cards import find_card
from ..errors import ExplorerError
from ..images import as_picture
from ..presets import asset_path, presets
from ..registry import CARDS
from . import panels
from .controls import CAPTION, PICTURE, Controls, Values
from .guard import told, told_stepwise
from .svg import histogram_panel
from .workbench import Session, Step, Workbench

SECONDS_BETWEEN_PAINTS = 0.8
SECONDS_BETWEEN_WORDS = 0.25
"""More often would spend on drawing, here and in the browser, what the masks need."""


@dataclass(frozen=True, eq=False)
class Screen:
    """The places results are painted in, in the order handlers return them."""

    status: gr.HTML
    pair: gr.HTML
    maps: gr.HTML
    histogram: gr.HTML
    sheet: gr.HTML
    notices: gr.HTML

    def places(self) -> list[gr.HTML]:
        """All of them."""
        return [getattr(self, field.name) for field in fields(self)]

    def only_status(self, text: str) -> tuple[Any, ...]:
        """A new status, everything else as it is."""
        return (text, *[gr.skip()] * (len(fields(self)) - 1))


class Handlers:
    """The events of one tab.

    Args:
        workbench: Does the work.
        controls: Where the question is read from.
        screen: Where the answer is painted.
        session: Holds the page's ``Session``.
        preset: The example chosen.
    """

    def __init__(
        self, workbench: Workbench, controls: Controls, screen: Screen, session: gr.State, preset: gr.Dropdown
    ) -> None:
        self._workbench, self._controls, self._screen = workbench, controls, screen
        self._session, self._preset = session, preset

    @told_stepwise
    def run(self, values: Values) -> Iterator[tuple[Any, ...]]:
        """Embed what is missing, painting as it goes."""
        session: Session = values[self._session]
        question = self._controls.question(values)
        session.stopping, session.asked = False, self._controls.asked(values)
        painted = spoken = 0.0
        try:
            for step in self._workbench.run(question, session):
                if session.ended():
                    return
                finished, now = bool(step.wanted) and step.done == step.wanted, time.monotonic()
                if finished or (not step.text and now - painted >= SECONDS_BETWEEN_PAINTS):
                    shown = _painted(session, panels.status_panel(step))
                    if session.ended():  # pressed while painting
                        return
                    yield shown
                    painted = spoken = time.monotonic()
                elif step.text or now - spoken >= SECONDS_BETWEEN_WORDS:
                    yield self._screen.only_status(panels.status_panel(step))
                    spoken = time.monotonic()
        except ExplorerError:
            yield self._screen.only_status(panels.status_panel(Step("That could not be run; see the message.")))
            raise

    @told
    def select(self, values: Values) -> tuple[Any, ...]:
        """Rank the probe again with other free settings."""
        session: Session = values[self._session]
        session.selection = self._controls.selection(values)
        return _painted(session, gr.skip())

    @told
    def compare(self, values: Values) -> tuple[Any, ...]:
        """Rank the probe against another reference; only the reference is embedded."""
        session: Session = values[self._session]
        reference = self._controls.reference_of(values)
        if session.probe is None or reference is None:
            return self._screen.only_status(gr.skip())
        if values[self._controls.encoder] != session.probe.encoder.card.key:
            return self._screen.only_status(self.stale(values))
        session.target = self._workbench.embed_target(session.probe.encoder, *reference)
        return _painted(session, gr.skip())

    def stale(self, values: Values) -> Any:
        """Say that a costly setting moved and what is on screen belongs to the last run."""
        session: Session = values[self._session]
        if session.probe is None or session.asked == self._controls.asked(values):
            return gr.skip()  # answered late, it must not talk over the run that has begun since
        return panels.status_panel(Step("Changed since the last run, which the maps still show. Press Run."))

    def stop(self, values: Values) -> Any:
        """End the run and say what is kept."""
        session: Session = values[self._session]
        session.stopping, probe = True, session.probe
        if probe is None or probe.complete:
            return gr.skip()
        return panels.status_panel(Step(f"Stopped at {len(probe)} of {probe.wanted} masks; Run goes on from here."))

    @told
    def apply_preset(self, values: Values) -> list[Any]:
        """Set the controls to a preset."""
        preset = next(p for p in presets() if p.key == values[self._preset])
        by_caption = preset.caption is not None
        reference = None if preset.reference is None else as_picture(asset_path(preset.reference)).pixels
        return [
            preset.story,
            as_picture(asset_path(preset.image)).pixels,
            CAPTION if by_caption else PICTURE,
            gr.update(value=reference, visible=not by_caption),
            gr.update(value=preset.caption or "", visible=by_caption),
            preset.encoder,
        ]

    def choose_kind(self, values: Values) -> list[Any]:
        """Show the input for the chosen kind of reference, and an encoder that can read it."""
        by_caption = values[self._controls.kind] == CAPTION
        encoder = values[self._controls.encoder]
        if by_caption and not find_card(encoder).captions:
            encoder = next(key for key, card in CARDS.items() if card.captions and card.offline)
        return [gr.update(visible=not by_caption), gr.update(visible=by_caption), encoder]

    def choose_encoder(self, values: Values) -> list[Any]:
        """Go back to a picture as reference where the encoder cannot read captions."""
        by_caption = values[self._controls.kind] == CAPTION and find_card(values[self._controls.encoder]).captions
        return [gr.update(visible=not by_caption), gr.update(visible=by_caption), CAPTION if by_caption else PICTURE]

    def price(self, values: Values) -> Any:
        """Put what a run costs on its button."""
        c = self._controls
        count = values[c.n_masks]
        if not isinstance(count, int | float) or not N_MASKS.low <= count <= N_MASKS.app_high:
            return gr.update(value="Run")
        seconds = self._workbench.seconds(values[c.encoder], values[c.precision], int(count))
        return gr.update(value=f"Run {int(count)} masks" + ("" if seconds is None else f", about {seconds:.0f} s"))


def _painted(session: Session, status: Any) -> tuple[Any, ...]:
    """Everything on the screen, from what the session knows."""
    maps = session.explanations()
    chosen = maps[session.selection.mode]
    return (
        status,
        panels.pair_panel(chosen),
        panels.maps_panel(maps, session.selection.mode),
        histogram_panel(chosen),
        panels.contact_sheet(chosen),
        panels.notices_panel(chosen),
    )
