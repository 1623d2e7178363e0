"""The Sweeps tab: one setting varied over small maps, and a cheap look at ``p_keep`` before a long run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from explorer.core.errors import ExplorerError, InvalidInput
from explorer.core.limits import P_KEEP
from explorer.core.rank import rank_against
from explorer.core.selections import SelectionSettings
from explorer.results.export import SweepMap, export_sweep
from explorer.studies.sweeps import SWEEPS, Sweep
from explorer.ui.components import Look, component, look, status_line
from explorer.ui.controls import Values
from explorer.ui.failures import told, told_stepwise
from explorer.ui.jobs import stream
from explorer.ui.memory.temp_folder import keep_export
from explorer.ui.page import LIGHT, QUIET, SESSION_SECONDS, Page
from explorer.ui.session import RunRequest
from explorer.ui.status import Step, status_panel, turn_panel
from explorer.ui.tabs.events import TabEvents, named, press_of
from explorer.ui.tabs.evidence.evidence import subject_of
from explorer.ui.tabs.explore.handlers import Handlers
from explorer.ui.tabs.share.layout import FILES
from explorer.ui.tabs.sweeps.run import (
    COSTLY,
    PILOT,
    SLOTS,
    Kept,
    SweepPlan,
    SweepRun,
    Swept,
    costly_tiles,
    pair,
    price,
)

PILOT_ABOUT = (
    "Five values of the share kept with few masks each, before a long run: which map repeats, which carries no signal, "
    "and whether low and middle ones tell two stories. The paper's section 5.2.2."
)
SAVE = "() => setTimeout(() => document.querySelector('#sweep-zip')?.click(), 300)"
MOVED = "() => { dispatchEvent(new Event('costly-moved')); }"
"""Tells the choice, if it is on the page, that the prices may be others now."""


@dataclass(frozen=True, eq=False)
class Widgets:
    """The tab's own components; ``job`` holds the page's ``Swept``.

    Attributes:
        choice: The sweeps with their prices, Run and Stop.
        grid: The maps.
        file: Their ZIP, once it is made.
    """

    choice: gr.HTML
    status: gr.HTML
    grid: gr.HTML
    file: gr.DownloadButton
    job: gr.State


def sweeps_tab(page: Page, handlers: Handlers) -> Any:
    """Lay the tab out, wire it, and return the run that a tile starts, which Stop must know."""
    listed = [
        {"key": key, "title": s.title, "about": s.about, "free": s.free, "own": _own(s)} for key, s in SWEEPS.items()
    ]
    listed.append({"key": PILOT, "title": f"{P_KEEP.title}, pilot", "about": PILOT_ABOUT, "free": False, "own": None})
    choice = component("sweep", events=("priced", "swept", "stopped"), sweeps=listed, prices=None)
    status = status_line("sweep-status")
    empty = dict.fromkeys(("plan", "ended", "loaded", "now", *SLOTS))
    grid = component("sweep-grid", events=("picked", "exported"), slots=list(SLOTS), **empty)
    file = gr.DownloadButton("Save again", visible=False, size="sm", elem_id="sweep-zip")
    widgets = Widgets(choice, status, grid, file, gr.State(Swept(), time_to_live=SESSION_SECONDS))
    return _wire(Sweeping(page, widgets), page, handlers, widgets)


def _gone() -> InvalidInput:
    return InvalidInput("This sweep is no longer known here; run it again.", code="sweep_gone")


def _own(sweep: Sweep) -> dict[str, Any] | None:
    """For the browser, which values of one's own a sweep takes."""
    if sweep.own is None:
        return None
    return {"low": sweep.own.low, "high": sweep.own.app_high, "whole": sweep.own.whole, "most": sweep.most}


def _wire(sweeping: Sweeping, page: Page, handlers: Handlers, widgets: Widgets) -> Any:
    """Prices and loading are light; a sweep waits for its turn, and has its own Stop."""
    everything, c, shown = page.everything() | {widgets.job}, page.controls, [widgets.status, widgets.grid]
    priced: dict[str, Any] = {"inputs": everything, "outputs": [widgets.choice, widgets.grid], **LIGHT}
    widgets.choice.priced(sweeping.price_own, **priced)
    each = LIGHT | {"trigger_mode": "multiple"}  # a click that Gradio postpones comes with the data of the one before
    # Not the price itself: what is sent to a component in a tab never opened takes the place of all its properties.
    gr.on([control.change for control in c.costly()], None, js=MOVED, **QUIET)
    # Before the run, or it would wait for it.
    widgets.choice.swept(sweeping.turn, everything, [widgets.status, widgets.job], **each)
    lane = page.queued() | {"show_progress_on": widgets.status, "trigger_mode": "multiple"}
    running = widgets.choice.swept(sweeping.run, everything, shown, **lane)
    stopped = widgets.choice.stopped(sweeping.stop, {page.session, widgets.job}, [widgets.status], **each)
    page.after_stop.append((sweeping.called_off, {page.session, widgets.job}, [widgets.status]))
    page.after_stop.append((sweeping.price, everything, [widgets.choice, widgets.grid]))
    for over in (running.then, running.failure, stopped.then):  # then leaves failures out
        over(sweeping.price, **priced)
    places = [c.n_masks, c.p_keep, c.feature_res, c.seed, c.until, widgets.grid]
    saved = widgets.grid.exported(sweeping.export, everything, [widgets.file], **FILES)
    saved.success(None, js=SAVE, **QUIET)
    loaded = widgets.grid.picked(sweeping.load, everything, places, **each)
    return loaded.success(handlers.run, page.everything(), [page.status, page.view], **page.queued())


class Sweeping(TabEvents[Widgets, Swept]):
    """The events of the tab."""

    @told
    def price_own(self, values: Values, event: gr.EventData) -> tuple[Any, Any]:
        """The same with the visitor's own values, which are kept."""
        self._job(values).values = named(named(event._data).get("values"))
        return self.price(values)

    @told
    def price(self, values: Values) -> tuple[Any, Any]:
        """What each costly sweep needs of the network, as the controls stand now."""
        swept = self._job(values)
        over = 0 if swept.running else swept.over  # one that was stopped embeds its last batch yet
        try:
            question = self._question(values)
        except ExplorerError as error:
            return gr.update(prices={"why": str(error), "over": over}), gr.update(now=None)
        prices = {key: self._price(swept, key, question) for key in COSTLY}
        return gr.update(prices={"of": prices, "over": over}), gr.update(now=question.masking.to_dict())

    def _question(self, values: Values) -> RunRequest:
        """The question without its reference, which no mask depends on."""
        c = self._page.controls
        if not values[c.picture]:
            raise InvalidInput("Add an image first.", code="picture_missing")
        picture, masking = c.pictures.open(values[c.picture]), c.masking(values)
        return RunRequest(picture, None, None, *c.network(values), masking)

    def _price(self, swept: Swept, key: str, question: RunRequest) -> dict[str, Any]:
        try:
            tiles = costly_tiles(key, question.masking, SelectionSettings(), swept.values.get(key))
        except InvalidInput as error:
            return {"why": str(error)}
        passes = price(tiles, question, self._probes)
        seconds = self._probes.seconds(question.encoder, question.precision, passes)
        return {"maps": len(tiles), "masks": tiles[0].masking.n_masks, "passes": passes, "seconds": seconds}

    @told
    def turn(self, values: Values, event: gr.EventData) -> tuple[Any, Swept]:
        """Say whose turn it is; what is swept goes back for its time to live, as in ``Handlers.queue``."""
        swept, data = self._job(values), named(event._data)
        if swept.late(press := press_of(data)):
            return gr.skip(), swept
        try:
            seconds = self._price(swept, str(data.get("sweep")), self._question(values)).get("seconds")
        except ExplorerError:
            return gr.skip(), swept  # the sweep itself says what is wrong
        turn = self._probes.turn(swept, seconds, press)
        if turn is None:
            return gr.skip(), swept
        return turn_panel(*turn) if turn[0] else status_panel(Step("Starting …")), swept

    @told_stepwise
    def run(self, values: Values, event: gr.EventData) -> Iterator[tuple[Any, Any]]:
        """Run a sweep tile by tile, sending each as soon as it is finished."""
        swept, data = self._job(values), named(event._data)
        work = SweepRun(lambda: self._plan(values, data), swept, self._probes)
        yield from stream(work, swept, self._probes, press_of(data))

    def _plan(self, values: Values, data: dict[str, Any]) -> SweepPlan:
        key, question = data.get("sweep"), self._page.controls.question(values)
        tiles = costly_tiles(key, question.masking, look(values[self._page.view]).selection, data.get("values"))
        return SweepPlan(str(key), question, tiles)

    @told
    def stop(self, values: Values, event: gr.EventData) -> Any:
        """End what was begun; a sweep that is running says so itself, after its last batch."""
        swept, press = self._job(values), press_of(named(event._data))
        waited = press > swept.over
        self._probes.stop(swept, self._session(values), press)
        if swept.running:
            return gr.skip()
        return status_panel(Step("Stopped before it began." if waited else "Nothing is being swept."))

    @told
    def load(self, values: Values, event: gr.EventData) -> list[Any]:
        """Set the controls to a tile's settings, and let the browser show its result."""
        data = named(event._data)
        (kept, _), i = self._kept(values, data), data.get("tile")
        if not isinstance(i, int) or not 0 <= i < len(kept.tiles):
            raise _gone()
        masking = kept.tiles[i].masking
        at = time.monotonic()  # so that the same twice is two wishes
        shown = {"key": data["sweep"], "stamp": kept.stamp, "tile": i, "at": at}
        return [masking.n_masks, masking.p_keep, masking.feature_res, masking.seed, False, gr.update(loaded=shown)]

    def _kept(self, values: Values, data: dict[str, Any]) -> tuple[Kept, RunRequest]:
        """A costly sweep that was run, and its question, whose pictures the controls still have.

        Raises:
            InvalidInput: It is not known, or they have others by now.
        """
        kept = self._job(values).kept.get(str(data.get("sweep")))
        if kept is None or kept.stamp != data.get("stamp"):
            raise _gone()
        question = self._page.controls.question(values)
        if pair(question) != kept.pair:
            raise InvalidInput(
                "The pictures, the caption or the encoder have changed since this sweep; run it again with them.",
                code="sweep_changed",
            )
        return kept, question

    @told
    def export(self, values: Values, event: gr.EventData) -> Any:
        """The maps on screen, with a table of their settings, as a ZIP to save."""
        data = named(event._data)
        key, seen = data.get("sweep"), look(values[self._page.view])
        free = key in SWEEPS and SWEEPS[str(key)].free
        maps = self._free(SWEEPS[str(key)], values, data, seen) if free else self._costly(values, data, seen)
        if not maps:
            raise _gone()
        title = SWEEPS[str(key)].title if key in SWEEPS else "p_keep pilot"
        path, count = keep_export(export_sweep(maps)), f"{len(maps)} map{'s' * (len(maps) > 1)}"
        return gr.update(label=f"Save again: {title}, {count}", value=str(path), visible=True)

    def _free(self, sweep: Sweep, values: Values, data: dict[str, Any], seen: Look) -> list[SweepMap]:
        masking = subject_of(self._session(values), seen).request.masking
        tiles = sweep.over(data.get("values"), masking, seen.selection, app=True)
        subjects = [subject_of(self._session(values), replace(seen, selection=tile.selection)) for tile in tiles]
        return [
            SweepMap(tile.title, tile.row, subject.explanation, subject.recipe)
            for tile, subject in zip(tiles, subjects, strict=True)
        ]

    def _costly(self, values: Values, data: dict[str, Any], seen: Look) -> list[SweepMap]:
        """Those whose masks are all embedded, and still here; tiles without a selection of their own as looked at."""
        kept, question = self._kept(values, data)
        found, target = list[SweepMap](), None
        for tile in kept.tiles:
            asked = replace(question, masking=tile.masking, until=None)
            if (probe := self._probes.complete(asked)) is None:
                continue
            target = target or self._probes.embed_target(probe.encoder, asked.reference, asked.caption)
            selection = tile.selection if data.get("sweep") == PILOT else seen.selection
            explanation = rank_against(probe, target, selection)
            found.append(SweepMap(tile.title, tile.row, explanation, asked.recipe(len(probe), selection)))
        return found
