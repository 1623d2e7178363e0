"""The Explore tab: one picture, one reference, three maps. Layout and wiring."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ..presets import FIRST_PRESET, presets
from . import panels
from .controls import Controls, lay_out_controls
from .handlers import Handlers, Screen
from .workbench import Session, Step, Workbench

INTRO = """# Distance Explorer
Why are these two things close, or far, in an embedding space? Hide random parts of the picture many times,
look at which copies land close to the reference and which far from it, and see **what they kept**:
<span class="closer">red regions bring the pair closer</span>, <span class="apart">blue ones push it apart</span>."""
CAVEATS = """**What these maps do not say.** They are about this encoder, not about the things. They depend on what
hidden pixels become and on chance: run another seed, or more masks, before believing a small spot.
They show where the distance comes from, not whether the distance is right."""
SESSION_SECONDS = 1800


def explore_tab(workbench: Workbench, demo: gr.Blocks) -> None:
    """Lay the tab out and wire it."""
    choices = presets()
    start = next(p for p in choices if p.key == FIRST_PRESET)
    session = gr.State(Session(), time_to_live=SESSION_SECONDS)
    gr.Markdown(INTRO, elem_id="intro")
    with gr.Row(elem_id="workspace"):
        with gr.Column(scale=1, min_width=320, elem_id="controls"):
            preset = gr.Dropdown(
                [(f"{p.question}: {p.title}", p.key) for p in choices],
                value=start.key,
                label="Start from an example",
                filterable=False,
                elem_id="preset",
            )
            story = gr.Markdown(start.story, elem_id="story")
            controls = lay_out_controls()
        with gr.Column(scale=2, min_width=340, elem_id="results"):
            with gr.Row(elem_id="actions"):
                run = gr.Button("Run", variant="primary", elem_id="run", scale=2)
                stop = gr.Button("Stop", elem_id="stop", scale=1, min_width=90)
            screen = _lay_out_screen()
    handlers = Handlers(workbench, controls, screen, session, preset)
    everything = controls.all() | {session}
    _wire_runs(handlers, demo, preset, story, controls, run, stop, screen, everything)
    _wire_selection(handlers, controls, screen, everything)
    _wire_hints(handlers, controls, screen, run, everything)


def _lay_out_screen() -> Screen:
    status = gr.HTML(panels.status_panel(Step("Preparing the first explanation …")), elem_id="status")
    notices = gr.HTML(elem_id="notices")
    pair = gr.HTML(elem_id="pair")
    maps = gr.HTML(elem_id="maps")
    gr.Markdown(CAVEATS, elem_id="caveats")
    histogram = gr.HTML(elem_id="histogram")
    sheet = gr.HTML(elem_id="sheet")
    return Screen(status, pair, maps, histogram, sheet, notices)


QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
HEAVY: dict[str, Any] = QUIET | {"concurrency_id": "model", "concurrency_limit": 1}
LIGHT: dict[str, Any] = QUIET | {"concurrency_id": "light", "concurrency_limit": 4, "trigger_mode": "always_last"}
"""Cheap events keep a lane of their own: behind a running probe they would wait for its end."""


def _wire_runs(
    handlers: Handlers,
    demo: gr.Blocks,
    preset: gr.Dropdown,
    story: gr.Markdown,
    controls: Controls,
    run: gr.Button,
    stop: gr.Button,
    screen: Screen,
    everything: set[Any],
) -> None:
    """Run, Stop, the examples, and the result that is there before the first click."""
    c = controls
    example = {"inputs": {preset}, "outputs": [story, c.picture, c.kind, c.reference, c.caption, c.encoder], **QUIET}
    answer = {"inputs": everything, "outputs": screen.places(), **HEAVY}
    running = [
        run.click(handlers.run, **answer),
        # Not input, which this control also sends when it is left unchanged.
        preset.change(handlers.apply_preset, **example).success(handlers.run, **answer),
        demo.load(handlers.apply_preset, **example).success(handlers.run, **answer),
    ]
    for event in running:
        event.then(handlers.price, _priced(c), [run], **LIGHT)
    stop.click(handlers.stop, everything, [screen.status], cancels=running, **LIGHT)


def _wire_selection(handlers: Handlers, controls: Controls, screen: Screen, everything: set[Any]) -> None:
    """What is free answers at once, without embedding a mask."""
    c = controls
    for control in (c.mode, c.threshold, c.distance):
        control.input(handlers.select, everything, screen.places(), **LIGHT)
    c.reference.input(handlers.compare, everything, screen.places(), **LIGHT)
    c.caption.submit(handlers.compare, everything, screen.places(), **LIGHT)


def _wire_hints(handlers: Handlers, controls: Controls, screen: Screen, run: gr.Button, everything: set[Any]) -> None:
    """What is costly says its price, and that it waits for Run."""
    c = controls
    c.kind.input(handlers.choose_kind, {c.kind, c.encoder}, [c.reference, c.caption, c.encoder], **LIGHT)
    c.encoder.input(handlers.choose_encoder, {c.kind, c.encoder}, [c.reference, c.caption, c.kind], **LIGHT)
    for priced in (c.n_masks, c.encoder, c.precision):
        priced.change(handlers.price, _priced(c), [run], **LIGHT)
    for costly in c.costly():
        costly.input(handlers.stale, everything, [screen.status], **LIGHT)


def _priced(controls: Controls) -> set[Any]:
    return {controls.n_masks, controls.encoder, controls.precision}
